"""Servers that say they speak an API and differ from it: in their errors, their bases, their figures, their headers.

A row of each matrix, in a real Envoy; `tests/gateway/tests/odd_providers.rs` has them whole.
"""

import decimal
import json
from typing import Any

import pytest

from weir_e2e.provider import ok, status, told
from weir_e2e.sse import check_error, post, said

TRANSLATED = pytest.mark.parametrize(("client_schema", "provider_schema"), [("openai", "anthropic")])

WORDS = "temperature must be below 2"


def test_the_reason_of_a_refusal_is_told_whatever_its_shape(world):
    # As Gemini's OpenAI endpoint writes it.
    body = [{"error": {"code": 400, "message": WORDS, "status": "INVALID_ARGUMENT"}}]
    upstream = world.upstream("openai", status(400, body=body))
    world.model("m", upstream, world.upstream("openai", ok("Not asked.")))
    message = check_error("anthropic", post(world.http(), "anthropic", "m"), 400, None)
    assert WORDS in message
    # What is wrong with a request is wrong with it everywhere.
    assert upstream.only().method == "POST"


# A member that cannot answer, though another one may.
NOT_HERE = {
    "its account is empty": status(402, body={"error": {"message": "Your credit balance is too low (acct_1234)"}}),
    "it has no such model": status(404, body={"error": {"message": "model_9 not found", "code": "model_not_found"}}),
    "it refuses the credential": status(401, body={"error": {"message": "Incorrect API key provided: sk-proj-9"}}),
    "it refuses the account": status(403, body={"error": {"message": "acct_1234 is suspended"}}),
    "it gave up": status(408),
    "it is in conflict": status(409),
    "it is too early": status(425),
    "it is busy": status(429),
    "it is broken": status(500),
}
SECRETS = ["credit balance", "acct_1234", "model_9", "sk-proj-9"]


@TRANSLATED
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_next_member_answers_where_one_cannot(world, client_schema, provider_schema, streamed):
    for failure in NOT_HERE.values():
        first = world.upstream(provider_schema, failure)
        world.model(f"m-{first.id}", first, world.upstream("openai", ok("From the second.")))
    http = world.http()
    for model in [model["name"] for model in world.admin.all("models", tenant_id=world.tenant_id)]:
        response = post(http, client_schema, model, stream=streamed)
        assert response.status_code == 200, response.text
        assert streamed or said(client_schema, response.json()) == "From the second."


@pytest.mark.parametrize("failure", list(NOT_HERE.values())[:4], ids=list(NOT_HERE)[:4])
def test_the_operators_affairs_are_not_the_clients(world, failure):
    world.model("m", world.upstream("openai", failure))
    response = post(world.http(), "openai", "m")
    assert response.status_code >= 500 or response.status_code == 404, response.text
    check_error("openai", response, response.status_code, None)
    assert not [secret for secret in SECRETS if secret in response.text + str(response.headers)]


def test_a_prompt_that_is_too_long_is_told_in_the_clients_words(world):
    error = {"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens > 200000 maximum"}
    world.model("m", world.upstream("anthropic", status(400, body={"type": "error", "error": error})))
    check_error("openai", post(world.http(), "openai", "m"), 400, "context_length_exceeded")


@pytest.mark.parametrize("version", ["/api/v3", "/v1beta/openai", "/openai/v1"])
def test_a_base_url_with_a_version_is_used_as_it_stands(world, version):
    upstream = world.upstream("openai", ok("Reached."), version=version)
    world.model("m", upstream)
    assert said("openai", post(world.http(), "openai", "m").json()) == "Reached."
    assert upstream.only().path == f"{version}/chat/completions"


def test_azures_dated_form_has_the_deployment_in_its_path(world):
    scenario = world.fake.scenario(ok("Reached."), version="/openai/deployments/gpt-4o-eu")
    azure = world.admin.create(
        "providers",
        tenant_id=world.tenant_id,
        name="azure",
        schema="openai",
        preset="azure_openai_dated",
        base_url=f"{scenario.base_url}/openai",
        query="api-version=2024-10-21",
        credential="azure-key",
    )
    world.model("m", {"provider_id": azure["id"], "model": "gpt-4o-eu", "price": None})
    for client in ["openai", "anthropic"]:
        assert said(client, post(world.http(), client, "m").json()) == "Reached."
    for sent in scenario.received():
        assert sent.path == "/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21"
        assert (sent.header("api-key"), sent.header("authorization")) == ("azure-key", None)


@TRANSLATED
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_has_the_name_by_which_its_model_was_asked(world, client_schema, provider_schema, streamed):
    world.model("the-clients-name", world.upstream(provider_schema))
    response = post(world.http(), client_schema, "the-clients-name", stream=streamed)
    assert response.status_code == 200 and "the-clients-name" in response.text
    assert not [name for name in ("gpt-4o", "claude-sonnet-5") if name in response.text]
    assert response.headers["x-weir-model"] in ("gpt-4o", "claude-sonnet-5")


