"""Who may ask for what. A refusal is in the client's own schema, and nothing is forwarded."""

import datetime
import hashlib
import secrets

import pytest

from weir_e2e.everywhere import files
from weir_e2e.sse import ask, check_error, headers_of, path_of, post
from weir_e2e.waiting import eventually

SCHEMAS = pytest.mark.parametrize("schema", ["openai", "anthropic"])


@pytest.fixture
def served(world):
    """A model that answers, and the provider behind it."""
    upstream = world.upstream("openai")
    world.model("m", upstream)
    world.admin.settle()
    return upstream


def refused(gateway, schema, status, code, model="m", **headers) -> str:
    response = gateway.post(path_of(schema), json=ask(schema, model), headers=headers_of(schema) | headers)
    assert response.headers["x-weir-request-id"]
    return check_error(schema, response, status, code)


@SCHEMAS
def test_no_key_is_refused(gateway, served, schema):
    refused(gateway, schema, 401, "invalid_api_key")
    assert served.received() == []


@SCHEMAS
@pytest.mark.parametrize(
    "wrong",
    ["", "Bearer", "Basic d2VpcjpYWA==", "Bearer weir_", f"Bearer weir_{'A' * 43}", "Bearer sk-live", "weir"],
)
def test_a_wrong_key_is_refused(gateway, served, schema, wrong):
    refused(gateway, schema, 401, "invalid_api_key", authorization=wrong)
    assert served.received() == []


@SCHEMAS
def test_a_wrong_key_is_not_echoed(gateway, served, schema):
    wrong = f"weir_{secrets.token_urlsafe(32)}"
    response = gateway.post(
        path_of(schema), json=ask(schema, "m"), headers=headers_of(schema) | {"authorization": f"Bearer {wrong}"}
    )
    assert response.status_code == 401
    assert wrong not in response.text
    assert hashlib.sha256(wrong.encode()).hexdigest() not in response.text


@SCHEMAS
@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key", "x-goog-api-key"])
def test_a_key_may_come_in_any_usual_header(world, gateway, served, schema, header):
    key = world.key()
    value = f"Bearer {key.secret}" if header == "authorization" else key.secret
    response = gateway.post(path_of(schema), json=ask(schema, "m"), headers=headers_of(schema) | {header: value})
    assert response.status_code == 200, response.text
    assert not served.only().holds(key.secret)


@SCHEMAS
def test_two_different_keys_are_refused(world, gateway, served, schema):
    one, other = world.key(), world.key()
    both = {"authorization": f"Bearer {one.secret}", "x-api-key": other.secret}
    refused(gateway, schema, 401, "invalid_api_key", **both)
    assert served.received() == []


def test_the_same_key_twice_is_one_key(world, gateway, served):
    key = world.key()
    both = {"authorization": f"Bearer {key.secret}", "x-api-key": key.secret}
    assert gateway.post("/v1/chat/completions", json=ask("openai", "m"), headers=both).status_code == 200


@SCHEMAS
def test_a_key_that_the_app_has_already_serves_and_reaches_no_provider(world, served, schema):
    given = f"sk-proj-{secrets.token_urlsafe(24)}"
    http = world.http(world.key(key=given))
    assert post(http, schema, "m").status_code == 200
    assert not served.only().holds(given)


def test_beside_a_key_of_weirs_another_credential_counts_for_nothing_and_is_not_forwarded(world, gateway, served):
    key, other = world.key(), f"sk-other-{secrets.token_urlsafe(24)}"
    world.admin.settle()
    for headers in (
        {"authorization": f"Bearer {other}", "x-api-key": key.secret},
        {"authorization": f"Bearer {key.secret}", "x-api-key": other, "api-key": other, "x-goog-api-key": other},
    ):
        response = gateway.post("/v1/chat/completions", json=ask("openai", "m"), headers=headers)
        assert response.status_code == 200, response.text
    for received in served.received():
        assert not received.holds(other) and not received.holds(key.secret)


def test_a_key_with_a_wrong_checksum_is_refused(world, gateway, served):
    secret = world.key().secret
    guess = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    refused(gateway, "openai", 401, "invalid_api_key", authorization=f"Bearer {guess}")
    assert served.received() == []


def test_a_key_in_the_url_is_no_key_and_in_no_log(world, gateway, served, system):
    key = world.key()
    world.admin.settle()
    response = gateway.post(f"/v1/chat/completions?key={key.secret}", json=ask("openai", "m"))
    check_error("openai", response, 401, "invalid_api_key")
    headers = {"authorization": f"Bearer {key.secret}"}
    both = gateway.post(f"/v1/chat/completions?key={key.secret}", json=ask("openai", "m"), headers=headers)
    assert both.status_code == 200
    assert not served.only().holds(key.secret)
    request_id = both.headers["x-weir-request-id"]
    # Envoy writes its log from time to time.
    eventually(
        lambda: any(request_id.encode() in text for name, text in files(system).items() if "pg" not in name),
        within_s=20,
        what="a log line",
    )
    assert not [name for name, text in files(system).items() if key.secret.encode() in text]


