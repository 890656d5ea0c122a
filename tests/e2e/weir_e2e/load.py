"""Clients that ask at a steady pace while something breaks, and an account of what each of them got."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import httpx

from .sse import ask, events, headers_of, path_of, said, said_in_stream

# (schema, streamed): every client asks in one of these ways.
WAYS = [("openai", False), ("anthropic", False), ("openai", True), ("anthropic", True)]

# Refusals after the caller is known, which are recorded like any answer.
RECORDED = {"rate_limit_exceeded", "quota_unavailable", "upstream_unavailable"}


@dataclass(frozen=True)
class Asked:
    """One request and what came of it."""

    client: str
    began: float
    ended: float
    # 0: the connection failed, or the answer was not whole.
    status: int
    code: str | None
    request_id: str | None
    failure: str | None = None

    @property
    def took_s(self) -> float:
        """Seconds until the answer was whole."""
        return self.ended - self.began

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger must have it."""
        return self.status == 200 or self.code in RECORDED


@dataclass(frozen=True)
class Tally:
    """The line of a load in the table of faults."""

    answered: int
    refused: dict[str, int]
    failed: int
    stored: int
    doubled: int
    lost_ids: set[str] = field(repr=False)

    def __str__(self) -> str:
        refused = ", ".join(f"{count} {code}" for code, count in sorted(self.refused.items())) or "0"
        return (
            f"{self.answered} answered, {refused} refused, {self.failed} failed; "
            f"{self.stored} records stored, {self.doubled} doubled, {len(self.lost_ids)} lost"
        )


@dataclass(frozen=True)
class Client:
    """Someone who asks: a name for the account, a key's secret, a model."""

    name: str
    secret: str
    model: str


class Load:
    """Asks with every client at once until it is ended. A client asks again `every_s` after it began to ask before."""

    def __init__(self, gateway_url: str, clients: Iterable[Client], every_s: float = 0.1):
        self.gateway_url = gateway_url
        self.every_s = every_s
        self._asked: list[Asked] = []
        self._ending = threading.Event()
        ways = itertools.cycle(WAYS)
        self._threads = [
            threading.Thread(target=self._ask_on, args=(client, *next(ways)), daemon=True) for client in clients
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Lets each client finish what it asked last."""
        self._ending.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request does not end"

    def asked(self, fits: Callable[[Asked], bool] = lambda _: True) -> list[Asked]:
        """What was asked so far and has ended."""
        return [asked for asked in list(self._asked) if fits(asked)]

    def tally(self, ledger: Counter[str], fits: Callable[[Asked], bool] = lambda _: True) -> Tally:
        """Compares what the clients saw with what the ledger has."""
        asked = self.asked(fits)
        recorded = {one.request_id for one in asked if one.is_recorded and one.request_id}
        return Tally(
            answered=sum(one.status == 200 for one in asked),
            refused=dict(Counter(f"{one.status} {one.code}" for one in asked if one.status not in (0, 200))),
            failed=sum(one.status == 0 for one in asked),
            stored=ledger.total(),
            doubled=ledger.total() - len(ledger),
            lost_ids=recorded - set(ledger),
        )

    def _ask_on(self, client: Client, schema: str, streamed: bool) -> None:
        headers = {"authorization": f"Bearer {client.secret}", **headers_of(schema)}
        with httpx.Client(base_url=self.gateway_url, headers=headers, timeout=30) as http:
            while not self._ending.is_set():
                began = time.monotonic()
                self._asked.append(_ask(http, client, schema, streamed, began))
                self._ending.wait(max(0.0, began + self.every_s - time.monotonic()))


def _ask(http: httpx.Client, client: Client, schema: str, streamed: bool, began: float) -> Asked:
    status, request_id, code = 0, None, None
    try:
        body = ask(schema, client.model, stream=streamed)
        with http.stream("POST", path_of(schema), json=body) as response:
            status, request_id = response.status_code, response.headers.get("x-weir-request-id")
            if status == 200 and streamed:
                said_in_stream(schema, events(response.iter_lines()))
            elif status == 200:
                response.read()
                said(schema, response.json())
            else:
                response.read()
                code = response.json()["error"].get("code")
    except (httpx.HTTPError, ValueError, KeyError, AssertionError) as error:
        failure = f"{type(error).__name__}: {error} after status {status}"
        return Asked(client.name, began, time.monotonic(), 0, None, request_id, failure)
    return Asked(client.name, began, time.monotonic(), status, code, request_id)
