"""The mechanisms that everything else stands on: each was risky, and each stays proven."""

import json
import re
import stat
import time
import uuid
from functools import partial

import httpx
import pytest

from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.provider import ok, status
from weir_e2e.raw import Connection, post_head
from weir_e2e.sse import ask, check_error, post
from weir_e2e.waiting import eventually, holds_for

SCHEMAS = ["openai", "anthropic"]


# Before the control plane, and without it.


def test_an_envoy_without_a_control_plane_refuses_at_once_in_the_clients_schema():
    with lone_envoy("e2e-alone", "no token") as envoy, httpx.Client(base_url=envoy.url, timeout=5) as http:
        for schema in SCHEMAS:
            for streamed in (False, True):
                began = time.monotonic()
                response = post(http, schema, "m", stream=streamed)
                assert time.monotonic() - began < 1
                check_error(schema, response, 503, "gateway_not_ready")
        check_error("openai", http.get("/v1/models"), 503, "gateway_not_ready")


def test_an_envoy_with_a_wrong_token_is_told_nothing(run, admin):
    with (
        lone_envoy("e2e-impostor", "weir_gw_wrong", run["xds_address"]) as envoy,
        httpx.Client(base_url=envoy.url, timeout=5) as http,
    ):

        def tried() -> bool:
            stats = envoy.admin.get("/stats", params={"filter": "control_plane|cluster.weir_control_plane.upstream_rq"})
            return "cluster.weir_control_plane.upstream_rq_total: 0" not in stats.text

        eventually(tried, what="a call to the control plane")
        check_error("openai", post(http, "openai", "gpt-4o"), 503, "gateway_not_ready")
        assert "weir.pool" not in envoy.admin.get("/config_dump").text
        assert "e2e-impostor" not in [node["id"] for node in admin.all("nodes")]


def test_a_second_envoy_joins_the_fleet_and_leaves_it(run, admin, world):
    world.model("m", world.upstream("openai"))
    key = world.key()

    def state() -> list[bool]:
        return [node["connected"] for node in admin.all("nodes") if node["id"] == "e2e-second"]

    with lone_envoy("e2e-second", run["gateway_token"], run["xds_address"]) as envoy:
        http = httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {key.secret}"}, timeout=10)

        def served() -> bool:
            response = post(http, "openai", "m")
            assert response.is_success, response.text
            return True

        eventually(served, within_s=30, what="an answer through the second Envoy")
        assert state() == [True]
        admin.settle()
        world.model("later", world.upstream("openai"))
        admin.settle()
        assert post(http, "openai", "later").is_success
    eventually(lambda: state() == [False], within_s=10, what="the second Envoy shown as gone")


# Secrets.


def test_the_gateways_token_reaches_the_control_plane_and_is_in_no_dump(system, run, admin, envoy):
    assert admin.connected_nodes(), "no Envoy was let in, so the token did not arrive"
    token = run["gateway_token"]
    assert len(token) >= 32
    for path in ("/config_dump?include_eds", "/clusters", "/stats", "/server_info"):
        assert token not in envoy.get(path).text, path
    for path, text in system.logs().items():
        assert token not in text, path


def test_no_credential_key_or_prompt_leaks(system, world, admin, envoy):
    prompt = f"prompt-canary-{uuid.uuid4().hex}"
    answer = f"answer-canary-{uuid.uuid4().hex}"
    first, second = world.upstream("openai", status(503)), world.upstream("anthropic", ok(answer))
    broken = world.upstream("openai", status(401))
    model = world.model("m", first, second)
    world.model("broken", broken)
    key = world.key()
    http = world.http(key)
    messages = [{"role": "user", "content": prompt}]
    for streamed in (False, True):
        assert post(http, "openai", "m", messages=messages, stream=streamed).status_code == 200
        refused = post(http, "openai", "broken", messages=messages, stream=streamed)
        assert refused.status_code == 502
        assert broken.credential not in refused.text
    world.admin.change("providers", first.id, name=f"renamed-{world.tag}")
    credentials = [upstream.credential for upstream in (first, second, broken)]

    shown = {f"envoy {path}": envoy.get(path).text for path in ("/config_dump?include_eds", "/clusters", "/stats")}
    for resource in ("providers", "pools", "models", "api-keys", "audit", "nodes", "usage", "tenants"):
        shown[f"admin {resource}"] = json.dumps(admin.all(resource))
    for upstream in (first, second, broken):
        shown[f"admin provider {upstream.id}"] = admin.text_of(f"/providers/{upstream.id}")
    shown["admin key"] = admin.text_of(f"/api-keys/{key.id}")
    shown["admin model"] = admin.text_of(f"/models/{model['id']}")
    shown |= {str(path): text for path, text in system.logs().items()}
    # Envoy has the pools, so the dump is not empty of what it should be searched for.
    assert model["pool_id"] in shown["envoy /config_dump?include_eds"]
    for where, text in shown.items():
        for secret in (*credentials, key.secret, prompt, answer):
            assert secret not in text, f"{secret[:12]}… in {where}"


