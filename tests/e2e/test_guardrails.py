"""What must not pass, does not pass: a row of each matrix, in a real Envoy; `tests/gateway/tests/guardrails.rs` has them whole."""

import anthropic
import openai
import pytest

from weir_e2e.provider import ok, status, told
from weir_e2e.sse import check_error, check_error_body, events, post, said, said_in_event, said_in_stream
from weir_e2e.waiting import eventually

SCHEMAS = pytest.mark.parametrize("schema", ["openai", "anthropic"])
CARD = "4111 1111 1111 1111"
ANSWER = f"Your card {CARD} is noted, Grüße an ada@example.com 👋."
REDACTED = "Your card [CREDIT_CARD] is noted, Grüße an [EMAIL] 👋."


@pytest.fixture
def guarded(world):
    """A key under a profile with these rules, a model `m` and its provider."""

    def make(*rules, schema="openai", answer=None):
        upstream = world.upstream(schema, *([answer] if answer else []))
        world.model("m", upstream)
        return world.key(guardrail_profile_id=world.profile(*rules)), upstream

    return make


def answered(http, schema: str, streamed: bool):
    """The response and the text that it says."""
    response = post(http, schema, "m", stream=streamed)
    assert response.status_code == 200, response.text
    if streamed:
        return response, said_in_stream(schema, events(response.text.splitlines()))
    return response, said(schema, response.json())


# Prompts.


@SCHEMAS
def test_a_card_number_reaches_the_provider_redacted(world, guarded, schema):
    key, upstream = guarded(("CREDIT_CARD", "redact", "input"), schema=schema)
    messages = [{"role": "user", "content": f"Pay with {CARD}, please"}]
    response = post(world.http(key), schema, "m", messages=messages, stream=schema == "openai")
    assert response.status_code == 200, response.text
    assert upstream.only().json["messages"][0]["content"] == "Pay with [CREDIT_CARD], please"
    assert "4111" not in upstream.only().body
    assert "CREDIT_CARD" in response.headers["x-weir-guardrails"]
    record = world.record(response.headers["x-weir-request-id"])
    assert record["guardrail_findings"] == ["CREDIT_CARD:redact=1"]


def test_a_pseudonym_reaches_the_provider_and_the_client_reads_what_it_stands_for(world):
    upstream = world.upstream("openai", ok(chunks=20))
    world.model("m", upstream)
    rule = {"type": "EMAIL", "action": "redact", "direction": "both", "form": {"kind": "pseudonym"}}
    profile = world.admin.create(
        "guardrails/profiles", tenant_id=world.tenant_id, name="pseudonyms", rules=[rule]
    )
    key = world.key(guardrail_profile_id=profile["id"])
    messages = [{"role": "user", "content": "Write to ada@example.com"}]
    response = post(world.http(key), "openai", "m", messages=messages, stream=True)
    said_back = said_in_stream("openai", events(response.text.splitlines()))
    assert "Write to ada@example.com" in said_back
    sent = upstream.only().json["messages"][0]["content"]
    assert sent.startswith("Write to [EMAIL_") and "ada" not in upstream.only().body


def test_embeddings_are_read_too(world, guarded):
    key, upstream = guarded(("CREDIT_CARD", "redact", "input"))
    world.model("e", world.member(upstream, model="text-embedding-3-small"))
    world.openai(key).embeddings.create(model="e", input=["fine", f"pay {CARD}"])
    assert upstream.only().json["input"] == ["fine", "pay [CREDIT_CARD]"]


def test_a_blocked_prompt_is_refused_and_not_forwarded(world, guarded):
    key, upstream = guarded(("CREDIT_CARD", "block", "input"))
    messages = [{"role": "user", "content": f"Pay with {CARD}"}]
    response = post(world.http(key), "openai", "m", messages=messages, stream=True)
    message = check_error("openai", response, 400, "content_blocked")
    assert "4111" not in message
    assert upstream.received() == []
    record = world.record(response.headers["x-weir-request-id"])
    assert (record["outcome"], record["error_code"], record["attempts"]) == ("refused", "content_blocked", 0)
    assert record["guardrail_findings"] == ["CREDIT_CARD:block=1"]


def test_flagged_text_passes_and_is_reported(world, guarded):
    key, upstream = guarded(("EMAIL", "flag", "input"))
    messages = [{"role": "user", "content": "I am ada@example.com"}]
    response = post(world.http(key), "openai", "m", messages=messages)
    assert upstream.only().json["messages"] == messages
    assert "EMAIL" in response.headers["x-weir-guardrails"]
    assert world.record(response.headers["x-weir-request-id"])["guardrail_findings"] == ["EMAIL:flag=1"]


def test_a_rule_for_one_direction_leaves_the_other_alone(world, guarded):
    key, upstream = guarded(("CREDIT_CARD", "redact", "output"), answer=ok(ANSWER))
    messages = [{"role": "user", "content": CARD}]
    response = post(world.http(key), "openai", "m", messages=messages)
    assert upstream.only().json["messages"] == messages
    assert "4111" not in response.text and "ada@example.com" in response.text


def test_a_key_is_as_strict_as_its_tenant_unless_the_tenant_lets_it_be_less(world):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    strict = world.profile(("CREDIT_CARD", "block", "both"))
    lenient = world.profile(("EMAIL", "flag", "both"))
    world.admin.change("tenants", world.tenant_id, guardrail_profile_id=strict)
    messages = [{"role": "user", "content": CARD}]
    check_error("openai", post(world.http(), "openai", "m", messages=messages), 400, "content_blocked")
    key = world.key(guardrail_profile_id=lenient)
    check_error("openai", post(world.http(key), "openai", "m", messages=messages), 400, "content_blocked")
    world.admin.change("tenants", world.tenant_id, keys_may_loosen_guardrails=True)
    eventually(lambda: post(world.http(key), "openai", "m", messages=messages).status_code == 200, what="the key's own profile")


