"""A filter VM that crashes: its own requests are refused clearly, everybody else's go on, and nothing answered is lost.

Runs a system of its own, with the filters as they are shipped plus a request header that ends the VM which reads it.
"""

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from weir_e2e.admin import Admin
from weir_e2e.hostile import check_told
from weir_e2e.provider import FakeProvider, ok
from weir_e2e.raw import Connection, RawAnswer, answers_in, post_head
from weir_e2e.sse import ask, check_error, events, path_of, post, said, said_in_stream
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

    def connections_by_worker(self, each: int) -> tuple[list[Connection], list[Connection]]:
        """So many fresh connections to each of the two workers: the kernel deals them out, and Envoy tells to whom."""
        dealt: tuple[list[Connection], list[Connection]] = ([], [])

        def taken() -> list[int]:
            return [self.count(rf"^listener\..*\.worker_{worker}\.downstream_cx_total$") for worker in range(2)]

        while min(len(connections) for connections in dealt) < each:
            before, connection = taken(), Connection(self.run["gateway_url"], timeout_s=20)
            now = eventually(lambda before=before: (it := taken()) != before and it, what="a worker for a connection")
            worker = [late - early for early, late in zip(before, now)].index(1)
            dealt[worker].append(connection)
        for connections in dealt:
            while len(connections) > each:
                connections.pop().close()
        return dealt

    def count(self, metric: str) -> int:
        """The sum of the statistics of Envoy or the filters whose names match."""
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


WORDS = "word " * 40


