"""A provider that is slow, silent, busy or broken costs a client no more time than its pool says, and no other any.

`test_failover.py` says which failures the next member of a pool makes up for; here are the deadlines, and what one
client's failures mean for the others.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import anthropic
import httpx
import openai
import pytest

from weir_e2e.crowd import crowd
from weir_e2e.provider import ok, over_both, status, told
from weir_e2e.sse import (
    ask,
    check_error,
    events,
    headers_of,
    is_last,
    path_of,
    post,
    said,
    said_in_event,
    said_in_stream,
)
from weir_e2e.waiting import eventually

SCHEMAS = ["openai", "anthropic"]
pytestmark = over_both
# Slack for a busy machine.
LATE_S = 3.0
# Envoy counts a timer from the time its loop last looked at the clock, which is before the request is read.
EARLY_S = 0.01


@contextmanager
def takes(at_least_s: float, late_s: float = LATE_S) -> Iterator[None]:
    """What a deadline ends, it ends neither before its time nor long after."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert at_least_s - EARLY_S <= took < at_least_s + late_s, f"{took:.2f} s"


def hear(http: httpx.Client, schema: str, model: str) -> tuple[str, list, bool]:
    """A stream up to its end, however it ends: its request id, its events, and whether it was broken off."""
    heard: list = []
    broken = False
    body = ask(schema, model, stream=True)
    with http.stream("POST", path_of(schema), json=body, headers=headers_of(schema)) as response:
        assert response.status_code == 200, response.read()
        try:
            heard.extend(events(response.iter_lines()))
        except httpx.RemoteProtocolError:
            broken = True
        return response.headers["x-weir-request-id"], heard, broken


def check_broken(world, client_schema: str, model: str, upstream) -> None:
    """A stream that began is broken off, never ended as if it were whole, and the provider is left."""
    request_id, heard, broken = hear(world.http(), client_schema, model)
    assert broken and heard
    assert not any(is_last(client_schema, event) for event in heard)
    eventually(lambda: upstream.only().finished == "client_gone", what="the upstream connection closed")
    record = world.record(request_id)
    assert (record["outcome"], record["status"], record["error_code"]) == ("upstream_broken", 200, "upstream_broken")
    assert (record["output_source"], record["attempts"]) == ("estimated", 1)
    assert record["output_tokens"] > 0


# --- first byte


@pytest.mark.parametrize(
    "silence",
    [
        told("hang"),
        told("hang_after_headers"),
        told("stall_after", chunks=0),
        told("ping_after", chunks=0, every_ms=50),
    ],
    ids=["no answer", "headers only", "no content", "comments only"],
)
def test_each_member_has_the_time_to_a_first_byte(world, silence):
    upstreams = [world.upstream(schema, silence) for schema in SCHEMAS]
    world.model("m", *upstreams, first_byte_timeout_ms=400)
    http = world.http()
    with takes(0.8):
        response = post(http, "openai", "m", stream=True)
    check_error("openai", response, 504, "upstream_timeout")
    for upstream in upstreams:
        eventually(lambda upstream=upstream: upstream.only().finished == "client_gone", what="an attempt given up")


def test_a_model_that_thinks_is_waited_for_until_its_first_byte_is_due(world):
    world.model("m", world.upstream("openai", ok("done", delay_ms=300)), first_byte_timeout_ms=5000)
    with takes(0.6, late_s=5):
        assert post(world.http(), "openai", "m", stream=True).status_code == 200


def test_the_silence_before_an_answer_is_shared_by_the_members(world):
    """The first may not use up the time of the second, though its first byte is not due for long."""
    first, second = world.upstream("openai", told("hang")), world.upstream("openai", ok("from the second"))
    world.model("m", first, second, first_byte_timeout_ms=30_000, idle_timeout_ms=800)
    http = world.http()
    with takes(0.4):
        response = post(http, "openai", "m", stream=True)
    assert response.status_code == 200, response.text
    assert said_in_stream("openai", events(response.text.splitlines())) == "from the second"


# --- idle


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_a_silent_stream_is_broken_off_when_its_idle_time_is_over(world, client_schema, provider_schema):
    upstream = world.upstream(provider_schema, told("stall_after", chunks=2))
    world.model("m", upstream, idle_timeout_ms=400)
    with takes(0.4):
        check_broken(world, client_schema, "m", upstream)


def test_a_stream_may_take_longer_than_its_idle_time(world):
    world.model("m", world.upstream("openai", ok("one two three four", delay_ms=300)), idle_timeout_ms=1000)
    with takes(1.2, late_s=10):
        _, heard, broken = hear(world.http(), "openai", "m")
    assert not broken and said_in_stream("openai", heard) == "one two three four"


