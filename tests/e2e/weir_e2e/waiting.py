"""Waiting for a condition with a deadline, in place of sleeping for a guess."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Overdue(AssertionError):
    """A condition did not come true in time."""


def eventually(condition: Callable[[], T], within_s: float = 5.0, every_s: float = 0.02, what: str = "") -> T:
    """The first true value of `condition`. An assertion error inside it counts as "not yet" and is shown at the end."""
    deadline = time.monotonic() + within_s
    last: object = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise Overdue(f"{what or 'the condition'} did not come true within {within_s} s; last seen: {last}")
        time.sleep(every_s)


def seconds_until(condition: Callable[[], object], since: float, within_s: float, what: str = "") -> float:
    """Seconds from `since` (of `time.monotonic`) until `condition` came true."""
    eventually(condition, within_s=within_s, every_s=0.005, what=what)
    return time.monotonic() - since


def holds_for(condition: Callable[[], object], seconds: float, what: str = "") -> None:
    """Fails as soon as `condition` is false within that time: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"{what or 'the condition'} did not hold for {seconds} s"
        time.sleep(0.02)


def wait_for_a_minute_with(seconds: float) -> None:
    """Returns in a UTC minute, on which request limits are counted, of which at least so much is left."""
    eventually(lambda: 60 - time.time() % 60 >= seconds, within_s=seconds + 1, every_s=0.05, what="a new minute")
