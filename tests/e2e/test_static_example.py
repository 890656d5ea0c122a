"""`envoy/static.yaml` as it is offered: an Envoy without any control plane, its key and providers written in its file."""

from urllib.parse import urlsplit

import httpx
import pytest

from weir_e2e.hostile import check_refused, check_refused_unread, good_request, only_answer
from weir_e2e.lone_envoy import static_envoy
from weir_e2e.provider import ok, status
from weir_e2e.sse import ask, events, headers_of, path_of, post, said, said_in_stream
from weir_e2e.waiting import eventually

SCHEMAS = ["openai", "anthropic"]
BY_SCHEMA = pytest.mark.parametrize("schema", SCHEMAS)
KEY = "the only key"
CREDENTIALS = {"OPENAI_API_KEY": "sk-canary-openai", "ANTHROPIC_API_KEY": "sk-canary-anthropic"}
MODELS = {"openai": "gpt-5-mini", "anthropic": "claude-haiku-4-5"}
MIB = 1024 * 1024


class Static:
    """A running Envoy, and who plays its providers."""

    def __init__(self, envoy, scenarios):
        self.envoy = envoy
        self.scenarios = scenarios
        self.http = httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20)


@pytest.fixture(scope="module")
def static(fake):
    # Four requests are answered, what comes later is not.
    first = fake.scenario(*([ok("from OpenAI")] * 4 + [status(503)]))
    scenarios = {"openai": first, "anthropic": fake.scenario(ok("from Anthropic"))}
    urls = {schema: urlsplit(scenario.base_url) for schema, scenario in scenarios.items()}
    edits = {
        # Where each provider's part is played.
        **{f'"model": "{MODELS[it]}",': f'"model": "{MODELS[it]}", "base_path": "{urls[it].path}/v1",' for it in SCHEMAS},
        # A model whose pool has no route, and less room than the filters would let in: Envoy itself refuses both.
        '{"name": "embed", "pool_id": "chat"}': '{"name": "lost", "pool_id": "nowhere"}',
        "per_connection_buffer_limit_bytes: 67108864\n      filter_chains": f"per_connection_buffer_limit_bytes: {MIB}\n      filter_chains",
        "request_body_buffer_limit: 67108864": f"request_body_buffer_limit: {MIB}",
    }
    with static_envoy(KEY, CREDENTIALS, urls["openai"].netloc, edits) as envoy:
        yield Static(envoy, scenarios)


def test_a_good_request_is_answered_redacted_and_recorded(static):
    text = "My card is 4111 1111 1111 1111."
    for schema in SCHEMAS:
        body = ask(schema, "chat") | {"messages": [{"role": "user", "content": text}]}
        answer = static.http.post(path_of(schema), json=body, headers=headers_of(schema))
        assert answer.status_code == 200, answer.text
        assert said(schema, answer.json()) == "from OpenAI"
        request_id = answer.headers["x-weir-request-id"]
        recorded = f'"request_id":"{request_id}"'
        eventually(lambda: recorded in static.envoy.log.read_text(errors="replace"), what="the usage record in the log")
        streamed = post(static.http, schema, "chat", stream=True)
        assert said_in_stream(schema, events(streamed.text.splitlines())) == "from OpenAI"
    received = static.scenarios["openai"].received()
    assert len(received) == 4
    for request in received:
        assert request.json["model"] == MODELS["openai"]
        assert request.header("authorization") == f"Bearer {CREDENTIALS['OPENAI_API_KEY']}"
        assert not request.holds("4111") and not request.holds(KEY)
        assert not any(name.startswith("x-weir-") for name, _ in request.headers)


@BY_SCHEMA
def test_the_second_provider_makes_up_for_the_first(static, schema):
    # What the first provider still has to say before it fails.
    while len(static.scenarios["openai"].received()) < 4:
        post(static.http, schema, "chat")
    answer = post(static.http, schema, "chat")
    assert (answer.status_code, said(schema, answer.json())) == (200, "from Anthropic")
    request = static.scenarios["anthropic"].received()[-1]
    assert request.json["model"] == MODELS["anthropic"]
    assert request.header("x-api-key") == CREDENTIALS["ANTHROPIC_API_KEY"]
    assert not request.holds(CREDENTIALS["OPENAI_API_KEY"])


@BY_SCHEMA
def test_what_the_filters_refuse(static, schema):
    with httpx.Client(base_url=static.envoy.url, headers={"authorization": "Bearer another"}, timeout=20) as stranger:
        check_refused(schema, post(stranger, schema, "chat"), 401, "invalid_api_key")
    check_refused(schema, post(static.http, schema, "nothing"), 404, "model_not_found", "model")


@BY_SCHEMA
def test_what_envoy_itself_refuses_is_in_the_clients_schema(static, schema):
    check_refused(schema, post(static.http, schema, "lost"), 404, "unknown_url")
    large = ask(schema, "chat") | {"messages": [{"role": "user", "content": "a" * 2 * MIB}]}
    answer = static.http.post(path_of(schema), json=large, headers=headers_of(schema))
    check_refused(schema, answer, 413, "request_too_large")


def test_what_envoy_cannot_read_is_refused_in_every_schema(static):
    good = good_request("openai", KEY)
    check_refused_unread(
        only_answer(static.envoy.url, good.replace(b"HTTP/1.1", b"HTTP/1.0")), 426, "unsupported_http_version"
    )
    large = good_request("openai", KEY, f"x-a: {'a' * 200_000}")
    check_refused_unread(only_answer(static.envoy.url, large), 431, "headers_too_large")
