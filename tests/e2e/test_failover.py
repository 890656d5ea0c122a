"""When a pool's first provider fails, the next one answers, in its own terms and with its own credential.

`tests/gateway/tests/attempts.rs` has each failure that is no silence for each client; here are those in which Envoy has a part.
"""

import httpx
import openai
import pytest

from weir_e2e.provider import ok, over_both, status, told
from weir_e2e.sse import check_error, events, is_last, path_of, post, said, said_in_stream
from weir_e2e.world import World

SCHEMAS = ["openai", "anthropic"]
pytestmark = over_both
OTHER = {"openai": "anthropic", "anthropic": "openai"}
# A stream must begin within the first. A whole answer is silent until it is done, and each member has its share of the
# second.
FIRST_BYTE_MS = 300
REQUEST_MS = 800

# Nothing of these reached the client, so the next provider can answer.
FAILURES = {
    "503": status(503),
    "429": status(429, headers={"retry-after": "30"}),
    "402": status(402),
    "closed connection": told("refuse"),
    "reset connection": told("reset"),
    "no answer": told("hang"),
    "200 without a first byte": told("hang_after_headers"),
    "200 and half a document": told("half_json"),
}
FAILURES_OF_WHOLE_ANSWERS = {
    **FAILURES,
    "cut in the middle": told("cut_after", chunks=2),
    "reset in the middle": told("reset_after", chunks=2),
    "silent in the middle": told("stall_after", chunks=2),
    "byte by byte": told("drip_after", chunks=0, every_ms=50),
    "signs of life for ever": told("ping_after", chunks=0, every_ms=50),
}
FAILURES_OF_STREAMS = {
    **FAILURES,
    "error as its first event": told("error_first_event"),
    "cut before its first content": told("cut_after", chunks=0),
    "reset before its first content": told("reset_after", chunks=0),
    "silent before its first content": told("stall_after", chunks=0),
    "first content byte by byte": told("drip_after", chunks=0, every_ms=50),
    "signs of life for ever": told("ping_after", chunks=0, every_ms=50),
}


SECOND = ok("from the second")


@pytest.fixture
def client_schema(transport):
    """One client for each transport."""
    return {"plain": "openai", "http2": "anthropic"}[transport]


def two_members(world: World, first_schema: str, failure, second_schema: str, second=SECOND):
    """A model whose first provider fails."""
    upstreams = world.upstream(first_schema, failure), world.upstream(second_schema, second)
    world.model("m", *upstreams, first_byte_timeout_ms=FIRST_BYTE_MS, request_timeout_ms=REQUEST_MS)
    return upstreams


def check_apart(first, second, key_secret: str) -> None:
    """Nothing of one provider was shown to the other, nothing of the client's to either, nothing of Weir's to any."""
    one, other = first.only(), second.only()
    assert one.holds(first.credential) and other.holds(second.credential)
    assert not one.holds(second.credential)
    assert not other.holds(first.credential)
    for request, upstream in ((one, first), (other, second)):
        assert not request.holds(key_secret)
        internal = [name for name, _ in request.headers if name.startswith(("x-weir-", "x-envoy-"))]
        assert internal == [], internal
        own, foreign = ("authorization", "x-api-key") if upstream.schema == "openai" else ("x-api-key", "authorization")
        assert request.header(own) == ("Bearer " if own == "authorization" else "") + upstream.credential
        assert request.header(foreign) is None
        assert request.path == path_of(upstream.schema)
        assert (request.header("anthropic-version") is not None) == (upstream.schema == "anthropic")
        assert request.authority and request.authority in upstream.scenario.base_url


@pytest.mark.parametrize("failure", FAILURES_OF_WHOLE_ANSWERS.values(), ids=FAILURES_OF_WHOLE_ANSWERS)
def test_the_next_provider_answers(world, client_schema, failure):
    first, second = two_members(world, client_schema, failure, OTHER[client_schema])
    key = world.key()
    response = post(world.http(key), client_schema, "m")
    assert response.status_code == 200, response.text
    assert said(client_schema, response.json()) == "from the second"
    assert response.headers["x-weir-provider"] == second.name
    check_apart(first, second, key.secret)
    record = world.record(response.headers["x-weir-request-id"])
    assert (record["attempts"], record["provider_id"], record["status"]) == (2, second.id, 200)


@pytest.mark.parametrize("failure", FAILURES_OF_STREAMS.values(), ids=FAILURES_OF_STREAMS)
def test_the_next_provider_streams(world, client_schema, failure):
    first, second = two_members(world, client_schema, failure, OTHER[client_schema])
    key = world.key()
    response = post(world.http(key), client_schema, "m", stream=True)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert said_in_stream(client_schema, events(response.text.splitlines())) == "from the second"
    check_apart(first, second, key.secret)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_provider_that_compresses_unasked_costs_the_client_nothing(world, streamed):
    first, _ = two_members(world, "openai", told("gzip"), "anthropic")
    response = post(world.http(), "openai", "m", stream=streamed)
    assert response.status_code == 200, response.text
    if streamed:
        assert said_in_stream("openai", events(response.text.splitlines()))
    else:
        assert said("openai", response.json())
    assert first.only().header("accept-encoding") in (None, "identity")


