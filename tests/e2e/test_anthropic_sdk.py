"""The official `anthropic` SDK, given only the base URL and the key that `make run` prints."""

import uuid

import pytest
from anthropic import Anthropic

MODEL = "claude-sonnet-5"
QUESTION = [{"role": "user", "content": "What is a weir?"}]
WEATHER = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
FORCED = {"type": "tool", "name": "weather"}


@pytest.fixture(params=["api_key", "auth_token"])
def client(run, request, monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Anthropic(base_url=run["gateway_url"], max_retries=0, **{request.param: run["api_key"]})


def test_a_message_is_answered_and_says_who_answered(client):
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=100, messages=QUESTION)
    answer = raw.parse()
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert "demo provider" in answer.content[0].text and "What is a weir?" in answer.content[0].text
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert uuid.UUID(raw.headers["x-weir-request-id"]).version == 7
    assert raw.headers["x-weir-provider"] == "demo-anthropic"
    assert raw.headers["x-weir-model"] == MODEL
    assert float(raw.headers["x-weir-cost"]) > 0


def test_the_output_limit_is_told(client):
    answer = client.messages.create(model=MODEL, max_tokens=2, messages=QUESTION)
    assert answer.stop_reason == "max_tokens"


def test_a_stream_is_answered_piece_by_piece(client):
    with client.messages.stream(model=MODEL, max_tokens=100, messages=QUESTION) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 5
    assert "".join(pieces) == message.content[0].text
    assert "demo provider" in message.content[0].text and "What is a weir?" in message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 1


def test_the_events_of_a_stream_come_in_their_order(client):
    stream = client.messages.create(model=MODEL, max_tokens=100, messages=QUESTION, stream=True)
    kinds = [event.type for event in stream]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_a_forced_tool_is_called(client):
    answer = client.messages.create(model=MODEL, max_tokens=100, messages=QUESTION, tools=[WEATHER], tool_choice=FORCED)
    (call,) = answer.content
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
    assert answer.stop_reason == "tool_use"


def test_a_tool_is_called_in_a_stream_and_its_result_is_heard(client):
    with client.messages.stream(
        model=MODEL, max_tokens=100, messages=QUESTION, tools=[WEATHER], tool_choice=FORCED
    ) as stream:
        (call,) = stream.get_final_message().content
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
    answer = client.messages.create(
        model=MODEL,
        max_tokens=100,
        tools=[WEATHER],
        messages=[
            *QUESTION,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain, 9 degrees"}],
            },
        ],
    )
    assert "rain, 9 degrees" in answer.content[0].text


def test_tokens_are_counted(client):
    short = client.messages.count_tokens(model=MODEL, messages=QUESTION)
    long = client.messages.count_tokens(model=MODEL, messages=QUESTION, system="Be brief. " * 9, tools=[WEATHER])
    assert 0 < short.input_tokens < long.input_tokens
