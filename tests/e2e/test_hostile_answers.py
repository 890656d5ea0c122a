"""Answers of a provider that are broken or unusual, where no other member of the pool could make up for them: what only a real
Envoy shows, and a row of each matrix that `tests/gateway/tests/answers.rs` has whole.

`test_failover.py` says which of them the next member makes up for, `test_faults_provider.py` what silence means.
"""

import json

import pytest

from weir_e2e.hostile import check_event_of_error, check_refused
from weir_e2e.provider import ok, over_both, status, told
from weir_e2e.sse import ask, check_error_body, events, is_last, path_of, post, said, said_in_stream
from weir_e2e.waiting import eventually

pytestmark = over_both

# One of each: what is translated, and what passes.
PAIRS = pytest.mark.parametrize(("client_schema", "provider_schema"), [("openai", "anthropic"), ("anthropic", "anthropic")])
TRANSLATED = pytest.mark.parametrize(("client_schema", "provider_schema"), [("anthropic", "openai")])
INVALID = (502, "upstream_invalid_response")
DEEP = "[" * 100_000 + "]" * 100_000


def json_200(text: str):
    """Status 200 with this as a JSON document."""
    return status(200, body=text, headers={"content-type": "application/json"})


def stream_200(text: str):
    """Status 200 with this as a stream."""
    return status(200, body=text, headers={"content-type": "text/event-stream"})


# What is no answer at all, asked for whole: the status and code that the client gets.
NO_ANSWERS = {
    "a web page": (told("html"), *INVALID),
    "half a document": (told("half_json"), *INVALID),
    "a coding that it is not in": (status(200, body="x", headers={"content-encoding": "gzip"}), *INVALID),
    "nothing": (json_200(""), *INVALID),
    "a redirection": (status(302, headers={"location": "http://127.0.0.1:1/"}), 502, "upstream_unavailable"),
    "204": (status(204, body=""), 502, "upstream_unavailable"),
    "500 with nothing": (status(500, body=""), 500, "upstream_unavailable"),
    "503 with deep nesting": (status(503, body=DEEP), 503, "upstream_unavailable"),
}
# The same of streams.
NO_STREAMS = {
    "a document": (json_200('{"id": "x"}'), *INVALID),
    "nothing": (stream_200(""), *INVALID),
    "comments only": (stream_200(": ping\n\n" * 1000), *INVALID),
    "an event that is deeply nested": (stream_200(f"data: {DEEP}\n\n"), *INVALID),
    "a redirection": (status(302, headers={"location": "http://127.0.0.1:1/"}), 502, "upstream_unavailable"),
}


@TRANSLATED
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_is_no_answer_is_an_error_in_the_clients_schema(world, cases, client_schema, provider_schema, streamed):
    table = NO_STREAMS if streamed else NO_ANSWERS
    upstreams = {name: world.upstream(provider_schema, behaviour) for name, (behaviour, _, _) in table.items()}
    for upstream in upstreams.values():
        world.model(upstream.name, upstream)
    http = world.http()
    for name, (_, code, error) in table.items():
        with cases.case(name):
            response = post(http, client_schema, upstreams[name].name, stream=streamed)
            message = check_refused(client_schema, response, code, error)
            assert "<html" not in message
            assert len(upstreams[name].received()) == 1


def said_by(world, http, client_schema, upstream, streamed: bool) -> str:
    """What a client reads of an answer that must be a good one."""
    response = post(http, client_schema, upstream.name, stream=streamed)
    assert response.status_code == 200, response.text
    if not streamed:
        return said(client_schema, response.json())
    assert response.headers["content-type"].startswith("text/event-stream")
    return said_in_stream(client_schema, events(response.text.splitlines()))


@TRANSLATED
def test_what_is_unusual_but_an_answer_is_read(world, cases, client_schema, provider_schema):
    shapes = {
        "one byte at a time": told("split_every", bytes=1),
        "one byte at a time, with pauses": told("drip_after", chunks=1, every_ms=2),
        "gzip though identity was asked": told("gzip"),
    }
    upstreams = {name: world.upstream(provider_schema, behaviour) for name, behaviour in shapes.items()}
    plain = world.upstream(provider_schema)
    for upstream in (plain, *upstreams.values()):
        world.model(upstream.name, upstream)
    http = world.http()
    expected = said_by(world, http, client_schema, plain, streamed=False)
    assert "Hello" in expected
    for name, upstream in upstreams.items():
        for streamed in (False, True):
            with cases.case(name, streamed):
                assert said_by(world, http, client_schema, upstream, streamed) == expected