def test_a_request_that_a_member_cannot_be_asked_is_refused_and_not_tried_elsewhere(world):
    """Envoy sends on what an attempt's filter answers, whatever its status."""
    first, second = two_members(world, "anthropic", ok(), "openai")
    response = post(world.http(), "openai", "m", n=2)
    check_error("openai", response, 400, "unsupported_parameter", "n")
    assert (first.received(), second.received()) == ([], [])
    assert world.record(response.headers["x-weir-request-id"])["decided_by"] == "attempt"


def test_every_attempt_begins_with_the_clients_own_request(world):
    first = world.upstream("anthropic", status(503))
    second = world.upstream("openai", status(503))
    third = world.upstream("anthropic", ok("from the third"))
    world.model("m", first, second, third)
    http = world.http()
    response = http.post(
        "/v1/chat/completions",
        json={"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 7},
        headers={"x-custom": "dropped", "user-agent": "my-app/1", "openai-organization": "org-1", "anthropic-beta": "b-1"},
    )
    assert response.status_code == 200, response.text
    assert said("openai", response.json()) == "from the third"
    one, two, three = first.only(), second.only(), third.only()
    for request in (one, two, three):
        assert request.values("x-custom") == []
        assert request.values("user-agent") == ["my-app/1"]
    assert [it.path for it in (one, two, three)] == ["/v1/messages", "/v1/chat/completions", "/v1/messages"]
    assert one.body == three.body
    assert two.json["seed"] == 7 and two.json["model"] == "gpt-4o"
    assert "anthropic-version" not in dict(two.headers)
    for request, upstream in ((one, first), (two, second), (three, third)):
        others = {it.credential for it in (first, second, third)} - {upstream.credential}
        assert request.holds(upstream.credential) and not any(request.holds(other) for other in others)


def test_a_member_without_a_credential_is_shown_none(world):
    first = world.upstream("openai", status(503))
    scenario = world.fake.scenario(ok("unused"))
    bare = world.admin.create(
        "providers",
        tenant_id=world.tenant_id,
        name="bare",
        schema="openai",
        base_url=scenario.base_url,
        credential=None,
    )
    world.model("m", first, {"provider_id": bare["id"], "model": "gpt-4o", "price": None})
    key = world.key()
    post(world.http(key), "openai", "m")
    request = scenario.only()
    assert request.header("authorization") is None and request.header("x-api-key") is None
    assert not request.holds(first.credential) and not request.holds(key.secret)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("failure", "code", "error"),
    [
        (status(503), 503, "upstream_unavailable"),
        (told("reset"), 503, "upstream_unavailable"),
        (told("hang"), 504, "upstream_timeout"),
    ],
    ids=["503", "reset connection", "no answer"],
)
def test_when_all_fail_the_client_is_told_in_its_schema(world, client_schema, streamed, failure, code, error):
    two_members(world, "openai", failure, "anthropic", failure)
    response = post(world.http(), client_schema, "m", stream=streamed)
    check_error(client_schema, response, code, error)
    record = world.record(response.headers["x-weir-request-id"])
    assert (record["attempts"], record["outcome"], record["status"]) == (2, "failed", code)
    assert record["error_code"] == error


def test_what_the_provider_finds_wrong_is_told_and_not_tried_elsewhere(world, client_schema):
    first, second = two_members(world, "openai", status(400), "openai")
    message = check_error(client_schema, post(world.http(), client_schema, "m"), 400, None)
    assert "told to answer 400" in message
    assert first.only() and second.received() == []


def test_a_provider_that_refuses_our_credential_is_the_operators_problem(world, client_schema):
    upstream = world.upstream("openai", status(401))
    world.model("m", upstream)
    message = check_error(client_schema, post(world.http(), client_schema, "m"), 502, "upstream_auth_failed")
    assert upstream.credential not in message


@pytest.mark.parametrize("how", ["cut_after", "reset_after"])
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_a_stream_that_breaks_is_broken_for_the_client_too(world, client_schema, provider_schema, how):
    first, second = two_members(world, provider_schema, told(how, chunks=3), OTHER[provider_schema])
    http = world.http()
    heard = []
    with (
        pytest.raises(httpx.RemoteProtocolError),
        http.stream(
            "POST",
            path_of(client_schema),
            json={"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}], "stream": True},
        ) as response,
    ):
        assert response.status_code == 200
        request_id = response.headers["x-weir-request-id"]
        for event in events(response.iter_lines()):
            heard.append(event)
    assert heard, "nothing came before the break"
    assert not any(is_last(client_schema, event) for event in heard)
    assert first.only() and second.received() == []
    record = world.record(request_id)
    assert (record["outcome"], record["output_source"]) == ("upstream_broken", "estimated")


def test_the_openai_sdk_raises_when_a_stream_breaks(world):
    two_members(world, "openai", told("cut_after", chunks=3), "openai")
    with pytest.raises(openai.APIConnectionError):
        list(
            world.openai().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
        )


@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_a_providers_error_within_a_stream_is_told_in_the_clients_schema(world, client_schema, provider_schema):
    two_members(world, provider_schema, told("error_after", chunks=2), provider_schema)
    response = post(world.http(), client_schema, "m", stream=True)
    assert response.status_code == 200
    *before, last = events(response.text.splitlines())
    assert before
    assert "error" in last.json and last.json["error"]["message"], last
    assert (last.name, last.json.get("type")) == (("error", "error") if client_schema == "anthropic" else (None, None))