# Of access proxies in front of the gateway, and of other gateways' own protocols.
FOREIGN = {
    "x-auth-request-access-token": "secret-1",
    "x-forwarded-access-token": "secret-2",
    "private-token": "secret-3",
    "apikey": "secret-4",
    "x-goog-api-key": "secret-5",
    "cookie": "session=secret-6",
    "proxy-authorization": "Basic secret-7",
    "x-amz-security-token": "secret-8",
    "cf-access-jwt-assertion": "secret-9",
    "x-goog-user-project": "secret-10",
    "x-portkey-custom-host": "https://secret-11.example",
    "helicone-target-url": "https://secret-12.example",
    "x-original-url": "/secret-13",
    "x-rewrite-url": "/secret-14",
    "x-made-up": "secret-15",
}


def test_headers_that_no_provider_needs_reach_none(world):
    upstream = world.upstream("anthropic")
    world.model("m", upstream)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    response = world.http().post("/v1/chat/completions", json=body, headers=FOREIGN)
    assert response.status_code == 200, response.text
    request = upstream.only()
    assert not [name for name, value in request.headers if "secret-" in value]


@TRANSLATED
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_signs_of_life_before_an_answer_are_not_the_answer(world, client_schema, provider_schema, streamed):
    world.model("m", world.upstream(provider_schema, told("ping_before", times=12, every_ms=50)))
    response = post(world.http(), client_schema, "m", stream=streamed)
    assert response.status_code == 200 and "Hello" in response.text


def document(usage: dict[str, Any] | None, choices: bool = True) -> dict[str, Any]:
    """A whole answer of OpenAI's with these figures."""
    message = {"role": "assistant", "content": "x" * 400}
    listed = [{"index": 0, "message": message, "finish_reason": "stop"}] if choices else []
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": listed, "usage": usage}


def answered(world, body: dict[str, Any]):
    """What a client gets from a provider that answers so, and the record of it."""
    world.model("m", world.upstream("openai", status(200, body=body, headers={"content-type": "application/json"})))
    response = post(world.http(), "openai", "m")
    return response, world.record(response.headers["x-weir-request-id"])


def figures(prompt: int, completion: int, total: int, **fields: Any) -> dict[str, Any]:
    """What a provider reports."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **fields}


def test_figures_are_read_as_they_are_meant(world):
    response, record = answered(world, document(figures(100, 20, 420, completion_tokens_details={"reasoning_tokens": 300})))
    assert response.status_code == 200, response.text
    assert (record["input_tokens"], record["cached_input_tokens"], record["output_tokens"]) == (100, 0, 320)


@pytest.mark.parametrize("usage", [None, figures(5 * 10**11, 10**12, 15 * 10**11)], ids=["nothing", "the impossible"])
def test_a_request_is_recorded_and_its_cost_told_once_whatever_is_reported(world, usage):
    response, record = answered(world, document(usage))
    assert response.status_code == 200, response.text
    assert decimal.Decimal(response.headers["x-weir-cost"]) == decimal.Decimal(record["cost_usd"])
    assert 0 < record["output_tokens"] < 1_000
    assert record["output_source"] == "estimated"


@pytest.mark.parametrize("usage", [None, {"total_tokens": 7}], ids=["none", "a total alone"])
def test_embeddings_of_tokens_are_counted(world, usage):
    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
    body = {"object": "list", "model": "text-embedding-3-small", "data": [vector], "usage": usage}
    upstream = world.upstream("openai", status(200, body=body, headers={"content-type": "application/json"}))
    world.model("e", world.member(upstream, model="text-embedding-3-small"))
    response = world.http().post("/v1/embeddings", json={"model": "e", "input": list(range(100))})
    assert response.status_code == 200, response.text
    record = world.record(response.headers["x-weir-request-id"])
    assert record["input_tokens"] == (7 if usage else 100)


@TRANSLATED
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_compressed_answer_is_read(world, client_schema, provider_schema, streamed):
    world.model("m", world.upstream(provider_schema, told("gzip")))
    response = post(world.http(), client_schema, "m", stream=streamed)
    assert response.status_code == 200 and "Hello" in response.text, response.text
    assert "content-encoding" not in response.headers


def test_a_wait_for_the_first_content_is_as_long_as_models_think(world):
    """Reasoning models are silent for more than a minute."""
    pool = world.pool(world.upstream("openai"))
    assert pool["first_byte_timeout_ms"] is None or pool["first_byte_timeout_ms"] >= 90_000, json.dumps(pool)