@SCHEMAS
def test_a_disabled_key_is_refused_until_it_is_enabled(world, served, schema):
    key = world.key()
    http = world.http(key)
    for disabled, status in ((False, 200), (True, 401), (False, 200)):
        world.admin.change("api-keys", key.id, disabled=disabled)
        world.admin.settle()
        assert post(http, schema, "m").status_code == status


@SCHEMAS
def test_a_key_is_refused_for_operations_and_from_addresses_that_it_does_not_name(world, served, schema):
    check_error(schema, post(world.http(world.key(allowed_operations=["embeddings"])), schema, "m"), 403, "operation_not_allowed")
    check_error(schema, post(world.http(world.key(source_cidrs=["198.51.100.0/24"])), schema, "m"), 403, "source_not_allowed")
    assert served.received() == []
    here = world.http(world.key(source_cidrs=["0.0.0.0/0", "::/0"]))
    assert post(here, schema, "m").status_code == 200
    # What the client says of where it is counts for nothing.
    there = world.http(world.key(source_cidrs=["198.51.100.0/24"]))
    there.headers["x-forwarded-for"] = "198.51.100.7"
    check_error(schema, post(there, schema, "m"), 403, "source_not_allowed")
    record = world.record(post(there, schema, "m").headers["x-weir-request-id"])
    assert (record["error_code"], record["outcome"], record["attempts"]) == ("source_not_allowed", "refused", 0)


@SCHEMAS
def test_a_revoked_key_is_refused(world, gateway, served, schema):
    key = world.key()
    world.admin.revoke(key.id)
    world.admin.settle()
    refused(gateway, schema, 401, "invalid_api_key", authorization=f"Bearer {key.secret}")
    assert served.received() == []


@SCHEMAS
def test_an_expired_key_is_refused_though_it_was_good_before(world, gateway, served, schema):
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1.5)
    key = world.key(expires_at=soon.isoformat().replace("+00:00", "Z"))
    headers = headers_of(schema) | {"authorization": f"Bearer {key.secret}"}
    assert gateway.post(path_of(schema), json=ask(schema, "m"), headers=headers).status_code == 200
    eventually(
        lambda: gateway.post(path_of(schema), json=ask(schema, "m"), headers=headers).status_code == 401,
        what="the key refused",
    )
    assert datetime.datetime.now(datetime.UTC) >= soon
    refused(gateway, schema, 401, "invalid_api_key", authorization=f"Bearer {key.secret}")


@SCHEMAS
def test_a_model_that_the_key_may_not_use_is_refused(world, served, schema):
    other = world.upstream("openai")
    world.model("other", other)
    http = world.http(world.key(allowed_models=["other"]))
    response = post(http, schema, "m")
    check_error(schema, response, 403, "model_not_allowed")
    assert served.received() == []
    assert post(http, schema, "other").status_code == 200
    assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["other"]


@SCHEMAS
def test_another_tenants_model_looks_like_one_that_does_not_exist(world, new_world, served, schema):
    name = f"private-{world.tag}"
    private = world.upstream("openai")
    world.model(name, private)
    stranger = new_world().http()
    there, nowhere = post(stranger, schema, name), post(stranger, schema, f"nowhere-{world.tag}")
    check_error(schema, there, 404, "model_not_found")
    check_error(schema, nowhere, 404, "model_not_found")
    alike = there.text.replace(name, "?").replace(there.headers["x-weir-request-id"], "?")
    assert alike == nowhere.text.replace(f"nowhere-{world.tag}", "?").replace(nowhere.headers["x-weir-request-id"], "?")
    assert set(there.headers) == set(nowhere.headers)
    assert private.received() == []
    assert name not in stranger.get("/v1/models").text


def test_two_tenants_may_have_one_model_name_and_each_reaches_its_own(new_world):
    worlds = [new_world(), new_world()]
    upstreams = []
    for world in worlds:
        upstreams.append(world.upstream("openai"))
        world.model("shared-name", upstreams[-1])
    for world in worlds:
        assert post(world.http(), "openai", "shared-name").status_code == 200
    for upstream, other in zip(upstreams, reversed(upstreams), strict=True):
        assert upstream.only().holds(upstream.credential) and not upstream.only().holds(other.credential)


def test_refusals_of_a_known_key_are_recorded_without_tokens(world, served):
    response = post(world.http(), "openai", "nowhere")
    record = world.record(response.headers["x-weir-request-id"])
    assert (record["status"], record["error_code"], record["outcome"]) == (404, "model_not_found", "refused")
    assert (record["input_tokens"], record["output_tokens"], record["cost_microusd"]) == (0, 0, 0)
    assert (record["input_source"], record["output_source"], record["attempts"]) == ("none", "none", 0)