# --- in all


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize(
    "endless",
    [
        told("drip_after", chunks=2, every_ms=50),
        told("ping_after", chunks=2, every_ms=50),
        ok("word " * 200, delay_ms=50),
    ],
    ids=["a byte at a time", "comments", "words"],
)
def test_a_stream_that_never_ends_is_broken_off_when_its_time_is_over(world, client_schema, endless):
    """Each byte is a sign of life, so that only the time in all bounds it."""
    upstream = world.upstream("openai", endless)
    world.model("m", upstream, idle_timeout_ms=600, request_timeout_ms=1000)
    with takes(1.0):
        check_broken(world, client_schema, "m", upstream)


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize(
    "endless",
    [told("hang"), told("drip_after", chunks=0, every_ms=50), told("ping_after", chunks=0, every_ms=50)],
    ids=["no answer", "a byte at a time", "blanks"],
)
def test_a_whole_answer_has_the_requests_time(world, client_schema, endless):
    upstream = world.upstream("openai", endless)
    world.model("m", upstream, request_timeout_ms=500)
    http = world.http()
    with takes(0.5):
        response = post(http, client_schema, "m")
    check_error(client_schema, response, 504, "upstream_timeout")
    eventually(lambda: upstream.only().finished == "client_gone", what="the upstream connection closed")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_time_in_all_is_shared_by_all_members(world, streamed):
    upstreams = [world.upstream("openai", told("hang")) for _ in range(3)]
    world.model("m", *upstreams, first_byte_timeout_ms=30_000, request_timeout_ms=900)
    http = world.http()
    with takes(0.9):
        check_error("openai", post(http, "openai", "m", stream=streamed), 504, "upstream_timeout")
    assert [len(upstream.received()) for upstream in upstreams] == [1, 1, 1]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_each_pool_has_deadlines_of_its_own(world, streamed):
    slow = world.upstream("openai", ok("done", delay_ms=400))
    world.model("patient", slow, first_byte_timeout_ms=10_000, request_timeout_ms=30_000)
    world.model("hasty", slow, first_byte_timeout_ms=200, request_timeout_ms=200 if not streamed else 30_000)
    http = world.http()
    check_error("openai", post(http, "openai", "hasty", stream=streamed), 504, "upstream_timeout")
    assert post(http, "openai", "patient", stream=streamed).status_code == 200


# --- nobody there


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("base_url", "code"),
    [
        ("http://127.0.0.1:1", 503),
        ("https://127.0.0.1:1", 503),
        ("http://nobody.invalid", 503),
        ("https://{plain}", 503),
        ("http://{secure}", 502),
    ],
)
def test_a_provider_that_is_not_there(world, fake, secure_fake, base_url, code, streamed):
    """No listener, with TLS or without; no such name; a listener that speaks no TLS, or nothing else, and says so."""
    plain, secure = (provider.http.base_url.netloc.decode() for provider in (fake, secure_fake))
    base_url = base_url.format(plain=plain, secure=secure)
    member = world.at(base_url)
    world.model("alone", member)
    world.model("m", member, world.upstream("anthropic", ok("from the second")))
    http = world.http()
    check_error("openai", post(http, "openai", "alone", stream=streamed), code, "upstream_unavailable")
    response = post(http, "openai", "m", stream=streamed)
    assert response.status_code == 200, response.text
    assert "from" in response.text and "second" in response.text