def test_a_crash_ends_the_streams_of_its_worker_and_no_others(crashable):
    world = crashable.world()
    flowing = world.upstream("openai", ok(WORDS, chunks=40, delay_ms=50))
    late = world.upstream("openai", ok("late", chunks=1, delay_ms=2000))
    world.model("flowing", flowing)
    world.model("late", late)
    world.model("m", world.upstream("openai", ok("plain")))
    secret = world.key().secret
    crashable.admin.settle()
    assert crashable.served_by_all(secret)
    reborn = crashable.count(r"^wasm\.weir\.chain\.vm_reload_success$")

    # On each worker two of each kind for each schema, and on the first one more that ends its VM.
    kinds = [Stream, Whole, Upload]
    wanted = [(kind, schema) for kind in kinds for schema in SCHEMAS] * 2
    unlucky, lucky = crashable.connections_by_worker(len(wanted) + 1)
    doomed = [kind(connection, schema, secret) for connection, (kind, schema) in zip(unlucky, wanted)]
    spared = [kind(connection, schema, secret) for connection, (kind, schema) in zip(lucky, wanted)]
    everyone = doomed + spared
    for one in everyone:
        one.begin()
    for one in everyone:
        one.wait_until_begun()
    eventually(lambda: len(late.received()) == len(everyone) // 3, what="the requests at their provider")
    eventually(lambda: crashable.count(r"^http\.weir\.downstream_rq_active$") == len(everyone), what="all under way")

    crashing = post_head("openai", secret, *(f"{name}: {value}" for name, value in TRIGGER.items()))
    unlucky[-1].send(crashing.replace(b"\r\n\r\n", b"\r\ncontent-length: 0\r\n\r\n"))
    (answer,) = answers_in(unlucky[-1].answer())
    check_told("openai", answer, 503, "gateway_unavailable")

    for one in doomed:
        one.check_ended()
    answered = [one.check_served() for one in spared]
    eventually(partial(crashable.served_by_all, secret), within_s=5, what="every worker serving again")
    assert crashable.count(r"^wasm\.weir\.chain\.vm_reload_success$") == reborn + 1

    # What nobody reads any longer is not written, and nothing was asked of a provider twice.
    ends = Counter(request.finished for request in flowing.received())
    assert ends == {"client_gone": len(doomed) // 3, "complete": len(spared) // 3}, ends
    assert len(late.received()) == len(everyone) // 3
    # What was answered is in the ledger, once.
    for request_id in answered:
        assert world.record(request_id)["outcome"] == "complete"
    print(f"under way when one VM of two crashed: {len(doomed)} ended with it, {len(spared)} answered in full and recorded")


class UnderWay:
    """A request on a connection of which the worker is known."""

    model = "m"
    streamed = False
    begun = b""

    def __init__(self, connection: Connection, schema: str, secret: str):
        self.connection, self.schema = connection, schema
        self.body = json.dumps(ask(schema, self.model, stream=self.streamed)).encode()
        self.head = post_head(schema, secret, f"content-length: {len(self.body)}")

    def begin(self) -> None:
        """Sends what is sent before the crash."""
        self.connection.send(self.head + self.body)

    def wait_until_begun(self) -> None:
        """Waits for what shows that it is where the crash shall find it."""

    def check_ended(self) -> None:
        """Asserts that it is refused in its schema."""
        (answer,) = answers_in(self.connection.answer())
        check_told(self.schema, answer, 503, "gateway_unavailable")
        self.connection.close()

    def check_served(self) -> str:
        """Asserts that all of its answer comes; its request's id."""
        (answer,) = answers_in(self.connection.answer(self.begun))
        assert answer.status == 200, answer
        assert self.text_of(answer) == self.expected
        self.connection.close()
        return answer.headers["x-weir-request-id"]

    def text_of(self, answer: RawAnswer) -> str:
        return said(self.schema, answer.json)


class Whole(UnderWay):
    """A request that waits for its provider."""

    model = "late"
    expected = "late"


class Upload(UnderWay):
    """A request whose body is half sent."""

    expected = "plain"

    def begin(self) -> None:
        self.connection.send(self.head + self.body[: len(self.body) // 2])

    def check_ended(self) -> None:
        # Envoy notices that a stream's VM is gone when the stream goes on.
        self.connection.send(self.body[len(self.body) // 2 :])
        super().check_ended()

    def check_served(self) -> str:
        self.connection.send(self.body[len(self.body) // 2 :])
        return super().check_served()


class Stream(UnderWay):
    """A request whose answer has begun to come."""

    model = "flowing"
    streamed = True
    expected = WORDS

    def wait_until_begun(self) -> None:
        self.begun = self.connection.until(b"word ")

    def check_ended(self) -> None:
        """An end that looks complete and is not would be the one wrong answer."""
        received = self.begun + self.connection.until_closed()
        assert received.startswith(b"HTTP/1.1 200") and not received.endswith(b"\r\n0\r\n\r\n"), received
        self.connection.close()

    def text_of(self, answer: RawAnswer) -> str:
        return said_in_stream(self.schema, events(answer.body.decode().splitlines()))


def test_what_a_vm_had_reserved_when_it_died_stays_reserved(crashable):
    world = crashable.world()
    late = world.upstream("openai", ok("late", chunks=1, delay_ms=3000))
    world.model("late", late)
    key = world.key()
    limit = crashable.admin.create(
        "limits",
        tenant_id=world.tenant_id,
        name="budget",
        subject={"kind": "api_key", "id": key.id},
        unit="total_tokens",
        window={"kind": "total"},
        amount=100_000,
        action="refuse",
    )
    crashable.admin.settle()
    body = json.dumps(ask("openai", "late", max_tokens=5000)).encode()

    def send() -> None:
        with crashable.fresh(key.secret) as http:
            try:
                answer = http.post(path_of("openai"), content=body, headers={"content-type": "application/json"})
            except httpx.TransportError:
                return
            assert answer.status_code >= 500, answer.text

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(send)
        eventually(late.received, what="the request at its provider")
        crashable.crash_all(key.secret)
        under_way.result(timeout=20)
    # A token a byte, and all of the output that the request allowed: nobody knows what its provider bills.
    reserved = len(body) + 5000
    held = {"spent": 0, "reserved": reserved, "unreconciled": 0, "remaining": 100_000 - reserved, "resets_at": None}

    def state() -> dict[str, int]:
        told = json.loads(crashable.admin.text_of(f"limits/{limit['id']}/state"))
        return {name: told[name] for name in held}

    eventually(lambda: state() == held, what="what is held for the dead VM's request alone", within_s=20)


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

    # What the first VM had sent on before it died may be stored before anybody takes it over.
    def taken_over() -> int | None:
        count = crashable.count("weir_usage_records_adopted") - adopted
        return count if count >= len(ids) else None

    count = eventually(taken_over, within_s=10, what="every record taken over by another VM")
    assert set(stored().values()) == {1}
    print(f"{len(ids)} requests answered and not delivered, both VMs crashed: {count} records taken over, each stored once")
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