def test_credentials_are_encrypted_in_the_database(world, database):
    upstream = world.upstream("openai")
    key = world.key()
    tables = database.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    assert tables
    for (table,) in tables:
        for (row,) in database.execute(f'SELECT to_jsonb(t)::text FROM "{table}" AS t').fetchall():
            assert key.secret not in row, table
            for spelling in (upstream.credential, upstream.credential.encode().hex()):
                assert spelling not in row, table


def test_files_with_secrets_are_closed_to_others(system):
    names = ("run.json", "secrets.json", "master.key", "gateway-token.json")
    for name in names:
        assert stat.S_IMODE((system.state / name).stat().st_mode) == 0o600, name


# Callouts that hold their stream.


@pytest.fixture
def calls_to_control_plane(envoy):
    """How many calls to the control plane are open now, the configuration stream and watches included."""

    def count() -> int:
        text = envoy.get("/stats", params={"filter": r"^cluster\.weir_control_plane\.upstream_rq_active$"}).text
        return int(re.search(r": (\d+)", text)[1])

    return count


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_look_up_holds_its_stream_until_it_is_answered(system, world, calls_to_control_plane, schema):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    body = json.dumps(ask(schema, "m")).encode()
    head = post_head(schema, key.secret, f"content-length: {len(body)}")
    half = len(body) // 2
    connection = Connection(world.gateway_url)
    before = calls_to_control_plane()
    with system.paused("control_plane"):
        connection.send(head + body[:half])
        eventually(lambda: calls_to_control_plane() > before, within_s=0.5, what="an open look-up")
        connection.send(body[half:])
        # Shorter than the look-up's own deadline of a second.
        holds_for(lambda: upstream.received() == [] and connection.silent(), 0.25, "the stream held")
    answer = connection.answer()
    connection.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:500]
    assert upstream.only().json["messages"]


def test_a_client_that_leaves_during_a_look_up_does_no_harm(system, world, calls_to_control_plane):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    body = json.dumps(ask("openai", "m")).encode()
    head = post_head("openai", key.secret, f"content-length: {len(body)}")
    before = calls_to_control_plane()
    with system.paused("control_plane"):
        connection = Connection(world.gateway_url)
        connection.send(head + body)
        eventually(lambda: calls_to_control_plane() > before, within_s=0.5, what="an open look-up")
        connection.close()
    assert post(world.http(key), "openai", "m").status_code == 200
    assert len(upstream.received()) == 1


def test_while_the_control_plane_is_silent_known_keys_are_served_and_others_refused(system, world):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    known, unknown = world.key(), world.key()
    with world.http(known) as http, world.http(unknown) as stranger:
        # Each worker keeps its own principals: ask often enough that both have it.
        for _ in range(20):
            with httpx.Client(base_url=world.gateway_url, headers=http.headers) as fresh:
                assert post(fresh, "openai", "m").status_code == 200
        served = len(upstream.received())
        with system.paused("control_plane"):
            assert post(http, "openai", "m").status_code == 200
            for schema in SCHEMAS:
                began = time.monotonic()
                check_error(schema, post(stranger, schema, "m"), 503, None)
                assert time.monotonic() - began < 3
        assert len(upstream.received()) == served + 1
        eventually(lambda: post(stranger, "openai", "m").is_success, what="the other key served again")


# What dies.


def test_a_killed_control_plane_costs_no_request_and_no_record(system, world):
    world.model("m", world.upstream("openai"))
    http = world.http()
    for _ in range(20):
        with httpx.Client(base_url=world.gateway_url, headers=http.headers) as fresh:
            assert post(fresh, "openai", "m").status_code == 200
    killed = system.kill("control_plane")
    ids = []
    while len(ids) < 20 or system.pid("control_plane") == killed:
        response = post(http, "openai", "m")
        assert response.status_code == 200, response.text
        ids.append(response.headers["x-weir-request-id"])
    for request_id in ids:
        eventually(partial(recorded_once, world, request_id), within_s=15, what=f"a record for {request_id}")
    world.model("after", world.upstream("openai"))
    eventually(lambda: world.admin.applied(world.admin.revision), within_s=15, what="changes applied again")
    eventually(lambda: post(http, "openai", "after").is_success, what="a new model served by every worker")


def recorded_once(world, request_id: str) -> bool:
    """Whether there is one record; false while the control plane is away."""
    try:
        return len(world.admin.usage(request_id=request_id)) == 1
    except httpx.TransportError:
        return False


def test_a_killed_envoy_comes_back_with_its_policies(system, world):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    http = world.http()
    assert post(http, "openai", "m").status_code == 200
    killed = system.kill("envoy")

    def served() -> bool:
        try:
            response = post(http, "openai", "m")
        except httpx.TransportError:
            return False
        # Until its policies arrive it refuses; it never lets anything through without them.
        if response.status_code not in (200, 503):
            raise RuntimeError(response.text)
        return response.is_success

    eventually(served, within_s=30, what="an answer after the restart")
    eventually(lambda: system.pid("envoy") != killed, what="a new process in run.json")
    assert post(httpx.Client(base_url=world.gateway_url), "openai", "m").status_code == 401
    world.admin.settle()
