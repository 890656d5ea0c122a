"""A filter VM that crashes: its own requests are refused clearly, everybody else's go on, and nothing answered is lost.

Runs a system of its own, with the filters as they are shipped plus a request header that ends the VM which reads it.
"""

import json
import os
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from weir_e2e.admin import Admin
from weir_e2e.provider import FakeProvider, ok
from weir_e2e.raw import Connection, post_head
from weir_e2e.sse import ask, check_error, check_error_body, events, headers_of, is_last, path_of, post
from weir_e2e.system import REPOSITORY, System
from weir_e2e.waiting import eventually, wait_for_a_minute_with
from weir_e2e.world import World

SCHEMAS = ["openai", "anthropic"]
TRIGGER = {"crash-the-vm": "now"}

# Connections that reach both of two workers, but for a chance of one in 2^19: the kernel deals them out.
ENOUGH = 20


class Crashable:
    """A system with two workers whose VMs can be ended."""

    def __init__(self, system: System):
        self.system = system
        self.run = system.run
        self.admin = Admin(self.run["console_url"], self.run["admin_email"], self.run["admin_password"])
        self.fake = FakeProvider(self.run["demo_provider_url"])

    def world(self) -> World:
        """A tenant of a test's own."""
        return World(self.admin, self.fake, self.run["gateway_url"])

    def fresh(self, secret: str, **headers: str) -> httpx.Client:
        """A client with a connection of its own, hence on any worker."""
        headers = {"authorization": f"Bearer {secret}", **headers}
        return httpx.Client(base_url=self.run["gateway_url"], headers=headers, timeout=20)

    def ask(self, secret: str, schema: str = "openai", model: str = "m") -> httpx.Response:
        """One request over a fresh connection."""
        with self.fresh(secret) as http:
            return post(http, schema, model)

    def crash(self, secret: str, schema: str = "openai") -> None:
        """Ends the VM of one worker."""
        with self.fresh(secret, **TRIGGER) as http:
            check_error(schema, post(http, schema, "m"), 503, "gateway_unavailable")

    def crash_all(self, secret: str) -> None:
        """Ends the VM of each worker at least once."""
        for _ in range(ENOUGH):
            self.crash(secret)

    def served_by_all(self, secret: str) -> bool:
        """Whether every worker answers. What it refuses, it refuses clearly."""
        answers = [self.ask(secret) for _ in range(ENOUGH)]
        for answer in answers:
            if answer.status_code != 200:
                check_error("openai", answer, 503, "gateway_unavailable")
        return all(answer.status_code == 200 for answer in answers)

    def count(self, metric: str) -> int:
        """A counter of the filters."""
        with httpx.Client(base_url=self.run["envoy_admin_url"], timeout=10) as envoy:
            stats = envoy.get("/stats", params={"filter": metric, "format": "json"}).json()["stats"]
        return sum(stat["value"] for stat in stats if "value" in stat)


@pytest.fixture(scope="module")
def crashable():
    wasm = os.environ.get("WEIR_WASM_CRASH_TRIGGER", str(REPOSITORY / "target/weir-crash-trigger.wasm"))
    system = System(WEIR_WASM=wasm, WEIR_ENVOY_CONCURRENCY="2")
    try:
        system.start()
        yield Crashable(system)
    finally:
        wrong = system.stop()
    assert not wrong, f"{wrong}; logs are kept in {system.state}"
    system.forget()


def test_a_crash_ends_the_streams_of_its_worker_and_no_others(crashable):
    world = crashable.world()
    flowing = world.upstream("openai", ok("word " * 40, chunks=40, delay_ms=50))
    late = world.upstream("openai", ok("late", chunks=1, delay_ms=2000))
    world.model("flowing", flowing)
    world.model("late", late)
    world.model("m", world.upstream("openai"))
    secret = world.key().secret
    crashable.admin.settle()
    assert crashable.served_by_all(secret)

    each = 6
    begun = [threading.Event() for _ in range(each * len(SCHEMAS))]
    schemas = SCHEMAS * each
    with ThreadPoolExecutor(3 * len(begun)) as pool:
        streams = [pool.submit(read_stream, crashable, secret, schema, on) for schema, on in zip(schemas, begun)]
        waiting = [pool.submit(crashable.ask, secret, schema, "late") for schema in schemas]
        uploads = [Upload(crashable, secret, schema) for schema in schemas]
        assert all(on.wait(10) for on in begun)
        eventually(lambda: len(late.received()) == len(waiting), what="the requests at their provider")
        crashable.crash(secret, "openai")
        outcomes = Counter(stream.result() for stream in streams)
        outcomes += Counter(answered(schema, answer) for schema, answer in zip(schemas, waiting))
        outcomes += Counter(upload.finish() for upload in uploads)
    print(f"under way on two workers when one VM crashed: {dict(outcomes)}")
    assert outcomes["whole"] > 0, f"no worker went on: {outcomes}"
    assert outcomes["refused"] > 0 and outcomes["broken off"] > 0, f"nothing was on the VM that crashed: {outcomes}"
    eventually(partial(crashable.served_by_all, secret), within_s=5, what="every worker serving again")


