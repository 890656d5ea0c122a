"""The same request again and again, at a rate, over connections that stay open: for what more clients do than threads can play."""

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from .sse import path_of


@dataclass(frozen=True)
class Answered:
    """An answer that came whole."""

    # Empty: it came from an Envoy that had no filters yet.
    request_id: str
    status: int
    ended: float


class Barrage:
    """Asks `per_second` times a second until it is ended, on so many connections. A connection that breaks is opened anew."""

    def __init__(self, gateway_url: str, secret: str, body: bytes, per_second: int = 500, connections: int = 40):
        self.address = urlsplit(gateway_url)
        head = f"POST {path_of('openai')} HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer {secret}\r\n"
        self.request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        self.every_s = connections / per_second
        self.connections = connections
        self.answers: list[Answered] = []
        self.broken = 0
        self.failures: list[BaseException] = []
        self.began = self.ended = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Barrage":
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Lets each connection finish what it asked last."""
        self._ending.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "a request does not end"
        self.ended = time.monotonic()
        assert not self.failures, self.failures

    def count(self, status: int) -> int:
        """How many were answered like this so far."""
        assert not self.failures, self.failures
        return sum(answer.status == status for answer in list(self.answers))

    def refused_of_late(self) -> bool:
        """Whether a limit refused all of the last hundred."""
        last = self.answers[-100:]
        return len(last) == 100 and all(answer.status == 429 for answer in last)

    def ids(self, status: int) -> set[str]:
        """The requests that were answered like this."""
        return {answer.request_id for answer in self.answers if answer.status == status}

    def __str__(self) -> str:
        per_second = len(self.answers) / (self.ended - self.began)
        served = len(self.ids(200))
        return f"{served} answered, {len(self.answers) - served} refused, {self.broken} broken, {per_second:.0f} a second"

    def _run(self) -> None:
        try:
            asyncio.run(self._all())
        except BaseException as error:
            self.failures.append(error)

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(self.connections)))

    async def _one(self, number: int) -> None:
        due = time.monotonic() + number * self.every_s / self.connections
        while not self._ending.is_set():
            try:
                reader, writer = await asyncio.open_connection(self.address.hostname, self.address.port)
            except OSError:
                self.broken += 1
                due = await self._next(due)
                continue
            with contextlib.closing(writer):
                try:
                    while not self._ending.is_set():
                        due = await self._next(due)
                        writer.write(self.request)
                        self.answers.append(await _answer(reader))
                except (OSError, asyncio.IncompleteReadError):
                    self.broken += 1

    async def _next(self, due: float) -> float:
        """Waits until it is time to ask again. Who is late asks at once, and makes nothing up for it."""
        now = time.monotonic()
        await asyncio.sleep(max(0.0, due - now))
        return max(due, now) + self.every_s


async def _answer(reader: asyncio.StreamReader) -> Answered:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    if fields.get("transfer-encoding") == "chunked":
        while length := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(length + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(fields["content-length"]))
    return Answered(fields.get("x-weir-request-id", ""), int(head[0].split(" ")[1]), time.monotonic())