# Answers.


@pytest.mark.parametrize(
    ("schema", "provider_schema", "chunks"),
    [("anthropic", "openai", None), ("openai", "anthropic", len(ANSWER)), ("openai", "openai", 7)],
    ids=["whole", "by character", "seven pieces"],
)
def test_an_answer_reaches_the_client_redacted(world, guarded, schema, provider_schema, chunks):
    rules = ("CREDIT_CARD", "redact", "output"), ("EMAIL", "redact", "output")
    answer = ok(ANSWER, **({"chunks": chunks} if chunks else {}))
    key, _ = guarded(*rules, schema=provider_schema, answer=answer)
    response, text = answered(world.http(key), schema, streamed=chunks is not None)
    assert text == REDACTED
    assert "4111" not in response.text and "ada@" not in response.text
    record = world.record(response.headers["x-weir-request-id"])
    assert sorted(record["guardrail_findings"]) == ["CREDIT_CARD:redact=1", "EMAIL:redact=1"]


def test_the_sdks_read_a_redacted_stream(world, guarded):
    rules = ("CREDIT_CARD", "redact", "output"), ("EMAIL", "redact", "output")
    key, _ = guarded(*rules, answer=ok(ANSWER, chunks=len(ANSWER)))
    chunks = world.openai(key).chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == REDACTED
    with world.anthropic(key).messages.stream(
        model="m", max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        assert stream.get_final_text() == REDACTED


def test_a_blocked_answer_is_refused(world, guarded):
    key, _ = guarded(("CREDIT_CARD", "block", "output"), answer=ok(ANSWER))
    response = post(world.http(key), "openai", "m")
    check_error("openai", response, 400, "content_blocked")
    record = world.record(response.headers["x-weir-request-id"])
    # The provider has done the work, so it is paid for.
    assert record["error_code"] == "content_blocked" and record["output_tokens"] > 0 and record["cost_microusd"] > 0


@pytest.mark.parametrize(("schema", "provider_schema"), [("openai", "anthropic"), ("anthropic", "anthropic")])
def test_a_blocked_stream_ends_with_an_error_and_without_the_finding(world, guarded, schema, provider_schema):
    beginning = "This is a long beginning that may pass. The card is "
    text = f"{beginning}{CARD} and this must not come."
    key, _ = guarded(
        ("CREDIT_CARD", "block", "output"), schema=provider_schema, answer=ok(text, chunks=30, delay_ms=10)
    )
    response = post(world.http(key), schema, "m", stream=True)
    assert response.status_code == 200
    *before, last = events(response.text.splitlines())
    assert "".join(said_in_event(schema, event) for event in before) == beginning
    check_error_body(schema, last.json, "content_blocked")
    assert last.name == ("error" if schema == "anthropic" else None)
    record = world.record(response.headers["x-weir-request-id"])
    assert record["error_code"] == "content_blocked"
    assert record["guardrail_findings"] == ["CREDIT_CARD:block=1"]


def test_the_sdks_raise_when_a_stream_is_blocked(world, guarded):
    key, _ = guarded(("CREDIT_CARD", "block", "output"), answer=ok(ANSWER, chunks=30))
    with pytest.raises(openai.APIError) as caught:
        list(
            world.openai(key).chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
        )
    assert caught.value.code == "content_blocked"
    with (
        pytest.raises(anthropic.APIError),
        world.anthropic(key).messages.stream(
            model="m", max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
        ) as stream,
    ):
        stream.get_final_message()


# The same detectors, without traffic.


def test_the_admin_api_tries_a_text(admin):
    text = f"👋 {CARD}"
    answer = admin.scan(text, profile="all", direction="input")
    assert (answer["action"], answer["text"]) == ("redact", "👋 [CREDIT_CARD]")
    (finding,) = answer["findings"]
    assert (finding["type"], finding["start"], finding["end"]) == ("CREDIT_CARD", 2, len(text))
    assert finding["action"] == "redact" and finding["detector"] and 0 < finding["score"] <= 1
    assert answer["took_us"] >= 0


def test_the_admin_api_finds_nothing_in_a_harmless_text(admin):
    answer = admin.scan("What is a weir?", direction="output")
    assert (answer["action"], answer["text"], answer["findings"]) == ("allow", "What is a weir?", [])


# Answers that are none.


def test_what_is_no_answer_is_not_shown_and_the_next_provider_asked(world):
    nothing_known = status(200, body={"output": CARD}, headers={"content-type": "application/json"})
    first, second = world.upstream("openai", nothing_known), world.upstream("openai")
    world.model("m", first, second)
    key = world.key(guardrail_profile_id=world.profile(("CREDIT_CARD", "block", "output")))
    response = post(world.http(key), "openai", "m")
    assert response.status_code == 200, response.text
    assert CARD not in response.text
    assert (len(first.received()), len(second.received())) == (1, 1)
    assert world.record(response.headers["x-weir-request-id"])["attempts"] == 2


@pytest.mark.parametrize("failure", [told("hang_after_headers"), told("hang"), status(400)], ids=["headers", "none", "400"])
def test_what_was_found_in_a_prompt_is_told_whoever_answers(world, failure):
    world.model("m", world.upstream("openai", failure), first_byte_timeout_ms=300, request_timeout_ms=800)
    key = world.key(guardrail_profile_id=world.profile(("CREDIT_CARD", "redact", "both")))
    response = post(world.http(key), "openai", "m", messages=[{"role": "user", "content": CARD}])
    assert response.status_code >= 400, response.text
    assert response.headers["x-weir-guardrails"] == "CREDIT_CARD:redact=1"
