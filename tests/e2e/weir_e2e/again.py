"""One request after the other, while something else goes on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from .sse import post


@contextmanager
def asked_again_and_again(http: httpx.Client) -> Iterator[list[int]]:
    """The statuses of requests, one after the other, as long as this is entered."""
    done = threading.Event()
    codes: list[int] = []

    def ask_on() -> None:
        while not done.is_set():
            codes.append(post(http, "openai", "m").status_code)

    asker = threading.Thread(target=ask_on)
    asker.start()
    try:
        yield codes
    finally:
        done.set()
        asker.join(30)