def read_stream(crashable: Crashable, secret: str, schema: str, begun: threading.Event) -> str:
    """How a stream ended. An end that looks complete and is not would be the one wrong answer."""
    with crashable.fresh(secret) as http:
        body = ask(schema, "flowing", stream=True)
        try:
            with http.stream("POST", path_of(schema), json=body, headers=headers_of(schema)) as response:
                assert response.status_code == 200, response.read()
                for event in events(response.iter_lines()):
                    begun.set()
                    if is_last(schema, event):
                        return "whole"
        except httpx.RemoteProtocolError:
            return "broken off"
    raise AssertionError("a stream ended without its last event as if it were complete")


def answered(schema: str, waiting: Future[httpx.Response]) -> str:
    """How a request ended that had waited for its provider."""
    answer = waiting.result()
    if answer.status_code == 200:
        return "whole"
    check_error(schema, answer, 503, "gateway_unavailable")
    return "refused"


class Upload:
    """A request whose body is half sent."""

    def __init__(self, crashable: Crashable, secret: str, schema: str):
        self.schema = schema
        body = json.dumps(ask(schema, "m")).encode()
        self.rest = body[len(body) // 2 :]
        self.connection = Connection(crashable.run["gateway_url"])
        self.connection.send(post_head(schema, secret, f"content-length: {len(body)}") + body[: len(body) // 2])

    def finish(self) -> str:
        """Sends the rest; says how it ended."""
        self.connection.send(self.rest)
        head, _, body = self.connection.answer().partition(b"\r\n\r\n")
        self.connection.close()
        if head.startswith(b"HTTP/1.1 200"):
            return "whole"
        assert head.startswith(b"HTTP/1.1 503"), head
        check_error_body(self.schema, json.loads(body), "gateway_unavailable")
        return "refused"


def test_usage_that_was_not_delivered_outlives_its_vm(crashable):
    world = crashable.world()
    world.model("m", world.upstream("openai"))
    secret = world.key().secret
    crashable.admin.settle()
    assert crashable.served_by_all(secret)
    adopted = crashable.count("weir_usage_records_adopted")
    with crashable.system.paused("control_plane"):
        answers = [crashable.ask(secret) for _ in range(2 * ENOUGH)]
        assert {answer.status_code for answer in answers} == {200}
        # Each record lies in the VM that made it, and nobody takes it from there.
        crashable.crash_all(secret)
    ids = {answer.headers["x-weir-request-id"] for answer in answers}

    def stored() -> Counter[str]:
        records = crashable.admin.usage(tenant_id=world.tenant_id)
        return Counter(record["request_id"] for record in records if record["request_id"] in ids)

    eventually(lambda: stored().keys() == ids, within_s=20, what="a record of every request that was answered")
    assert set(stored().values()) == {1}
    adopted = crashable.count("weir_usage_records_adopted") - adopted
    print(f"{len(ids)} requests answered and not delivered, both VMs crashed: {adopted} records taken over, each stored once")
    assert adopted >= len(ids)
    eventually(partial(crashable.served_by_all, secret), within_s=15, what="every worker serving again")


def test_a_new_vm_holds_to_what_was_decided_before(crashable):
    world = crashable.world()
    world.model("m", world.upstream("openai"))
    limited = world.key(requests_per_minute=30)
    key = world.key()
    crashable.admin.settle()
    wait_for_a_minute_with(25)
    assert crashable.served_by_all(limited.secret)
    crashable.crash_all(key.secret)
    eventually(partial(crashable.served_by_all, key.secret), within_s=15, what="every worker serving again")
    statuses = Counter(crashable.ask(limited.secret).status_code for _ in range(ENOUGH))
    assert statuses == {200: 30 - ENOUGH, 429: 2 * ENOUGH - 30}, "leases are the proxy's, not the VM's"

    world.admin.revoke(key.id)

    def refused_by_all() -> bool:
        return {crashable.ask(key.secret).status_code for _ in range(ENOUGH)} == {401}

    eventually(refused_by_all, within_s=3, what="a revoked key refused by every new VM")


def test_a_vm_that_keeps_crashing_harms_only_while_it_does(crashable):
    world = crashable.world()
    world.model("m", world.upstream("openai"))
    secret = world.key().secret
    crashable.admin.settle()
    assert crashable.served_by_all(secret)
    outcomes: Counter[int] = Counter()
    for round in range(2 * ENOUGH):
        crashable.crash(secret, SCHEMAS[round % 2])
        for schema in SCHEMAS:
            answer = crashable.ask(secret, schema)
            outcomes[answer.status_code] += 1
            if answer.status_code != 200:
                check_error(schema, answer, 503, "gateway_unavailable")
    assert set(outcomes) <= {200, 503}, outcomes
    eventually(partial(crashable.served_by_all, secret), within_s=15, what="every worker serving again")


def test_the_shipped_filters_have_no_such_trigger(world):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    for schema in SCHEMAS:
        for _ in range(ENOUGH):
            headers = {"authorization": f"Bearer {key.secret}", **TRIGGER}
            with httpx.Client(base_url=world.gateway_url, headers=headers, timeout=20) as http:
                assert post(http, schema, "m").status_code == 200
    assert len(upstream.received()) == ENOUGH * len(SCHEMAS)
