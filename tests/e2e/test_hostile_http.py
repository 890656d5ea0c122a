"""Requests that are hostile or unusual as HTTP: types, paths, framing, headers and credentials."""

import gzip

import pytest

from weir_e2e.hostile import (
    SCHEMAS,
    body_of,
    check_refused,
    check_refused_unread,
    check_told,
    good_request,
    only_answer,
)
from weir_e2e.raw import Connection, answers_in, exchange, post_head
from weir_e2e.sse import ask, headers_of, path_of
from weir_e2e.waiting import eventually

BY_SCHEMA = pytest.mark.parametrize("schema", SCHEMAS)


# Content type and encoding.


@BY_SCHEMA
def test_another_content_type_is_refused(stage, cases, schema):
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "json"]:
        with cases.case(kind):
            before = stage.received()
            headers = headers_of(schema) | {"content-type": kind}
            response = stage.http.post(path_of(schema), content=body_of(schema), headers=headers)
            check_refused(schema, response, 415, "unsupported_media_type")
            assert stage.received() == before
    with cases.case("two types"):
        twice = good_request(schema, stage.key.secret, "content-type: text/plain")
        answer = only_answer(stage.world.gateway_url, twice)
        check_told(schema, answer, 415, "unsupported_media_type")


def test_json_is_taken_in_every_spelling(stage, cases):
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json ; x=y", None]:
        with cases.case(kind):
            headers = {"content-type": kind} if kind else {}
            response = stage.http.post(path_of("openai"), content=body_of("openai"), headers=headers)
            assert response.status_code == 200, response.text


@BY_SCHEMA
def test_a_compressed_body_is_refused(stage, cases, schema):
    for encoding in ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "nonsense"]:
        with cases.case(encoding):
            before = stage.received()
            headers = headers_of(schema) | {"content-type": "application/json", "content-encoding": encoding}
            response = stage.http.post(path_of(schema), content=b"\x1f\x8b\x08\x00", headers=headers)
            check_refused(schema, response, 415, "unsupported_content_encoding")
            assert stage.received() == before
    with cases.case("a bomb"):
        before = stage.received()
        bomb = gzip.compress(bytes(100_000_000))
        headers = headers_of(schema) | {"content-type": "application/json", "content-encoding": "gzip"}
        response = stage.http.post(path_of(schema), content=bomb, headers=headers)
        check_refused(schema, response, 415, "unsupported_content_encoding")
        assert stage.received() == before
    with cases.case("two encodings"):
        twice = ("content-encoding: identity", "content-encoding: gzip")
        answer = only_answer(stage.world.gateway_url, good_request(schema, stage.key.secret, *twice))
        check_told(schema, answer, 415, "unsupported_content_encoding")
    with cases.case("none"):
        headers = headers_of(schema) | {"content-type": "application/json", "content-encoding": "identity"}
        assert stage.http.post(path_of(schema), content=body_of(schema), headers=headers).status_code == 200


# Paths and methods.


UNKNOWN_PATHS = [
    *(("openai", path) for path in ("/", "/v1", "/v1/chat", "/V1/chat/completions", "/v2/chat/completions")),
    *(("openai", f"/v1/chat/completions{rest}") for rest in ("/", "/more", "\\", "%20")),
    *(("openai", f"/api/v1/{path}") for path in ("admin", "admin/tenants", "admin/auth/login", "openapi.json")),
    *(("openai", path) for path in ("/docs", "/favicon.ico", "/v1/../api/v1/admin/tenants", "/" + "a" * 10_000)),
    *(("anthropic", f"/v1/messages{rest}") for rest in ("/", "/more")),
]


def test_an_unknown_path_is_not_found_with_a_key_or_without(stage, cases, gateway):
    for schema, path in UNKNOWN_PATHS:
        for http in (stage.http, gateway):
            for method in ("GET", "POST"):
                with cases.case(method, path[:50]):
                    response = http.request(method, path, json={} if method == "POST" else None)
                    check_refused(schema, response, 404, "unknown_url")


