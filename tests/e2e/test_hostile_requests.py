"""Bodies that are wrong, odd, deep or huge: the client is told what is wrong, or the provider gets just that. A row of each matrix,
in a real Envoy; `tests/gateway/tests/requests.rs` has them whole."""

import json

import httpx
import pytest

from weir_e2e.hostile import SCHEMAS, check_refused
from weir_e2e.sse import ask, check_error, headers_of, path_of, said
from weir_e2e.world import UPSTREAM_MODEL

BY_SCHEMA = pytest.mark.parametrize("schema", SCHEMAS)
TRANSLATED = pytest.mark.parametrize(("schema", "provider_schema"), [("openai", "anthropic")])
MIB = 1024 * 1024
LIMIT = 50 * MIB
DEEP = "[" * 100_000 + "]" * 100_000
DEEP_OBJECTS = '{"a":' * 100_000 + "1" + "}" * 100_000


def send(http, path, body, schema="openai", **headers):
    sent = {"content-type": "application/json"} | headers_of(schema) | headers
    return http.post(path, content=body, headers=sent)


def wrong_bodies(schema: str, model: str) -> dict[str, tuple[bytes, str | None]]:
    """Bodies that are wrong, each with the field that is at fault, if one is."""

    def with_(**fields) -> bytes:
        return json.dumps({**ask(schema, model), **fields}).encode()

    def without(name: str) -> bytes:
        return json.dumps({key: value for key, value in ask(schema, model).items() if key != name}).encode()

    def beside(name: str, value: str) -> bytes:
        """A good body that begins with one more field."""
        return f'{{"{name}": {value}, {good[1:]}'.encode()

    def message(text: str) -> bytes:
        return good.replace('{"role": "user", "content": "Hello"}', text).encode()

    good = json.dumps(ask(schema, model))
    at = good.index("Hello")
    return {
        "empty": (b"", None),
        "half": (good[: len(good) // 2].encode(), None),
        "trailing NUL": (good.encode() + b"\0", None),
        "byte-order mark": (b"\xef\xbb\xbf" + good.encode(), None),
        "gzip that does not say so": (b"\x1f\x8b\x08\x00" + b"\0" * 20, None),
        "invalid UTF-8": (good[:at].encode() + b"\xff" + good[at:].encode(), None),
        "deep messages": (good.replace('[{"role": "user", "content": "Hello"}]', DEEP).encode(), None),
        "deep objects in an unknown field": (beside("metadata", DEEP_OBJECTS), None),
        "never closed": (beside("x", "[" * 100_000), None),
        "model twice": (beside("model", '"other"'), "model"),
        "null as model": (with_(model=None), "model"),
        "no messages": (without("messages"), "messages"),
        "unknown role": (message('{"role": "wizard", "content": "Hello"}'), "messages[0].role"),
        "negative max_tokens": (with_(max_tokens=-1), "max_tokens"),
    }


@TRANSLATED
def test_a_wrong_body_is_refused_with_the_field_that_is_wrong(stage, cases, schema, provider_schema):
    before = stage.received()
    for name, (body, param) in wrong_bodies(schema, provider_schema).items():
        with cases.case(name):
            response = send(stage.http, path_of(schema), body, schema)
            assert response.headers["x-weir-request-id"]
            check_refused(schema, response, 400, "invalid_request", param)
    assert stage.received() == before + cases.served, "a wrong body reached a provider"


def test_a_wrong_body_of_embeddings_is_refused_with_the_field_that_is_wrong(stage, cases):
    before = stage.received()
    good = '{"model": "openai", "input": "Hello"}'
    for name, (body, param) in {
        "empty": (b"", None),
        "half": (good[:20].encode(), None),
        "array": (b"[]", None),
        "null": (b"null", None),
        "trailing garbage": ((good + "]").encode(), None),
        "byte-order mark": (b"\xef\xbb\xbf" + good.encode(), None),
        "invalid UTF-8": (good.encode().replace(b"Hello", b"H\xffllo"), None),
        "half a surrogate pair": (good.replace("Hello", "\\ud83d").encode(), None),
        "deep input": (good.replace('"Hello"', DEEP).encode(), None),
        "deep unknown field": (good.replace("{", f'{{"x": {DEEP},').encode(), None),
        "number beyond a double": (good.replace('"Hello"', "[1e999]").encode(), None),
        "model twice": (good.replace("{", '{"model": "m",').encode(), "model"),
        "input twice": (good.replace("{", '{"input": "m",').encode(), "input"),
        "number as model": (good.replace('"openai"', "7").encode(), "model"),
        "no model": (b'{"input": "Hello"}', "model"),
        "no input": (b'{"model": "openai"}', "input"),
        "null as input": (good.replace('"Hello"', "null").encode(), "input"),
        "empty input": (good.replace("Hello", "").encode(), "input"),
        "empty list": (good.replace('"Hello"', "[]").encode(), "input"),
        "number as input": (good.replace('"Hello"', "7").encode(), "input"),
        "object as input": (good.replace('"Hello"', "{}").encode(), "input"),
    }.items():
        with cases.case("embeddings", name):
            check_refused("openai", send(stage.http, "/v1/embeddings", body), 400, "invalid_request", param)
    assert stage.received() == before + cases.served
    model = stage.world.member(stage.upstreams["openai"], "text-embedding-3-small")
    stage.world.model("embed", model)
    stage.world.admin.settle()
    assert send(stage.http, "/v1/embeddings", b'{"model": "embed", "input": ["a", "b"]}').status_code == 200


@BY_SCHEMA
def test_an_unknown_model_is_not_found(stage, cases, schema):
    before = stage.received()
    for name in ["nowhere", "openai\0", "😀"]:
        with cases.case(name[:20]):
            response = send(stage.http, path_of(schema), json.dumps(ask(schema, name)), schema)
            message = check_refused(schema, response, 404, "model_not_found", "model")
            assert len(message) < 200
    assert stage.received() == before + cases.served


# What is odd but right.


def odd_bodies(schema: str) -> dict[str, str]:
    """Bodies that are right, however odd they look."""
    good = json.dumps(ask(schema, schema))
    return {
        "as deep as may be": good.replace("{", '{"x": ' + "[" * 126 + "]" * 126 + ", ", 1),
        "much white space": " \r\n\t" * 1000 + good.replace(",", " ,\n\n ") + " " * 1000,
        "escaped model": good.replace(f'"{schema}"', f'"\\u{ord(schema[0]):04x}{schema[1:]}"'),
        "every kind of character": good.replace("Hello", "ä€😀\u2028\u202e\ufeff\u007f\u0080"),
    }


@BY_SCHEMA
def test_what_is_odd_but_right_arrives_as_it_was_sent(stage, cases, schema):
    upstream = stage.upstreams[schema]
    for name, body in odd_bodies(schema).items():
        with cases.case(name):
            before = len(upstream.received())
            response = send(stage.http, path_of(schema), body.encode(), schema)
            assert response.status_code == 200, response.text
            received = upstream.received()
            assert len(received) == before + 1
            spelt = f'"\\u{ord(schema[0]):04x}{schema[1:]}"' if name == "escaped model" else f'"{schema}"'
            at = body.rindex(spelt, 0, body.index("essages"))
            expected = body[:at] + f'"{UPSTREAM_MODEL[schema]}"' + body[at + len(spelt) :]
            assert received[-1].body == expected


@TRANSLATED
@pytest.mark.parametrize("place", ["text", "field"])
def test_what_stands_twice_is_checked_twice(stage, cases, schema, provider_schema, place):
    """Parsers disagree on which of two values counts: whichever reaches the provider was checked."""
    content = {
        "text": '[{"type": "text", "text": "first@example.com", "text": "second@example.com"}]',
        "field": '[{"type": "text", "text": "Hello", "x": "first@example.com", "x": "second@example.com"}]',
    }[place]
    body = json.dumps(ask(schema, provider_schema)).replace('"Hello"', content)
    upstream = stage.upstreams[provider_schema]
    with cases.case(place):
        before = len(upstream.received())
        response = send(stage.guarded, path_of(schema), body, schema)
        if place == "field" and schema != provider_schema:
            # Nothing is dropped on the way to another schema: what it has no place for is refused.
            check_error(schema, response, 400, "unsupported_parameter")
            return
        assert response.status_code == 200, response.text
        received = upstream.received()
        assert len(received) == before + 1
        assert "example.com" not in received[-1].body, received[-1].body


# What is large.


@TRANSLATED
def test_ten_thousand_messages_are_answered(stage, cases, schema, provider_schema):
    turns = [{"role": ("user", "assistant")[n % 2], "content": f"Message {n}"} for n in range(10_001)]
    body = json.dumps(ask(schema, provider_schema, messages=turns))
    for http in (stage.http, stage.guarded):
        with cases.case("10,001 messages"):
            response = send(http, path_of(schema), body, schema)
            assert response.status_code == 200, response.text[:500]
            assert said(schema, response.json()) == "Served."
            sent = stage.upstreams[provider_schema].received()[-1].json["messages"]
            assert len(sent) == 10_001 and "Message 10000" in json.dumps(sent[-1])


@pytest.mark.parametrize(("schema", "declared"), [("openai", True), ("anthropic", False)], ids=["content-length", "chunked"])
def test_a_body_of_60_mb_is_refused(stage, cases, schema, declared):
    before = stage.received()

    def pieces():
        yield json.dumps(ask(schema, schema)).encode()
        for _ in range(60):
            yield b" " * MIB

    with cases.case("60 MB"):
        # The refusal may come while the client still writes; a client that ignores it sees its connection closed.
        response = send(stage.http, path_of(schema), b"".join(pieces()) if declared else pieces(), schema)
        check_refused(schema, response, 413, "request_too_large")
        assert stage.received() == before


@pytest.mark.parametrize(
    ("schema", "provider_schema", "guarded"),
    [("anthropic", "openai", False), ("openai", "openai", True)],
)
def test_an_image_of_40_mb_passes(stage, cases, schema, provider_schema, guarded):
    data = "iVBORw0KGgo" + "A" * (40 * MIB)
    part = {
        "openai": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
    }[schema]
    content = [{"type": "text", "text": "What is this?"}, part]
    # A provider of its own: what it has received is not read again by the other tests.
    upstream, model = stage.world.upstream(provider_schema), f"image-{schema}-{provider_schema}"
    stage.world.model(model, upstream)
    stage.world.admin.settle()
    body = json.dumps(ask(schema, model, messages=[{"role": "user", "content": content}]))
    with cases.case("40 MB"):
        response = send(stage.guarded if guarded else stage.http, path_of(schema), body, schema)
        assert response.status_code == 200, response.text[:500]
        assert data in upstream.only().body


def test_a_long_body_passes_over_http_2_as_well(stage, cases):
    upstream = stage.world.upstream("openai")
    stage.world.model("over-http-2", upstream)
    stage.world.admin.settle()
    data = "A" * (10 * MIB)
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    body = json.dumps(ask("openai", "over-http-2", messages=[{"role": "user", "content": [part]}]))
    headers = dict(stage.http.headers) | {"content-type": "application/json"}
    with cases.case("10 MB over HTTP/2"):
        with httpx.Client(base_url=stage.http.base_url, headers=headers, http1=False, http2=True, timeout=60) as http:
            response = http.post(path_of("openai"), content=body)
        assert (response.http_version, response.status_code) == ("HTTP/2", 200), response.text[:500]
        assert data in upstream.only().body
