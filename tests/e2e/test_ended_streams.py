"""Streams under way that an administrator ends, on every Envoy, whether the provider sends on or is silent."""

import concurrent.futures
import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.provider import told
from weir_e2e.sse import ask
from weir_e2e.under_way import streamed
from weir_e2e.waiting import eventually

# A provider that says something every 100 ms, and one that says nothing more.
PASSING, SILENT = "passing", "silent"
BEHAVIOURS = {
    PASSING: told("ok", text="word " * 600, delay_ms=100),
    SILENT: told("stall_after", chunks=4),
}


@pytest.fixture
def envoys(world, run):
    """Three Envoys of two gateways."""
    token = world.admin.create("gateways", name=f"more-{world.tag}")["token"]
    with (
        lone_envoy(f"second-{world.tag}", token, run["xds_address"]) as second,
        lone_envoy(f"third-{world.tag}", token, run["xds_address"]) as third,
    ):
        yield run["gateway_url"], second.url, third.url


def serves(url: str, key) -> bool:
    """Whether this Envoy knows the key."""
    return httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key.secret}"}, timeout=10).is_success


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_revoked_keys_streams_end_on_three_envoys(world, envoys, behaviour):
    world.model("m", world.upstream("openai", BEHAVIOURS[behaviour]))
    key, other = world.key(), world.key()
    for url in envoys:
        eventually(lambda url=url: serves(url, key) and serves(url, other), within_s=60, what="an Envoy that serves")
    begun: set[tuple[str, str]] = set()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        # One schema that the provider speaks and one that is translated, on each.
        shown = {"authorization": f"Bearer {key.secret}"}
        cases = [(url, schema) for url in envoys for schema in ("openai", "anthropic")]
        streams = [pool.submit(streamed, url, shown, schema, begun) for url, schema in cases]
        eventually(lambda: begun >= set(cases), within_s=20, what="streams under way")
        revoked, revoked_at = time.monotonic(), datetime.now(UTC)
        world.admin.revoke(key.id)
        ended = [stream.result(timeout=20) for stream in streams]
    took = [end - revoked for _, end, _, _ in ended]
    print(f"{behaviour}: seconds from the call to the last byte: {[round(max(last - revoked, 0), 2) for last, *_ in ended]}")
    print(f"{behaviour}: seconds from the call to the end of the stream: {[round(seconds, 2) for seconds in took]}")
    # A second, and what a machine that is busy with other tests takes for itself.
    assert max(took) < 3, took
    for (_, schema), (_, _, received, request_id) in zip(cases, ended, strict=True):
        assert b"[DONE]" not in received and b"message_stop" not in received
        if behaviour == PASSING:
            data = json.loads(received.strip().split(b"data: ")[-1])
            assert data["error"]["code"] == "ended_by_policy", schema
        record = world.record(request_id)
        assert (record["outcome"], record["error_code"]) == ("ended_by_policy", "ended_by_policy")
        assert record["cost_microusd"] > 0

    def kept() -> dict:
        return world.admin.http.get(f"/api-keys/{key.id}/ended-streams").json()

    # Each Envoy has said when its last byte went.
    eventually(lambda: kept()["streams"] == len(cases), within_s=10, what="streams that each Envoy ended")
    assert len(kept()["envoys"]) == len(envoys)
    for envoy in kept()["envoys"]:
        assert envoy["streams"] == 2 and envoy["node"] and envoy["gateway"]
        last_byte_at = datetime.fromisoformat(envoy["last_byte_at"])
        assert timedelta(0) <= last_byte_at - revoked_at < timedelta(seconds=3), envoy


def test_streams_finish_where_that_is_asked(world):
    world.model("m", world.upstream("openai", told("ok", text="word " * 12, delay_ms=100)))
    key = world.key()
    http = world.http(key)
    with http.stream("POST", "/v1/chat/completions", json=ask("openai", "m") | {"stream": True}) as answer:
        pieces = answer.iter_raw()
        received = next(pieces)
        world.admin.revoke(key.id, streams="finish")
        world.admin.settle()
        received += b"".join(pieces)
    assert b"[DONE]" in received
    assert http.get("/v1/models").status_code == 401
