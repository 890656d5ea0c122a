"""Who gets what of whom: headers that only the gateway may write, tenants beside each other, ports that are not for
everybody, and people who guess."""

import decimal
import json
import time
import uuid

import httpx
import psutil
import pytest

from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.provider import status
from weir_e2e.sse import ask, check_error, headers_of, path_of, post
from weir_e2e.waiting import eventually, seconds_until

SCHEMAS = pytest.mark.parametrize("schema", ["openai", "anthropic"])
STREAMED = pytest.mark.parametrize("streamed", [False, True])


# Headers that only the gateway may write.


@pytest.fixture
def two_tenants(new_world):
    """One whose requests are sent, and one whose provider must not be reached by them."""
    ours, theirs = new_world(), new_world()
    upstream, foreign = ours.upstream("openai"), theirs.upstream("openai")
    model, foreign_model = ours.model("m", upstream), theirs.model("m", foreign)
    return ours, upstream, model, foreign, foreign_model


def internal_headers(own_pool: dict, foreign_pool: dict) -> list[tuple[str, str]]:
    """What a client could send to pass for a filter or for Envoy, in letters of both cases, and twice."""
    deployment, foreign = own_pool["members"][0]["id"], foreign_pool["members"][0]["id"]
    headers = [
        ("x-weir-pool", foreign_pool["id"]),
        ("X-Weir-Pool", foreign_pool["id"]),
        ("X-WEIR-STREAM", "true"),
        ("x-weir-request-id", str(uuid.uuid4())),
        ("x-weir-cost", "0"),
        ("x-weir-anything", "1"),
        ("x-weir-", "1"),
        (f"x-weir-credential-{deployment}", "sk-of-the-client"),
        (f"X-Weir-Credential-{foreign}", "sk-of-the-client"),
        ("x-envoy-attempt-count", "9"),
        ("X-Envoy-Retry-On", "5xx"),
        ("x-envoy-max-retries", "9"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-expected-rq-timeout-ms", "1"),
        ("x-envoy-original-path", "/v1/models"),
        ("x-envoy-decorator-operation", "o"),
        ("x-envoy-force-trace", "1"),
        ("x-envoy-external-address", "192.0.2.1"),
    ]
    return headers + headers


@SCHEMAS
@STREAMED
def test_internal_headers_of_a_client_do_nothing_and_go_nowhere(two_tenants, schema, streamed):
    world, upstream, model, foreign, foreign_model = two_tenants
    pools = [world.admin.read("pools", one["pool_id"]) for one in (model, foreign_model)]
    headers = internal_headers(*pools)
    with world.http() as http:
        body = ask(schema, "m", stream=streamed)
        named = [*headers_of(schema).items(), ("authorization", http.headers["authorization"])]
        response = http.post(path_of(schema), json=body, headers=named + headers)
    assert response.status_code == 200, response.text
    sent = {value for _, value in headers}
    assert response.headers["x-weir-request-id"] not in sent
    assert world.record(response.headers["x-weir-request-id"])["streamed"] is streamed
    received = upstream.only()
    assert foreign.received() == []
    assert received.header("authorization") == f"Bearer {upstream.credential}"
    names = [name for name, _ in received.headers]
    assert not [name for name in names if name.startswith(("x-weir-", "x-envoy-"))], names
    assert not received.holds("sk-of-the-client")
    assert not {"x-weir-pool", "x-weir-anything", "x-weir-stream"} & set(response.headers)


@pytest.mark.parametrize("name", ["x_weir_pool", "X_Weir-Pool", "x-weir_credential-1", "x_envoy_retry_on", "a_b"])
def test_a_header_with_underscores_is_refused(world, name):
    """Some servers read them as hyphens: what was not removed here could be taken for an internal header there."""
    upstream = world.upstream("openai")
    world.model("m", upstream)
    assert post(world.http(), "openai", "m").status_code == 200
    response = world.http().post("/v1/chat/completions", json=ask("openai", "m"), headers={name: "1"})
    assert response.status_code == 400
    assert len(upstream.received()) == 1


SPOOFED = {
    "x-weir-request-id": "spoofed",
    "x-weir-cost": "0.000001",
    "x-weir-provider": "spoofed",
    "x-weir-model": "spoofed",
    "x-weir-cache": "spoofed",
    "x-weir-guardrails": "spoofed",
    "x-weir-anything": "spoofed",
    "x-envoy-upstream-service-time": "spoofed",
    "x-envoy-ratelimited": "true",
    "x-envoy-overloaded": "true",
    "set-cookie": "session=spoofed",
    "www-authenticate": "Basic realm=spoofed",
    "access-control-allow-origin": "*",
    "strict-transport-security": "max-age=1",
    "content-security-policy": "default-src *",
    "location": "https://elsewhere.example",
    "link": "<https://elsewhere.example>",
    "refresh": "0;url=https://elsewhere.example",
    "clear-site-data": "*",
    "alt-svc": "h3=spoofed",
    "x-ratelimit-remaining-requests": "0",
    "openai-organization": "org-of-the-operator",
    "anthropic-organization-id": "org-of-the-operator",
    "x-amzn-requestid": "spoofed",
    "content-disposition": "attachment",
    "server": "spoofed",
}
OURS = {"x-weir-request-id", "x-weir-cost", "x-weir-provider", "x-weir-model", "x-weir-guardrails", "x-weir-cache"}
# What Envoy itself says, and what every answer has.
PLAIN = {"x-envoy-upstream-service-time", "date", "server", "connection"}
PLAIN |= {"content-type", "content-length", "transfer-encoding"}


@SCHEMAS
@STREAMED
@pytest.mark.parametrize("code", [200, 400, 429])
def test_headers_of_a_provider_neither_pass_for_the_gateways_nor_act_on_its_client(world, schema, streamed, code):
    said = f"said-{uuid.uuid4().hex}"
    body: object = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
    headers = SPOOFED | {"retry-after": "7", "x-request-id": "theirs"}
    if code == 200 and not streamed:
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "x", "choices": [choice], "usage": usage}
    elif code == 200:
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "x"}
        chunk["choices"] = [{"index": 0, "delta": {"role": "assistant", "content": said}, "finish_reason": "stop"}]
        body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
        headers |= {"content-type": "text/event-stream"}
    upstream = world.upstream("openai", status(code, body=body, headers=headers))
    world.model("m", upstream)
    response = post(world.http(), schema, "m", stream=streamed)
    assert response.status_code == code and said in response.text, response.text
    unknown = set(response.headers) - OURS - PLAIN - {"retry-after", "x-request-id"}
    assert not unknown, unknown
    assert "spoofed" not in str(response.headers), response.headers
    assert response.headers["x-request-id"] == "theirs"
    assert response.headers["x-weir-provider"] == upstream.name
    assert len(response.headers.get_list("x-weir-request-id")) == 1
    record = world.record(response.headers["x-weir-request-id"])
    if code == 200 and not streamed:
        assert decimal.Decimal(response.headers["x-weir-cost"]) == decimal.Decimal(record["cost_usd"])


