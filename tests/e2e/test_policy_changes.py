"""What an admin saves holds on the running Envoy within a second, without a restart and without dropping a stream."""

import threading
import time

import httpx
import pytest

from weir_e2e.again import asked_again_and_again
from weir_e2e.provider import ok, status
from weir_e2e.sse import ask, events, path_of, post, said, said_in_stream
from weir_e2e.waiting import holds_for, seconds_until

CARD = "4111 1111 1111 1111"
BAR_S = 1.0


@pytest.fixture
def within_a_second(measured, admin):
    """Asserts that a condition comes true within a second of now, and that `nodes` shows the last write as applied."""

    def check(what: str, condition) -> None:
        written, since = admin.revision, time.monotonic()
        measured(what, seconds_until(condition, since, BAR_S, what))
        measured(f"{what}, shown by nodes", seconds_until(lambda: admin.applied(written), since, BAR_S, "nodes"))

    return check


def impatient(world, key) -> httpx.Client:
    """A client that does not wait for what was written: the wait is what is measured."""
    return httpx.Client(base_url=world.gateway_url, headers={"authorization": f"Bearer {key.secret}"}, timeout=30)


def answer_of(http) -> str:
    """What model `m` says. A refusal is an error: a change of policy costs no request."""
    response = post(http, "openai", "m")
    if response.status_code != 200:
        raise RuntimeError(response.text)
    return said("openai", response.json())


class SlowStream:
    """A stream that takes seconds, read in the background."""

    def __init__(self, http, model: str):
        self.text: str | None = None
        self.error: BaseException | None = None
        self.first = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(http, model))
        self.thread.start()
        assert self.first.wait(10), self.error

    def _read(self, http, model):
        try:
            body = ask("openai", model, stream=True)
            with http.stream("POST", path_of("openai"), json=body) as response:
                assert response.status_code == 200

                def noted():
                    for event in events(response.iter_lines()):
                        self.first.set()
                        yield event

                self.text = said_in_stream("openai", noted())
        except BaseException as error:
            self.error = error
            self.first.set()

    @property
    def under_way(self) -> bool:
        return self.thread.is_alive()

    def end(self) -> str:
        """The text, once the stream has ended as it should."""
        self.thread.join(20)
        assert not self.thread.is_alive(), "the stream does not end"
        assert self.error is None, self.error
        return self.text


def test_a_new_tenant_with_everything_it_needs(new_world, within_a_second, admin):
    world = new_world()
    world.model("m", world.upstream("openai"))
    key = world.key()
    with impatient(world, key) as http:
        within_a_second("new tenant, provider, pool, model and key", lambda: post(http, "openai", "m").is_success)


def test_a_new_key(world, within_a_second):
    world.model("m", world.upstream("openai"))
    world.admin.settle()
    with impatient(world, world.key()) as http:
        within_a_second("new key", lambda: post(http, "openai", "m").is_success)


def test_a_new_model_for_a_key_that_is_known_already(world, within_a_second):
    world.model("old", world.upstream("openai"))
    http = world.http()
    assert post(http, "openai", "old").status_code == 200
    assert post(http, "openai", "new").status_code == 404
    world.model("new", world.upstream("anthropic"))
    within_a_second("new provider, pool and model", lambda: post(http, "openai", "new").is_success)
    assert "new" in http.get("/v1/models").text


def test_a_deleted_model(world, within_a_second):
    model = world.model("m", world.upstream("openai"))
    http = world.http()
    assert post(http, "openai", "m").status_code == 200
    world.admin.delete("models", model["id"])
    within_a_second("deleted model", lambda: post(http, "openai", "m").status_code == 404)


def test_a_new_guardrail_profile(world, within_a_second):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    key = world.key()
    http = world.http(key)
    messages = [{"role": "user", "content": CARD}]
    assert CARD in post(http, "openai", "m", messages=messages).text
    world.admin.change("api-keys", key.id, guardrail_profile_id=world.profile(("CREDIT_CARD", "block", "both")))

    def blocked() -> bool:
        response = post(http, "openai", "m", messages=messages)
        # It may never be refused for another reason on the way, such as a profile that has not arrived yet.
        if response.status_code not in (200, 400):
            raise RuntimeError(response.text)
        return response.status_code == 400 and response.json()["error"]["code"] == "content_blocked"

    within_a_second("new guardrail profile", blocked)


def test_a_changed_guardrail_profile(world, within_a_second):
    world.model("m", world.upstream("openai"))
    profile = world.profile(("CREDIT_CARD", "flag", "both"))
    http = world.http(world.key(guardrail_profile_id=profile))
    messages = [{"role": "user", "content": CARD}]
    assert CARD in post(http, "openai", "m", messages=messages).text
    rule = {"type": "CREDIT_CARD", "action": "redact", "direction": "both"}
    world.admin.change("guardrails/profiles", profile, rules=[rule])
    within_a_second("changed guardrail profile", lambda: CARD not in post(http, "openai", "m", messages=messages).text)