@contextmanager
def nobody_answers() -> Iterator[str]:
    """A base URL where no connection is even refused: its listener's queue is full, and the kernel drops what comes."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_provider_that_cannot_even_be_connected_to_has_no_more_than_its_share(world, streamed):
    with nobody_answers() as base_url:
        times = {"first_byte_timeout_ms": 400, "request_timeout_ms": 1600}
        world.model("m", world.at(base_url), world.upstream("openai", ok("from the second")), **times)
        http = world.http()
        with takes(0.4, late_s=1.2):
            response = post(http, "openai", "m", stream=streamed)
        assert response.status_code == 200, response.text


# --- too many requests

BUSY = status(429, headers={"retry-after": "17"})


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_when_all_are_busy_the_client_is_told_when_to_come_back(world, client_schema, streamed):
    upstreams = [world.upstream(schema, BUSY) for schema in SCHEMAS]
    world.model("m", *upstreams)
    response = post(world.http(), client_schema, "m", stream=streamed)
    check_error(client_schema, response, 429, "rate_limit_exceeded")
    assert response.headers["retry-after"] == "17"
    assert [len(upstream.received()) for upstream in upstreams] == [1, 1]
    record = world.record(response.headers["x-weir-request-id"])
    assert (record["outcome"], record["error_code"], record["cost_microusd"]) == ("failed", "upstream_rate_limited", 0)


def test_the_sdks_read_that_a_provider_is_busy(world):
    world.model("m", world.upstream("openai", BUSY))
    key = world.key()
    with pytest.raises(openai.RateLimitError) as told_openai:
        world.openai(key).chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(anthropic.RateLimitError) as told_anthropic:
        world.anthropic(key).messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    for error in (told_openai.value, told_anthropic.value):
        assert error.response.headers["retry-after"] == "17"


# --- streams that are not what they should be


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_a_stream_without_its_last_event_ends_with_an_error(world, client_schema, provider_schema):
    upstream = world.upstream(provider_schema, told("end_after", chunks=3))
    world.model("m", upstream)
    request_id, heard, broken = hear(world.http(), client_schema, "m")
    assert not broken
    *before, last = heard
    assert "".join(said_in_event(client_schema, event) for event in before)
    assert not any(is_last(client_schema, event) for event in heard)
    assert last.json["error"]["message"], last
    record = world.record(request_id)
    assert (record["outcome"], record["error_code"]) == ("upstream_broken", "upstream_incomplete")
    assert record["output_source"] == "estimated"


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_comments_and_unknown_fields_in_a_stream_harm_nobody(world, client_schema, provider_schema):
    world.model("m", world.upstream(provider_schema, told("comments")))
    request_id, heard, broken = hear(world.http(), client_schema, "m")
    assert not broken and "You said: Hello" in said_in_stream(client_schema, heard)
    record = world.record(request_id)
    assert (record["outcome"], record["output_source"]) == ("complete", "provider")


# --- one client's failures are not another's

# Enough of each to have a provider set aside, where anything did that.
MANY = 12
FAILURES = {
    **{str(code): status(code) for code in (401, 429, 500, 502, 503, 504)},
    "closed connection": told("refuse"),
    "reset connection": told("reset"),
    "no answer": told("hang"),
    "a web page": told("html"),
    "cut before its first content": told("cut_after", chunks=0),
    "cut in the middle": told("cut_after", chunks=2),
    "silent in the middle": told("stall_after", chunks=2),
    "an error in the middle": told("error_after", chunks=2),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_what_a_provider_did_to_one_client_it_does_not_do_to_the_next(world, failure):
    """All members fail one client many times over; another client's next request is the first member's all the same."""
    members = [world.upstream("openai", *[failure] * MANY, ok(text)) for text in ("from the first", "from the second")]
    # Short only where the failure is to be a silence: a busy machine must not add time-outs of its own.
    silent = failure["type"] in ("hang", "stall_after")
    world.model("m", *members, **({"first_byte_timeout_ms": 1000, "idle_timeout_ms": 2000} if silent else {}))
    unlucky, lucky = world.key(), world.key()
    asked = asyncio.run(crowd(world, unlucky.secret, MANY))
    assert len(asked) == MANY and not any(b"data: [DONE]" in answer for answer in asked)
    assert len(members[0].received()) == MANY
    # Members that were not asked, as nothing that the first said is tried again, have their failures still to come.
    response = post(world.http(lucky), "openai", "m")
    assert response.status_code == 200, response.text
    assert said("openai", response.json()) == "from the first"
    assert len(members[0].received()) == MANY + 1


def test_a_stream_goes_on_while_its_provider_fails_others(world):
    words = " ".join(str(number) for number in range(20))
    upstream = world.upstream("openai", ok(words, delay_ms=60), *[failure for failure in FAILURES.values()])
    world.model("m", upstream, first_byte_timeout_ms=1000, idle_timeout_ms=2000)
    unlucky = world.key()
    http = world.http()
    body = ask("openai", "m", stream=True)
    with http.stream("POST", path_of("openai"), json=body) as response:
        stream = events(response.iter_lines())
        heard = [next(stream) for _ in range(3)]
        asyncio.run(crowd(world, unlucky.secret, len(FAILURES)))
        heard += stream
    assert said_in_stream("openai", heard) == words
    assert len(upstream.received()) == 1 + len(FAILURES)


# --- many at once

# More than Envoy's default bounds for a cluster: 1024 requests, connections or waiting, and 3 retries.
CROWD = 1100


def test_more_streams_at_once_than_envoys_defaults_allow(world, database):
    upstream = world.upstream("openai", told("stall_after", chunks=2))
    world.model("m", upstream)
    key = world.key()
    answers = asyncio.run(crowd(world, key.secret, CROWD, until=b'"content":"This '))
    refused = [answer for answer in answers if b" 200 OK" not in answer[:20]]
    assert not refused, (len(refused), refused[0][:500])
    # And all of them leave at once.
    eventually(
        lambda: [one.finished for one in upstream.received()] == ["client_gone"] * CROWD,
        within_s=20,
        every_s=0.2,
        what="every upstream connection closed",
    )

    def outcomes():
        return dict(
            database.execute(
                "SELECT outcome, count(*) FROM usage_records WHERE key_id = %s GROUP BY outcome", (key.id,)
            ).fetchall()
        )

    eventually(lambda: outcomes() == {"client_disconnect": CROWD}, within_s=20, every_s=0.2, what="one record for each")


def test_more_retries_at_once_than_envoys_defaults_allow(world):
    """Three members, of which the first two fail hundreds of requests that are then under way at the third."""
    failing = [world.upstream(schema, status(503)) for schema in SCHEMAS]
    third = world.upstream("openai", ok("from the third", chunks=2, delay_ms=500))
    world.model("m", *failing, third)
    answers = asyncio.run(crowd(world, world.key().secret, 300))
    wrong = [answer for answer in answers if b"data: [DONE]" not in answer]
    assert not wrong, (len(wrong), wrong[0][:500])
    for upstream in [*failing, third]:
        assert len(upstream.received()) == 300, "each member is asked once"