# Tenants beside each other. For the admin API: authorisation.rs and references.rs in control-plane/api/tests/admin.


def test_nothing_of_another_tenants_can_be_asked_for_by_any_of_its_ids(two_tenants):
    world, _, _, foreign, foreign_model = two_tenants
    member = world.admin.read("pools", foreign_model["pool_id"])["members"][0]
    pool_id = foreign_model["pool_id"]
    names = [foreign_model["id"], pool_id, f"weir.pool.{pool_id}", member["id"], member["provider_id"], foreign.name]
    with world.http() as http:
        nowhere = http.get("/v1/models/nowhere")
        assert check_error("openai", nowhere, 404, "model_not_found")
        for name in names:
            there = http.get(f"/v1/models/{name}")
            assert there.json() == json.loads(nowhere.text.replace("nowhere", name)), name
            for schema in ("openai", "anthropic"):
                check_error(schema, post(http, schema, name), 404, "model_not_found")
    assert foreign.received() == []


def test_an_envoy_of_one_tenant_is_told_nothing_of_others_and_nothing_once_its_gateway_is_gone(
    run, two_tenants, measured
):
    world, upstream, model, foreign, foreign_model = two_tenants
    admin = world.admin
    gateway = admin.create("gateways", name=f"bound-{world.tag}", tenant_id=world.tenant_id)
    own_key = world.key()
    their_tenant = admin.read("providers", foreign.id)["tenant_id"]
    foreign_key = admin.create("api-keys", tenant_id=their_tenant, name="theirs")
    with lone_envoy(f"bound-{world.tag}", gateway["token"], run["xds_address"]) as envoy:
        own = httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {own_key.secret}"}, timeout=10)
        other = httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {foreign_key['key']}"}, timeout=10)
        eventually(lambda: post(own, "openai", "m").is_success, within_s=30, what="an answer to the tenant")
        # A key that works elsewhere is nobody's here.
        check_error("openai", post(other, "openai", "m"), 401, "invalid_api_key")
        dump = envoy.admin.get("/config_dump?include_eds").text
        assert model["pool_id"] in dump and upstream.id in dump
        for theirs in (foreign_model["pool_id"], foreign.id, foreign.scenario.base_url, foreign.name):
            assert theirs not in dump, theirs
        assert foreign.received() == []

        def streams() -> dict[str, int]:
            names = r"control_plane\.connected_state|weir_control_plane\.upstream_rq_active"
            lines = envoy.admin.get("/stats", params={"filter": names}).text.splitlines()
            return {line.split(": ")[0].split(".")[-1]: int(line.split(": ")[1]) for line in lines}

        # Its configuration's, and those of its VMs that watch for what to forget.
        eventually(lambda: streams()["connected_state"] == 1, what="an open stream")
        eventually(lambda: streams()["upstream_rq_active"] > 1, what="open watches")
        began = time.monotonic()
        admin.delete("gateways", gateway["id"])
        ended = seconds_until(lambda: streams()["connected_state"] == 0, began, within_s=5, what="the stream's end")
        measured("a deleted gateway's streams ended after", ended)
        # Its streams are tried again, and refused again; what was decided since is not heard of.
        later = world.model("later", upstream)["pool_id"]
        tried = requests_made(envoy)
        eventually(lambda: requests_made(envoy) > tried + 1, within_s=20, what="new calls to the control plane")
        assert later not in envoy.admin.get("/config_dump?include_eds").text
        unknown = {"authorization": f"Bearer {world.key().secret}"}
        assert not post(httpx.Client(base_url=envoy.url, headers=unknown, timeout=10), "openai", "m").is_success