@TRANSLATED
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_is_much_longer_than_its_bytes_is_none(world, cases, client_schema, provider_schema, streamed):
    # 34 MB of a whole answer, or 2 MB of one event, which are some kilobytes until they are decoded.
    text = "a" * (2_000_000 if streamed else 34_000_000)
    world.model("bomb", world.upstream(provider_schema, told("gzip", text=text)))
    world.model("good", world.upstream(provider_schema))
    http = world.http()
    # The demo provider takes a while to compress so much.
    http.timeout = 60
    with cases.case("a bomb"):
        # The demo provider keeps to the bound.
        response = post(http, client_schema, "bomb", stream=streamed, max_tokens=100_000_000)
        check_refused(client_schema, response, *INVALID)
        assert post(http, client_schema, "good", stream=streamed).status_code == 200


@PAIRS
def test_a_stream_that_goes_wrong_ends_with_an_error_and_not_as_if_complete(
    world, cases, client_schema, provider_schema
):
    kind = {"openai": "server_error", "anthropic": "api_error"}[client_schema]
    shapes = {
        "without its last event": told("end_after", chunks=2),
        "with an error inside": told("error_after", chunks=2),
    }
    upstreams = {name: world.upstream(provider_schema, behaviour) for name, behaviour in shapes.items()}
    for upstream in upstreams.values():
        world.model(upstream.name, upstream)
    http = world.http()
    for name, upstream in upstreams.items():
        with cases.case(name):
            response = post(http, client_schema, upstream.name, stream=True)
            assert response.status_code == 200
            *before, last = events(response.text.splitlines())
            assert before and not any(is_last(client_schema, event) for event in (*before, last))
            if name == "without its last event":
                check_event_of_error(client_schema, last.json, "upstream_invalid_response", kind)
            else:
                # Between equal schemas it is the provider's own, which may have no code.
                code = None if client_schema == provider_schema else "upstream_unavailable"
                check_error_body(client_schema, last.json, code)
            record = world.record(response.headers["x-weir-request-id"])
            assert (record["outcome"], record["output_source"]) == ("upstream_broken", "estimated"), record


def test_a_document_that_says_error_under_a_good_status_is_an_error(world, cases):
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    world.model("m", world.upstream("anthropic", json_200(json.dumps(body))))
    with cases.case("anthropic"):
        response = post(world.http(), "openai", "m")
        assert response.status_code >= 500, response.text
        check_error_body("openai", response.json(), None)


def test_embeddings_that_are_none_are_an_error(world, cases):
    shapes = {
        "half": told("half_json"),
        "a web page": told("html"),
        "null": json_200("null"),
        "no vectors": json_200('{"object": "list", "model": "m"}'),
        "an error of another shape": json_200('{"code": 401, "msg": "no"}'),
    }
    upstreams = {name: world.upstream("openai", behaviour) for name, behaviour in shapes.items()}
    for upstream in upstreams.values():
        world.model(upstream.name, world.member(upstream, "text-embedding-3-small"))
    http = world.http()
    for name, upstream in upstreams.items():
        with cases.case("embeddings", name):
            response = http.post("/v1/embeddings", json={"model": upstream.name, "input": "Hello"})
            expect = (502, "upstream_auth_failed") if name == "an error of another shape" else INVALID
            check_refused("openai", response, *expect)


@PAIRS
def test_an_answer_that_is_deeply_nested_harms_nobody(world, cases, client_schema, provider_schema):
    deep = json.dumps({"x": "DEEP", "choices": "DEEP", "content": "DEEP"}).replace('"DEEP"', DEEP)
    world.model("deep", world.upstream(provider_schema, json_200(deep)))
    profile = world.profile(("EMAIL", "redact", "both"))
    for key in (world.key(), world.key(guardrail_profile_id=profile)):
        http = world.http(key)
        with cases.case("deep answer"):
            response = post(http, client_schema, "deep")
            # Between equal schemas what is JSON passes unless it must be read.
            assert response.status_code == 200 or response.status_code == 502, response.text[:300]
            if response.status_code == 502:
                check_error_body(client_schema, response.json(), None)


def test_a_client_that_reads_slowly_gets_all_of_its_stream(world, cases):
    text = "word " * 20_000
    upstream = world.upstream("openai", ok(text, chunks=2000))
    world.model("m", upstream)
    http = world.http()
    with cases.case("slow reader"):
        body = ask("openai", "m", stream=True)
        with http.stream("POST", path_of("openai"), json=body) as response:
            # Of 400 KB nothing is read until the provider could say everything: it does not wait for such a client.
            eventually(lambda: upstream.only().finished == "complete", what="the provider's end")
            assert said_in_stream("openai", events(response.iter_lines())) == text
