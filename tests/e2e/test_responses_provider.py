"""A provider that speaks OpenAI's responses, reached by clients of the older APIs as if it spoke theirs."""

import json

import anthropic
import openai
import pytest

from weir_e2e.provider import ok, told

USAGE = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 20}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}
QUESTION = [{"role": "user", "content": "Rain?"}]
RESULT = "rain, 9 degrees"

both_ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def upstream_of(world):
    """The provider behind the model `m`."""

    def make(*behaviours):
        upstream = world.upstream("openai_responses", *behaviours)
        world.model("m", upstream)
        return upstream

    return make


def chat(client, streamed, messages=QUESTION, **fields):
    """A chat completion."""
    arguments = {"model": "m", "messages": messages, **fields}
    if not streamed:
        return client.chat.completions.create(**arguments)
    with client.chat.completions.stream(**arguments, stream_options={"include_usage": True}) as stream:
        return stream.get_final_completion()


def message(client, streamed, messages=QUESTION, **fields):
    """A message."""
    arguments = {"model": "m", "max_tokens": 100, "messages": messages, **fields}
    if not streamed:
        return client.messages.create(**arguments)
    with client.messages.stream(**arguments) as stream:
        return stream.get_final_message()


@both_ways
def test_a_chat_completion_arrives_as_a_response_and_comes_back(world, upstream_of, streamed):
    upstream = upstream_of(ok("Yes.", usage=USAGE, reasoning="Clouds."))
    system = {"role": "system", "content": "Be brief."}
    answer = chat(world.openai(), streamed, [system, *QUESTION], max_completion_tokens=77, temperature=0.5)
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason, answer.model) == ("Yes.", "stop", "m")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 20)
    assert answer.usage.prompt_tokens_details.cached_tokens == 40
    request = upstream.only()
    assert (request.method, request.path) == ("POST", "/v1/responses")
    assert request.header("authorization") == f"Bearer {upstream.credential}"
    body = request.json
    assert (body["model"], body["max_output_tokens"], body["temperature"]) == ("gpt-4o", 77, 0.5)
    assert "Be brief." in json.dumps([body.get("instructions"), body["input"]])
    # Who asks by chat completions does not expect that the answer is kept.
    assert body["store"] is False


@both_ways
def test_a_message_arrives_as_a_response_and_comes_back(world, upstream_of, streamed):
    upstream = upstream_of(ok("Yes.", usage=USAGE))
    answer = message(world.anthropic(), streamed, system="Be brief.")
    assert "".join(block.text for block in answer.content if block.type == "text") == "Yes."
    assert (answer.stop_reason, answer.model) == ("end_turn", "m")
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (60, 40, 20)
    request = upstream.only()
    assert (request.method, request.path) == ("POST", "/v1/responses")
    assert (request.header("x-api-key"), request.header("anthropic-version")) == (None, None)
    assert (request.json["max_output_tokens"], request.json["store"]) == (100, False)


@both_ways
def test_a_tool_is_called_by_a_chat_completion_and_its_result_is_heard(world, upstream_of, streamed):
    upstream_of()
    client = world.openai()
    forced = {"type": "function", "function": {"name": "weather"}}
    (choice,) = chat(client, streamed, tools=[OPENAI_TOOL], tool_choice=forced).choices
    (call,) = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})
    assert choice.finish_reason == "tool_calls"
    function = {"name": call.function.name, "arguments": call.function.arguments}
    asked = {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]}
    turns = [*QUESTION, asked, {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
    assert chat(client, streamed, turns, tools=[OPENAI_TOOL]).choices[0].message.content.endswith(RESULT)


@both_ways
def test_a_tool_is_called_by_a_message_and_its_result_is_heard(world, upstream_of, streamed):
    upstream_of()
    client = world.anthropic()
    forced = {"type": "tool", "name": "weather"}
    answer = message(client, streamed, tools=[ANTHROPIC_TOOL], tool_choice=forced)
    (call,) = answer.content
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
    assert answer.stop_reason == "tool_use"
    use = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
    turns = [*QUESTION, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    assert message(client, streamed, turns, tools=[ANTHROPIC_TOOL]).content[0].text.endswith(RESULT)


@both_ways
def test_the_output_limit_is_told_in_the_clients_words(world, upstream_of, streamed):
    upstream_of(ok("word " * 40))
    assert chat(world.openai(), streamed=False, max_tokens=16).choices[0].finish_reason == "length"
    assert message(world.anthropic(), streamed, max_tokens=16).stop_reason == "max_tokens"


def test_a_limit_below_the_providers_least_is_no_reason_to_refuse(world, upstream_of):
    upstream_of(ok("Yes."))
    assert chat(world.openai(), streamed=False, max_tokens=1).choices[0].message.content


@pytest.mark.parametrize("behaviour", ["fail_after", "error_first_event"])
@both_ways
def test_a_response_that_failed_is_no_answer(world, upstream_of, behaviour, streamed):
    first = upstream_of(told(behaviour, **({"chunks": 0} if behaviour == "fail_after" else {})))
    second = world.upstream("openai", ok("From the second."))
    world.model("both", first, second)
    client = world.openai()
    arguments = {"model": "both", "messages": QUESTION}
    if streamed:
        chunks = client.chat.completions.create(**arguments, stream=True)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    else:
        text = client.chat.completions.create(**arguments).choices[0].message.content
    assert text == "From the second."


def test_a_stream_that_fails_later_is_told_so(world, upstream_of):
    upstream_of(told("fail_after", chunks=2))
    with pytest.raises(openai.APIError):
        chat(world.openai(), streamed=True)
    with pytest.raises(anthropic.APIStatusError):
        message(world.anthropic(), streamed=True)