def requests_made(envoy) -> int:
    """Calls of an Envoy to its control plane so far."""
    name = "cluster.weir_control_plane.upstream_rq_total"
    text = envoy.admin.get("/stats", params={"filter": f"^{name}$"}).text
    return int(text.split(": ")[1])


# Ports that are not for everybody.

GRPC = {"content-type": "application/grpc", "te": "trailers"}


@pytest.mark.parametrize("token", [None, "", "weirgw_wrong", "the API key"])
def test_the_port_for_envoys_answers_only_to_a_gateways_token(run, token):
    """Every service of it, what usually is there for everybody, and what is nowhere, look alike."""
    secret = run["api_key"] if token == "the API key" else token
    headers = {} if secret is None else {"authorization": f"Bearer {secret}".strip()}
    url = f"http://{run['xds_address']}"
    for path in (
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
        "/weir.dataplane.v1.DataPlane/ResolveCredential",
        "/weir.dataplane.v1.DataPlane/AcquireQuota",
        "/weir.dataplane.v1.DataPlane/SettleQuota",
        "/weir.dataplane.v1.DataPlane/ReportUsage",
        "/weir.dataplane.v1.DataPlane/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
        "/nowhere.at.All/Nothing",
    ):
        answer = httpx.post(url + path, content=b"\0\0\0\0\0", headers=headers | GRPC)
        assert (answer.status_code, answer.headers.get("grpc-status")) == (200, "16"), (path, answer.headers)
        assert answer.content == b"", path
    for path in (f"/dataplane/v1/modules/{'0' * 64}.wasm", "/dataplane/v1/modules/", "/", "/metrics", "/health"):
        answer = httpx.get(url + path, headers=headers)
        assert (answer.status_code, answer.content) == (401, b""), path


def test_the_gateways_port_has_no_admin_api_and_the_admin_port_no_gateway(run, gateway, admin):
    token = {"authorization": admin.http.headers["authorization"]}
    for path in ("/api/v1/admin/tenants", "/api/v1/admin/auth/me", "/metrics", "/docs", "/config_dump", "/ready"):
        assert gateway.get(path, headers=token).status_code in (401, 404), path
    for path in ("/v1/models", "/v1/chat/completions"):
        assert httpx.get(f"{run['console_url'].rstrip('/')}{path}", headers=token).status_code == 404


def test_only_what_must_be_is_reachable_from_other_machines(system):
    """On one machine nothing is."""
    listening = {
        (process.name(), connection.laddr.ip)
        for process in [psutil.Process(system.process.pid), *system.processes()]
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(listening) >= 3, listening
    assert {address for _, address in listening} <= {"127.0.0.1", "::1"}, listening


# People who guess.


def test_guessing_a_password_is_slowed_down_and_nobody_else_is_locked_out(run, admin, world):
    email, password = f"guessed-{world.tag}@weir.example", f"long enough {world.tag}"
    admin.create("users", tenant_id=world.tenant_id, email=email, role="viewer", password=password)
    url = f"{run['console_url'].rstrip('/')}/api/v1/admin/auth/login"
    answers = []
    for number in range(12):
        # No proxy stands before this API, so what the client says of its address is not believed.
        headers = {"x-forwarded-for": f"192.0.2.{number}", "forwarded": f"for=192.0.2.{number}"}
        body = {"email": email, "password": f"wrong {number}"}
        answers.append(httpx.post(url, json=body, headers=headers, timeout=30))
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900
    assert httpx.post(url, json={"email": email, "password": password}).status_code == 429
    other = {"email": run["admin_email"], "password": run["admin_password"]}
    assert httpx.post(url, json=other).status_code == 200
