"""Amazon Bedrock behind a real Envoy: its binary streams read by the official SDKs of others."""

import pytest

from weir_e2e.provider import ok, status, told

QUESTION = [{"role": "user", "content": "What is a weir?"}]
MODEL = "us.anthropic.claude-sonnet-5-v1:0"
USAGE = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 20}


@pytest.fixture
def bedrock(world):
    """A provider that speaks Converse."""

    def make(*behaviours):
        return world.upstream("bedrock_converse", *behaviours, version="/v1")

    return make


def test_an_openai_client(world, bedrock):
    upstream = bedrock(ok("A dam across a river.", usage=USAGE))
    world.model("m", world.member(upstream, MODEL))
    chat = world.openai().chat.completions
    answer = chat.create(model="m", messages=QUESTION)
    assert answer.choices[0].message.content == "A dam across a river."
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 20)
    with chat.stream(model="m", messages=QUESTION, stream_options={"include_usage": True}) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.content == "A dam across a river."
    assert streamed.usage.prompt_tokens_details.cached_tokens == 40
    assert [sent.path.rsplit("/", 1)[1] for sent in upstream.received()] == ["converse", "converse-stream"]
    assert all(sent.header("authorization") == f"Bearer {upstream.credential}" for sent in upstream.received())


@pytest.mark.parametrize("shape", [ok("A dam."), told("split_every", bytes=1)], ids=["plain", "byte by byte"])
def test_an_anthropic_client(world, bedrock, shape):
    world.model("m", world.member(bedrock(shape), MODEL))
    with world.anthropic().messages.stream(model="m", max_tokens=100, messages=QUESTION) as stream:
        message = stream.get_final_message()
    assert message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_one_region_after_the_other(world, bedrock):
    down = world.upstream("openai", status(429, body={"error": {"message": "Slow down."}}))
    us = bedrock(status(429, body={"message": "Too many tokens, please wait."}))
    eu = bedrock(ok("From Europe."))
    world.model("m", down, world.member(us, MODEL), world.member(eu, MODEL))
    answer = world.openai().chat.completions.create(model="m", messages=QUESTION)
    assert answer.choices[0].message.content == "From Europe."
    assert [len(upstream.received()) for upstream in (down, us, eu)] == [1, 1, 1]