def test_a_changed_pool_moves_the_traffic(world, within_a_second):
    first, second = world.upstream("openai", ok("from the first")), world.upstream("anthropic", ok("from the second"))
    pool = world.pool(first)
    world.admin.create("models", tenant_id=world.tenant_id, name="m", pool_id=pool["id"])
    http = world.http()
    assert said("openai", post(http, "openai", "m").json()) == "from the first"
    world.admin.change("pools", pool["id"], members=[world.member(second)])
    within_a_second("changed pool", lambda: answer_of(http) == "from the second")
    assert all(not request.holds(first.credential) for request in second.received())


def test_a_changed_credential_is_used(world, within_a_second):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    http = world.http()
    assert post(http, "openai", "m").status_code == 200
    world.admin.change("providers", upstream.id, credential="sk-rotated-canary")

    def rotated():
        assert post(http, "openai", "m").status_code == 200
        return upstream.received()[-1].header("authorization") == "Bearer sk-rotated-canary"

    within_a_second("changed credential", rotated)


def test_a_moved_provider_is_found(world, within_a_second):
    upstream = world.upstream("openai", ok("from here"))
    world.model("m", upstream)
    http = world.http()
    assert post(http, "openai", "m").status_code == 200
    there = world.fake.scenario(ok("from there"))
    world.admin.change("providers", upstream.id, base_url=there.base_url)
    within_a_second("changed base URL", lambda: answer_of(http) == "from there")


def test_a_revoked_key_is_refused_while_another_keys_stream_goes_on(world, within_a_second):
    world.model("m", world.upstream("openai", ok(f"{'word ' * 20}end", delay_ms=100)))
    world.model("quick", world.upstream("openai"))
    revoked, other = world.key(), world.key()
    http = world.http(revoked)
    stream = SlowStream(world.http(other), "m")
    assert post(http, "openai", "quick").status_code == 200
    world.admin.revoke(revoked.id)
    within_a_second("revoked key", lambda: post(http, "openai", "quick").status_code == 401)
    assert stream.under_way
    holds_for(lambda: post(http, "openai", "quick").status_code == 401, 0.3, "the key stays refused")
    assert stream.end().endswith("end")


def test_a_stream_survives_twenty_changes(world, admin):
    first = world.upstream("openai", ok(f"{'word ' * 30}end", delay_ms=100))
    second = world.upstream("openai", ok("from the second"))
    pool = world.pool(first)
    world.admin.create("models", tenant_id=world.tenant_id, name="m", pool_id=pool["id"])
    key = world.key()
    profile = world.profile(("EMAIL", "flag", "both"))
    stream = SlowStream(world.http(key), "m")
    for number in range(5):
        admin.change("pools", pool["id"], members=[world.member(second if number % 2 == 0 else first)])
        admin.change("providers", first.id, credential=f"sk-changed-{number}")
        admin.change("guardrails/profiles", profile, name=f"renamed-{world.tag}-{number}")
        world.model(f"another-{number}", second)
    admin.settle()
    assert stream.under_way, "the changes took longer than the stream; nothing was shown"
    assert stream.end().endswith("end")
    assert len(first.received()) == 1


def test_no_request_fails_while_a_pool_grows_and_shrinks(world, admin):
    """One member is a cluster of another kind than several are; and providers have names, which Envoy resolves."""

    def named(upstream):
        base_url = upstream.scenario.base_url.replace("127.0.0.1", "localhost")
        admin.change("providers", upstream.id, base_url=base_url, credential=upstream.credential)
        return world.member(upstream)

    members = [named(world.upstream("openai")) for _ in range(3)]
    pool = world.pool(members[0])
    world.admin.create("models", tenant_id=world.tenant_id, name="m", pool_id=pool["id"])
    http = world.http()
    with asked_again_and_again(http) as codes:
        for listed in ([0, 1], [1], [2], [2, 0, 1], [0, 1], [1]) * 2:
            admin.change("pools", pool["id"], members=[members[index] for index in listed])
            admin.settle()
    assert len(codes) > 10 and set(codes) == {200}, {code: codes.count(code) for code in set(codes)}


def test_no_request_fails_while_policies_change(world, admin):
    first, second = world.upstream("openai"), world.upstream("anthropic")
    pool = world.pool(first)
    world.admin.create("models", tenant_id=world.tenant_id, name="m", pool_id=pool["id"])
    http = world.http()
    with asked_again_and_again(http) as codes:
        for number in range(5):
            admin.change("pools", pool["id"], members=[world.member(second if number % 2 == 0 else first)])
            world.model(f"another-{number}", world.upstream("anthropic", status(503)))
            admin.change("providers", first.id, credential=f"sk-changed-{number}")
            admin.settle()
    assert len(codes) > 10 and set(codes) == {200}, {code: codes.count(code) for code in set(codes)}


def test_nodes_tell_which_envoy_applied_what(admin, run):
    admin.settle()
    (node,) = admin.connected_nodes()
    assert node["id"] and node["gateway"]
    assert node["envoy_version"].startswith("1.40")
    assert node["refused"] is None
    assert node["sent_revision"] >= node["applied_revision"] >= admin.revision
    assert node["last_seen_at"].endswith("Z")
