"""Whatever a client sends, it is told what is wrong in its own schema, and the gateway stays."""

import json

import pytest

from weir_e2e.raw import exchange, post_head
from weir_e2e.sse import ask, check_error, headers_of, path_of, post

SCHEMAS = pytest.mark.parametrize("schema", ["openai", "anthropic"])
QUESTION = [{"role": "user", "content": "Hello"}]
MIB = 1024 * 1024
LIMIT = 50 * MIB


def bodies(schema: str) -> dict[str, tuple[bytes, str | None]]:
    """Bodies that are wrong, each with the field that is at fault, if one is."""

    def with_(**fields) -> bytes:
        return json.dumps({**ask(schema, "m"), **fields}).encode()

    def without(name: str) -> bytes:
        return json.dumps({key: value for key, value in ask(schema, "m").items() if key != name}).encode()

    good = json.dumps(ask(schema, "m"))
    return {
        "empty": (b"", None),
        "not JSON": (b"hello", None),
        "half": (good[: len(good) // 2].encode(), None),
        "trailing garbage": ((good + " x").encode(), None),
        "two documents": ((good + good).encode(), None),
        "array": (b"[1, 2]", None),
        "string": (b'"hello"', None),
        "null": (b"null", None),
        "not UTF-8": (good.replace("Hello", "H\udcffllo").encode("utf-8", "surrogateescape"), None),
        "control character": (good.replace("Hello", "H\nllo").encode(), None),
        "model twice": (('{"model": "other",' + good[1:]).encode(), "model"),
        "no model": (without("model"), "model"),
        "empty model": (with_(model=""), "model"),
        "number as model": (with_(model=7), "model"),
        "null as model": (with_(model=None), "model"),
        "list as model": (with_(model=["m"]), "model"),
        "no messages": (without("messages"), "messages"),
        "empty messages": (with_(messages=[]), "messages"),
        "text as messages": (with_(messages="Hello"), "messages"),
        "stream says yes": (with_(stream="yes"), "stream"),
        "stream says 1": (with_(stream=1), "stream"),
        "text as max_tokens": (with_(max_tokens="many"), "max_tokens"),
        "half a max_tokens": (with_(max_tokens=1.5), "max_tokens"),
        "negative max_tokens": (with_(max_tokens=-1), "max_tokens"),
    }


NAMES = list(bodies("openai"))


@pytest.fixture
def served(world):
    """The provider behind model `m`."""
    upstream = world.upstream("openai")
    world.model("m", upstream)
    return upstream


def send(http, schema, body, **headers):
    sent = {"content-type": "application/json"} | headers_of(schema) | headers
    return http.post(path_of(schema), content=body, headers=sent)


@SCHEMAS
def test_a_wrong_body_is_refused_with_the_field_that_is_wrong(world, served, schema):
    http = world.http()
    wrong = []
    for name, (body, param) in bodies(schema).items():
        response = send(http, schema, body)
        try:
            assert response.headers["x-weir-request-id"]
            check_error(schema, response, 400, None, param)
        except (AssertionError, KeyError, ValueError) as error:
            wrong.append((name, response.status_code, response.text[:300], str(error)[:300]))
    assert not wrong, wrong
    assert served.received() == []
    assert post(http, schema, "m").status_code == 200


@SCHEMAS
@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_a_body_over_the_limit_is_refused(world, served, schema, declared):
    http = world.http()
    filler = b" " * MIB

    def pieces():
        yield json.dumps(ask(schema, "m")).encode()
        for _ in range(LIMIT // MIB + 1):
            yield filler

    body = b"".join(pieces()) if declared else pieces()
    # The refusal may come while the client still writes; a client that ignores it sees its connection closed.
    response = send(http, schema, body)
    check_error(schema, response, 413, "request_too_large")
    assert served.received() == []


@SCHEMAS
@pytest.mark.parametrize("provider_schema", ["openai", "anthropic"])
@pytest.mark.parametrize("guarded", [False, True], ids=["unguarded", "guarded"])
def test_a_deeply_nested_body_harms_nobody(world, schema, provider_schema, guarded):
    world.model("m", world.upstream(provider_schema))
    http = world.http(world.key(guardrail_profile_id=world.profile(("EMAIL", "redact", "both")) if guarded else None))
    nested = b"[" * 100_000 + b"]" * 100_000
    for where in (b'"messages": ' + nested, b'"messages": [{"role": "user", "content": "x"}], "metadata": ' + nested):
        body = b'{"model": "m", "max_tokens": 5, ' + where + b"}"
        # Whoever finds it wrong, the gateway or the provider, which gets what it can say in its own schema.
        assert send(http, schema, body).status_code in (200, 400)
    assert post(http, schema, "m").status_code == 200


def test_a_large_body_below_the_limit_passes(world, served):
    content = "x" * (8 * MIB)
    response = post(world.http(), "openai", "m", messages=[{"role": "user", "content": content}], max_tokens=5)
    assert response.status_code == 200, response.text[:500]
    assert served.only().json["messages"][0]["content"] == content


@SCHEMAS
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_refused(world, served, schema, content_type):
    body = json.dumps(ask(schema, "m"))
    response = send(world.http(), schema, body, **{"content-type": content_type})
    check_error(schema, response, 415, None)
    assert served.received() == []


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", None])
def test_json_is_taken_in_every_spelling(world, served, content_type):
    body = json.dumps(ask("openai", "m")).encode()
    headers = {"content-type": content_type} if content_type else {}
    response = world.http().post(path_of("openai"), content=body, headers=headers)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("openai", "/"),
        ("openai", "/v1"),
        ("openai", "/v1/chat"),
        ("openai", "/v1/chat/completions/more"),
        ("openai", "/v2/chat/completions"),
        ("openai", "/favicon.ico"),
        ("anthropic", "/v1/messages/more"),
        ("openai", "/api/v1/admin"),
        ("openai", "/api/v1/admin/tenants"),
        ("openai", "/api/v1/admin/auth/login"),
        ("openai", "/api/v1/openapi.json"),
        ("openai", "/docs"),
        ("openai", "/v1/../api/v1/admin/tenants"),
    ],
)
def test_an_unknown_path_is_not_found_with_a_key_or_without(world, gateway, schema, path):
    for http in (world.http(), gateway):
        for method in ("GET", "POST"):
            check_error(schema, http.request(method, path, json={} if method == "POST" else None), 404, None)


@pytest.mark.parametrize(
    ("schema", "method", "path"),
    [
        ("openai", "GET", "/v1/chat/completions"),
        ("openai", "DELETE", "/v1/chat/completions"),
        ("openai", "PUT", "/v1/embeddings"),
        ("openai", "POST", "/v1/models"),
        ("anthropic", "GET", "/v1/messages"),
    ],
)
def test_a_wrong_method_is_refused(world, schema, method, path):
    check_error(schema, world.http().request(method, path), 405, None)


@SCHEMAS
@pytest.mark.parametrize("name", ["nowhere", "M", " m", "m ", "../m", "m\u0000", "x" * 10_000])
def test_an_unknown_model_is_not_found(world, served, schema, name):
    check_error(schema, post(world.http(), schema, name), 404, "model_not_found")
    assert served.received() == []


def test_a_client_cannot_choose_its_pool(world, new_world, served):
    private = new_world()
    theirs = private.upstream("openai")
    pool = private.pool(theirs)
    http = world.http()
    for headers in (
        {"x-weir-pool": pool["id"]},
        {"x-weir-pool": pool["id"], "x-weir-stream": "false"},
        {"X-WEIR-Pool": pool["id"], "x-weir-tenant": private.tenant_id, "x-weir-credential-0": "x"},
        {"x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-max-retries": "9"},
    ):
        assert post_with(http, headers).status_code == 200
    assert theirs.received() == []
    for request in served.received():
        assert [name for name, _ in request.headers if name.startswith(("x-weir-", "x-envoy-"))] == []
    assert http.get("/v1/models", headers={"x-weir-pool": pool["id"]}).status_code == 200


def post_with(http, headers):
    return http.post(path_of("openai"), json=ask("openai", "m"), headers=headers)


@SCHEMAS
def test_a_body_that_comes_byte_by_byte_is_read_whole(world, served, schema):
    key = world.key()
    world.admin.settle()
    body = json.dumps(ask(schema, "m")).encode()
    head = post_head(schema, key.secret, "transfer-encoding: chunked")
    pieces = [head, *(b"1\r\n%c\r\n" % byte for byte in body), b"0\r\n\r\n"]
    answer = exchange(world.gateway_url, pieces)
    assert answer.startswith(b"HTTP/1.1 200"), answer[:500]
    assert served.only().json["messages"]


def test_a_body_that_never_ends_forwards_nothing(world, served):
    key = world.key()
    world.admin.settle()
    head = post_head("openai", key.secret, "content-length: 1000")
    exchange(world.gateway_url, [head, b'{"model": "m",'], hang_up=True)
    assert post(world.http(key), "openai", "m").status_code == 200
    assert len(served.received()) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
    ids=["TLS", "half a request line", "both lengths", "broken chunk", "huge header"],
)
def test_what_is_no_http_is_refused_and_the_gateway_stays(world, served, nonsense):
    answer = exchange(world.gateway_url, [nonsense])
    assert answer == b"" or answer.split(b" ", 2)[1].startswith(b"4"), answer[:200]
    assert post(world.http(), "openai", "m").status_code == 200
    assert len(served.received()) == 1
