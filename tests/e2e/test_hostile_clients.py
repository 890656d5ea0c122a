"""Clients that are slow, or leave."""

import time

import httpx
import pytest

from weir_e2e.hostile import SCHEMAS, check_refused_unread, check_told, good_request
from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.provider import ok
from weir_e2e.raw import Connection, answers_in, exchange, post_head
from weir_e2e.sse import ask, check_error, headers_of, path_of, post
from weir_e2e.waiting import eventually

BY_SCHEMA = pytest.mark.parametrize("schema", SCHEMAS)

SLOW = {"request_timeout: 60s": "request_timeout: 1s", "request_headers_timeout: 10s": "request_headers_timeout: 1s"}


def test_a_client_that_sends_byte_by_byte_is_ended_in_time(stage, cases, run, admin):
    """With the listener's times cut to a second each, which to Envoy is the same as a minute and ten seconds."""
    with lone_envoy("e2e-slow", run["gateway_token"], run["xds_address"], SLOW) as envoy:
        http = httpx.Client(base_url=envoy.url, headers=stage.http.headers, timeout=10)
        eventually(lambda: post(http, "openai", "openai").is_success, within_s=30, what="the second Envoy serving")
        before = stage.received()
        for schema in SCHEMAS:
            whole = good_request(schema, stage.key.secret)
            head = whole[: whole.index(b"\r\n\r\n") + 4]
            chunked = post_head(schema, stage.key.secret, "transfer-encoding: chunked")
            for name, begun, byte in [
                ("head", head[:40], b"a"),
                ("body", head, b" "),
                ("chunks", chunked, b"1\r\n \r\n"),
                ("nothing", head, b""),
            ]:
                with cases.case(schema, name):
                    connection = Connection(envoy.url)
                    began = time.monotonic()
                    connection.send(begun)
                    eventually(lambda it=connection, byte=byte: _trickle(it, byte), within_s=5, every_s=0.1)
                    assert 0.8 < time.monotonic() - began < 3
                    answers = answers_in(connection.answer())
                    connection.close()
                    if name == "head":
                        check_refused_unread(answers[0], 408, "request_timeout")
                    else:
                        check_told(schema, answers[0], 408, "request_timeout")
            with cases.case(schema, "slow but in time"):
                connection = Connection(envoy.url)
                for piece in (whole[:30], whole[30:-20], whole[-20:]):
                    connection.send(piece)
                assert answers_in(connection.answer())[0].status == 200
                connection.close()
        http.close()
    assert stage.received() == before + cases.served + len(SCHEMAS), "something of an unfinished request was forwarded"
    eventually(lambda: "e2e-slow" not in [node["id"] for node in admin.connected_nodes()], within_s=10)


def _trickle(connection: Connection, byte: bytes) -> bool:
    """Sends one more, unless the other side has answered."""
    if not connection.silent():
        return True
    if byte:
        connection.send(byte)
    return False


@BY_SCHEMA
def test_a_client_that_leaves_in_its_request_leaves_nothing_behind(stage, cases, schema):
    whole = good_request(schema, stage.key.secret)
    head = whole.index(b"\r\n\r\n") + 4
    before = stage.received()
    for name, until in [("nothing", 0), ("in the head", 30), ("after the head", head), ("in the body", head + 10)]:
        with cases.case(name):
            exchange(stage.world.gateway_url, [whole[:until]], hang_up=True)
    with cases.case("in a chunk"):
        chunked = post_head(schema, stage.key.secret, "transfer-encoding: chunked")
        exchange(stage.world.gateway_url, [chunked, b"40\r\n" + whole[head : head + 20]], hang_up=True)
    assert stage.received() == before + cases.served, "something of an unfinished request was forwarded"


@BY_SCHEMA
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_a_client_that_leaves_in_its_stream_ends_it_for_the_provider(world, cases, schema, provider_schema):
    upstream = world.upstream(provider_schema, ok("word " * 400, chunks=400, delay_ms=20))
    world.model("m", upstream)
    http = world.http()
    with cases.case("in the stream"):
        body = ask(schema, "m", stream=True)
        with http.stream("POST", path_of(schema), json=body, headers=headers_of(schema)) as response:
            assert response.status_code == 200
            next(response.iter_bytes())
        eventually(lambda: upstream.only().finished == "client_gone", what="the provider's stream ended")
        check_error(schema, post(http, schema, "nowhere"), 404, "model_not_found")