@pytest.mark.parametrize(
    ("schema", "path", "methods"),
    [
        ("openai", "/v1/chat/completions", ("GET", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE")),
        ("openai", "/v1/embeddings", ("GET", "PUT")),
        ("openai", "/v1/models", ("POST", "DELETE")),
        ("anthropic", "/v1/messages", ("GET", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE")),
    ],
)
def test_a_wrong_method_is_refused(stage, cases, schema, path, methods):
    for method in methods:
        with cases.case(method):
            response = stage.http.request(method, path)
            check_refused(schema, response, 405, "method_not_allowed")
            assert response.headers["allow"] == ("GET" if path == "/v1/models" else "POST")
    with cases.case("HEAD"):
        assert stage.http.head("/v1/messages").status_code == 405


# Framing.


@BY_SCHEMA
def test_a_chunked_request_is_read_whole(stage, cases, schema):
    body = body_of(schema)
    head = post_head(schema, stage.key.secret, "transfer-encoding: chunked")
    shapes = {
        "one chunk": [head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)],
        "byte by byte": [head, *(b"1\r\n%c\r\n" % byte for byte in body), b"0\r\n\r\n"],
        "extension and trailer": [head, b"%X;a=b\r\n%b\r\n0\r\nx-trailer: x\r\n\r\n" % (len(body), body)],
        "leading zeros": [head, b"000%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)],
    }
    for name, pieces in shapes.items():
        with cases.case(name):
            before = len(stage.upstreams[schema].received())
            assert only_answer(stage.world.gateway_url, *pieces).status == 200
            received = stage.upstreams[schema].received()
            assert len(received) == before + 1
            assert received[-1].json["messages"] == ask(schema, schema)["messages"]
            assert received[-1].header("transfer-encoding") is None


@BY_SCHEMA
def test_a_client_that_waits_for_100_continue_is_answered(stage, cases, schema):
    url, body = stage.world.gateway_url, body_of(schema)
    for name, secret, status in [("good key", stage.key.secret, 200), ("bad key", "weir_no", 401)]:
        with cases.case(name):
            connection = Connection(url)
            connection.send(post_head(schema, secret, f"content-length: {len(body)}", "expect: 100-continue"))
            eventually(lambda it=connection: not it.silent(), what="100 Continue")
            connection.send(body)
            interim, answer = answers_in(connection.answer())
            connection.close()
            assert (interim.status, answer.status) == (100, status)
    assert stage.upstreams[schema].received()[-1].header("expect") is None


@BY_SCHEMA
def test_http_1_0_is_refused(stage, cases, schema):
    with cases.case("HTTP/1.0"):
        old = good_request(schema, stage.key.secret).replace(b"HTTP/1.1", b"HTTP/1.0")
        check_refused_unread(only_answer(stage.world.gateway_url, old), 426, "unsupported_http_version")


SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: weir\r\n\r\n"


IN_DOUBT = [
    ["content-length: 5", "transfer-encoding: chunked"],
    ["transfer-encoding: chunked", "content-length: 5"],
    ["Transfer-Encoding: CHUNKED", "content-length: 0"],
    ["content-length: 5", "content-length: 6"],
    ["content-length: 5", "content-length: 5"],
    ["content-length: -5"],
    ["content-length: 0x5"],
    ["content-length: 99999999999999999999999"],
    ["transfer-encoding : chunked"],
    ["x-a: b\0c", "content-length: 5"],
    ["x a: b", "content-length: 5"],
    ["no colon", "content-length: 5"],
    ["x_weir_pool: b", "content-length: 5"],
]
UNKNOWN_CODINGS = [[f"transfer-encoding: {it}"] for it in ("gzip, chunked", "xchunked", "identity, chunked")]


@BY_SCHEMA
def test_a_request_whose_end_is_in_doubt_is_refused_with_all_that_follows(stage, cases, schema):
    for lines in [*IN_DOUBT, *UNKNOWN_CODINGS]:
        with cases.case(*lines):
            before = stage.received()
            piece = post_head(schema, stage.key.secret, *lines) + b"0\r\n\r\n" + SMUGGLED
            answer = only_answer(stage.world.gateway_url, piece)
            if lines in UNKNOWN_CODINGS:
                check_refused_unread(answer, 501, "unsupported_transfer_encoding")
            else:
                check_refused_unread(answer, 400, "invalid_request")
            assert answer.headers["connection"] == "close"
            assert stage.received() == before


INVALID = (400, "invalid_request")
# None of these may be dropped without a word: each has its status, and what it says is in every schema.
NONSENSE = {
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": INVALID,
    b"GET\r\n\r\n": INVALID,
    b"POST /v1/chat/completions HTTP/9.9\r\nhost: x\r\n\r\n": (426, "unsupported_http_version"),
    b"POST /v1/chat\0/completions HTTP/1.1\r\nhost: x\r\n\r\n": INVALID,
    b"POST /v1/chat/completions HTTP/1.1\r\n\r\n": INVALID,
    b"BREW /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n": INVALID,
    bytes(range(256)) * 4: INVALID,
}


def test_what_is_hardly_http_is_refused(stage, cases):
    for nonsense, (status, code) in NONSENSE.items():
        with cases.case(nonsense[:40]):
            before = stage.received()
            answer = only_answer(stage.world.gateway_url, nonsense)
            check_refused_unread(answer, status, code)
            assert answer.headers["connection"] == "close"
            assert stage.received() == before


def test_an_escaped_slash_makes_no_other_path(stage, cases):
    """It may stand in a model's name only."""
    with cases.case("POST /v1%2fchat/completions"):
        head = post_head("openai", stage.key.secret, "content-length: 0").replace(b"/v1/chat", b"/v1%2fchat")
        answer = only_answer(stage.world.gateway_url, head)
        assert answer.status == 404, answer


@BY_SCHEMA
def test_a_wish_for_another_protocol_reaches_no_provider(stage, cases, schema):
    with cases.case("upgrade"):
        wish = ("connection: upgrade", "upgrade: websocket")
        before = stage.received()
        for key in (stage.key.secret, "nobody"):
            answer = only_answer(stage.world.gateway_url, good_request(schema, key, *wish))
            check_told(schema, answer, 403, "invalid_request")
        assert stage.received() == before


# A chunk whose size is no number, and one whose size does not fit in a number.
BROKEN_CHUNKS = [b"zz\r\n", b"fffffffffffffffff\r\n"]


@BY_SCHEMA
def test_a_chunk_that_cannot_be_read_ends_its_request(stage, cases, schema):
    for chunk in BROKEN_CHUNKS:
        with cases.case(chunk):
            before = stage.received()
            head = post_head(schema, stage.key.secret, "transfer-encoding: chunked")
            check_told(schema, only_answer(stage.world.gateway_url, head, chunk), *INVALID)
            assert stage.received() == before


def test_a_tunnel_is_not_found(stage, cases):
    with cases.case("CONNECT"):
        tunnel = b"CONNECT weir:443 HTTP/1.1\r\nhost: weir:443\r\n\r\n"
        check_told("openai", only_answer(stage.world.gateway_url, tunnel), 404, "unknown_url")


def test_a_connection_that_begins_as_http_2_is_told_in_http_2(stage, cases):
    """By a GOAWAY for a protocol error (RFC 9113, 3.4), after which it is closed: there is no request to answer."""
    with cases.case("no SETTINGS"):
        received = exchange(stage.world.gateway_url, [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100])
        frames = []
        while received:
            length = int.from_bytes(received[:3])
            frames.append((received[3], received[9 : 9 + length]))
            received = received[9 + length :]
        goaway, protocol_error = 7, 1
        kind, payload = frames[-1]
        assert (kind, int.from_bytes(payload[4:8])) == (goaway, protocol_error), frames


@BY_SCHEMA
def test_requests_in_one_packet_are_answered_in_their_order(stage, cases, schema):
    good = good_request(schema, stage.key.secret)
    bad = good.replace(b'"messages"', b'"massages"')
    last = good.replace(b"host: weir\r\n", b"host: weir\r\nconnection: close\r\n")
    for name, pieces, expected in [
        ("all good", [good, good, last], [200, 200, 200]),
        ("one bad", [good, bad, last], [200, 400, 200]),
    ]:
        with cases.case("pipelined", name):
            connection = Connection(stage.world.gateway_url)
            connection.send(b"".join(pieces))
            answers = answers_in(connection.until_closed())
            connection.close()
            assert [answer.status for answer in answers] == expected[: len(answers)]
            # After an error Envoy may close: what it did not answer, it did not serve.
            assert len(answers) == 3 or (name == "one bad" and answers[-1].status == 400), answers


# Headers.


@BY_SCHEMA
@pytest.mark.parametrize(
    "lines",
    [[f"x-a: {'a' * 200_000}"], [f"x-{n}: {'a' * 2000}" for n in range(100)], [f"x-{n}: a" for n in range(1000)]],
    ids=["one of 200 KB", "200 KB in all", "a thousand"],
)
def test_headers_that_are_too_large_are_refused(stage, cases, schema, lines):
    before = stage.received()
    with cases.case(lines[0][:20], len(lines)):
        answer = only_answer(stage.world.gateway_url, good_request(schema, stage.key.secret, *lines))
        check_refused_unread(answer, 431, "headers_too_large")
        assert stage.received() == before
    with cases.case("large but not too large"):
        answer = only_answer(stage.world.gateway_url, good_request(schema, stage.key.secret, f"x-a: {'a' * 50_000}"))
        assert answer.status == 200
        # What a provider is sent is a list, on which this is not.
        assert stage.upstreams[schema].received()[-1].header("x-a") is None


def test_a_client_cannot_speak_in_weirs_or_envoys_name(stage, cases, new_world):
    private = new_world()
    theirs = private.upstream("openai")
    pool = private.pool(theirs)
    for schema in SCHEMAS:
        for headers in (
            {"x-weir-pool": pool["id"]},
            {"x-weir-pool": pool["id"], "x-weir-stream": "true"},
            {"X-WEIR-Pool": pool["id"], "x-weir-tenant": private.tenant_id, "x-weir-credential-0": "x"},
            {"x-weir-request-id": "chosen", "x-request-id": "chosen"},
            {"x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-max-retries": "9"},
            {"x-envoy-original-path": "/v1/models", "x-envoy-attempt-count": "7"},
            {"x-forwarded-for": "10.0.0.1", "x-envoy-internal": "true", "x-envoy-expected-rq-timeout-ms": "1"},
        ):
            with cases.case(schema, *headers):
                sent_headers = headers_of(schema) | headers
                response = stage.http.post(path_of(schema), json=ask(schema, schema), headers=sent_headers)
                assert response.status_code == 200, response.text
                assert response.headers["x-weir-request-id"] != "chosen"
                sent = stage.upstreams[schema].received()[-1]
                assert [name for name, _ in sent.headers if name.startswith(("x-weir-", "x-envoy-"))] == []
                assert not sent.holds("chosen") and not sent.holds(private.tenant_id)
    assert theirs.received() == []
    assert stage.http.get("/v1/models", headers={"x-weir-pool": pool["id"]}).status_code == 200


# Credentials.


@BY_SCHEMA
def test_two_keys_in_one_header_are_none(stage, cases, schema):
    secret, before = stage.key.secret, stage.received()
    for lines in (
        ["authorization: Bearer other"],
        [f"authorization: Bearer {secret}"],
        ["authorization: Basic d2Vpcjp3ZWly"],
    ):
        with cases.case(*lines):
            answer = only_answer(stage.world.gateway_url, good_request(schema, secret, *lines))
            check_told(schema, answer, 401, "invalid_api_key")
            assert secret.encode() not in answer.body
            assert stage.received() == before
            before += 1  # What the check afterwards sends.


def test_a_key_in_the_query_is_none_and_is_logged_nowhere(system, stage, cases):
    secret = stage.world.key().secret
    stage.world.admin.settle()
    for schema in SCHEMAS:
        bare = good_request(schema, secret).replace(f"authorization: Bearer {secret}\r\n".encode(), b"")
        for name in ("key", "api_key", "api-key", "access_token", "x-api-key"):
            with cases.case(schema, name):
                before = stage.received()
                target = f"{path_of(schema)}?{name}={secret} HTTP/1.1".encode()
                asked = bare.replace(f"{path_of(schema)} HTTP/1.1".encode(), target)
                check_told(schema, only_answer(stage.world.gateway_url, asked), 401, "invalid_api_key")
                assert stage.received() == before
        with cases.case(schema, "in the query too"):
            asked = good_request(schema, secret).replace(b" HTTP/1.1", f"?key={secret} HTTP/1.1".encode())
            answer = only_answer(stage.world.gateway_url, asked)
            assert answer.status == 200
            assert not stage.upstreams[schema].received()[-1].holds(secret)
    # Envoy writes its access log every ten seconds.
    last = answer.headers["x-weir-request-id"]
    eventually(lambda: any(last in text for text in system.logs().values()), within_s=15, what="the access log")
    for path, text in system.logs().items():
        assert secret not in text, path
