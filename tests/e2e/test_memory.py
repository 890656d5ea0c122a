"""Memory is bounded: by the bodies that one worker holds, and by Envoy's heap as a whole.

Runs a system of its own, since large bodies leave their mark on a VM's memory, with one worker, so that its bound is reached
with half the bytes.
"""

import json
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import psutil
import pytest

from weir_e2e.admin import Admin
from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.provider import FakeProvider, ok
from weir_e2e.raw import Connection, post_head
from weir_e2e.sse import check_error, check_error_body, post
from weir_e2e.system import System
from weir_e2e.waiting import eventually
from weir_e2e.world import World

SCHEMAS = ["openai", "anthropic"]
MIB = 1024 * 1024

# What one worker holds at most by default; the largest bodies here, and how many at a time.
IN_FLIGHT_MIB = 256
BODY_MIB = 35
AT_ONCE = 9


@pytest.fixture(scope="module")
def system():
    system = System(WEIR_ENVOY_CONCURRENCY="1")
    try:
        system.start()
        yield system
    finally:
        wrong = system.stop()
    assert not wrong, f"{wrong}; logs are kept in {system.state}"
    system.forget()


@pytest.fixture(scope="module")
def run(system):
    return system.run


@pytest.fixture(scope="module")
def admin(run):
    return Admin(run["console_url"], run["admin_email"], run["admin_password"])


@pytest.fixture(scope="module")
def fake(run):
    return FakeProvider(run["demo_provider_url"])


class Resident:
    """The memory that a process holds, at its peak while this is entered, in MiB."""

    def __init__(self, pid: int):
        self.process = psutil.Process(pid)
        self.ended = threading.Event()
        self.peak = self.now()

    def now(self) -> float:
        return self.process.memory_info().rss / MIB

    def __enter__(self) -> "Resident":
        self.peak = self.now()
        self.ended.clear()
        self.watcher = threading.Thread(target=self._watch)
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.watcher.join()

    def _watch(self) -> None:
        while not self.ended.wait(0.02):
            self.peak = max(self.peak, self.now())


def large_body(schema: str) -> bytes:
    """A request with an e-mail address in every KiB, so that all of it is read and written anew."""
    text = ("word " * 201 + "ada@example.org ") * (BODY_MIB * MIB // 1021)
    limit = {"max_tokens": 100} if schema == "anthropic" else {}
    return json.dumps({"model": "slow", "messages": [{"role": "user", "content": text}], **limit}).encode()


def send(url: str, schema: str, secret: str, body: bytes, announced: bool) -> str:
    """Sends a body as long as nobody objects. Answers how it came out."""
    connection = Connection(url, timeout_s=60)
    length = f"content-length: {len(body)}" if announced else "transfer-encoding: chunked"
    connection.send(post_head(schema, secret, length))
    try:
        for start in range(0, len(body), MIB):
            if not connection.silent():
                break
            piece = body[start : start + MIB]
            connection.send(piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece))
        else:
            connection.send(b"" if announced else b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    head, _, answer = connection.answer().partition(b"\r\n\r\n")
    connection.close()
    if head.startswith(b"HTTP/1.1 200"):
        return "served"
    assert head.startswith(b"HTTP/1.1 503"), head or "no answer"
    assert b"\r\nretry-after: " in head.lower(), head
    check_error_body(schema, json.loads(answer), "gateway_overloaded")
    return "refused"


def test_many_large_bodies_at_once_are_refused_and_small_ones_are_not(system, world):
    world.model("slow", world.upstream("openai", ok("done", chunks=1, delay_ms=3000)))
    world.model("m", world.upstream("openai"))
    # One reads and rewrites what it sends, one does not.
    keys = {"openai": world.key(guardrail_profile_id=world.profile(("EMAIL", "redact", "input"))), "anthropic": world.key()}
    http = world.http(keys["openai"])
    assert post(http, "openai", "m").status_code == 200
    bodies = {schema: large_body(schema) for schema in SCHEMAS}
    resident = Resident(system.pid("envoy"))
    before = resident.now()
    peaks, outcomes, slowest = [], Counter(), 0.0
    for _ in range(2):
        with resident, ThreadPoolExecutor(AT_ONCE) as pool:
            sent: list[Future[str]] = [
                pool.submit(send, world.gateway_url, schema, keys[schema].secret, bodies[schema], number % 3 > 0)
                for number, schema in enumerate((SCHEMAS * AT_ONCE)[:AT_ONCE])
            ]
            while not all(one.done() for one in sent):
                began = time.monotonic()
                assert post(http, "openai", "m").status_code == 200, "a small request is always let in"
                slowest = max(slowest, time.monotonic() - began)
            outcomes += Counter(one.result() for one in sent)
        peaks.append(resident.peak - before)
    print(f"{dict(outcomes)}; peaks {peaks} MiB above {before:.0f}; slowest small request {slowest:.1f} s")
    assert outcomes["served"] >= 2 * (IN_FLIGHT_MIB // BODY_MIB), outcomes
    assert outcomes["refused"] > 0, outcomes
    # Envoy has up to two copies of what it holds, and the filters work on one body at a time.
    assert max(peaks) < 2 * IN_FLIGHT_MIB + 14 * BODY_MIB, peaks
    # The second time takes no more, but for how many are held at the very same moment: two more are four copies. Nine that
    # were not let go would be at least nine.
    assert peaks[1] - peaks[0] < 4 * BODY_MIB, peaks

    def codes() -> list[str]:
        records = world.admin.usage(tenant_id=world.tenant_id)
        return [record["error_code"] for record in records if record["outcome"] == "refused"]

    eventually(lambda: len(codes()) == outcomes["refused"], what="a record of each that was refused")
    assert set(codes()) == {"gateway_overloaded"}

    # All that was held is let go.
    assert send(world.gateway_url, "openai", keys["openai"].secret, bodies["openai"], True) == "served"


def test_an_envoy_at_the_end_of_its_heap_refuses_in_the_clients_schema():
    """So little that Envoy has used it up before it serves."""
    heap = {"max_heap_size_bytes: 2147483648": "max_heap_size_bytes: 1048576"}
    with lone_envoy("e2e-full", "no token", edits=heap) as envoy, httpx.Client(base_url=envoy.url, timeout=5) as http:

        def overloaded() -> bool:
            return post(http, "openai", "m").json()["error"]["code"] == "gateway_overloaded"

        eventually(overloaded, what="Envoy noticing")
        for schema in SCHEMAS:
            for streamed in (False, True):
                check_error(schema, post(http, schema, "m", stream=streamed), 503, "gateway_overloaded")
