"""Either SDK reaches either provider: translated in both directions, whole and streamed. The provider sends byte by byte;
`tests/gateway/tests/translation.rs` has the other ways in which it may cut and end its lines."""

import json

import pytest

from weir_e2e.provider import ok, told

BYTE_BY_BYTE = told("split_every", bytes=1)
USAGE = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 20}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}


@pytest.fixture
def openai_to_claude(world):
    """An OpenAI client and the Anthropic provider behind the model `claude`."""

    def make(*behaviours):
        upstream = world.upstream("anthropic", *behaviours)
        world.model("claude", upstream)
        return world.openai(), upstream

    return make


@pytest.fixture
def anthropic_to_gpt(world):
    """An Anthropic client and the OpenAI provider behind the model `gpt`."""

    def make(*behaviours):
        upstream = world.upstream("openai", *behaviours)
        world.model("gpt", upstream)
        return world.anthropic(), upstream

    return make


# An OpenAI client and a Claude model.


def test_an_openai_request_arrives_as_an_anthropic_one(openai_to_claude):
    client, upstream = openai_to_claude()
    client.chat.completions.create(
        model="claude",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "What is a weir?"},
        ],
        max_completion_tokens=77,
        temperature=0.5,
        top_p=0.9,
        stop=["END"],
    )
    request = upstream.only()
    assert (request.method, request.path) == ("POST", "/v1/messages")
    assert request.header("x-api-key") == upstream.credential
    assert request.header("authorization") is None
    assert request.header("anthropic-version")
    body = request.json
    assert body["model"] == "claude-sonnet-5"
    assert "Be brief." in json.dumps(body["system"])
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert "What is a weir?" in json.dumps(body["messages"][2])
    assert (body["max_tokens"], body["temperature"], body["stop_sequences"]) == (77, 0.5, ["END"])
    # The model takes one of both only.
    assert "top_p" not in body
    assert "stream_options" not in body and "max_completion_tokens" not in body


def test_an_openai_client_reads_claudes_answer(openai_to_claude):
    client, _ = openai_to_claude(BYTE_BY_BYTE)
    answer = client.chat.completions.create(model="claude", messages=[{"role": "user", "content": "Grüße 👋"}])
    assert answer.object == "chat.completion" and answer.model == "claude"
    assert answer.choices[0].message.content.endswith("You said: Grüße 👋")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


def test_an_openai_client_reads_claudes_stream(openai_to_claude):
    client, upstream = openai_to_claude(BYTE_BY_BYTE)
    chunks = list(
        client.chat.completions.create(
            model="claude",
            messages=[{"role": "user", "content": "Grüße 👋"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text.endswith("You said: Grüße 👋")
    assert {chunk.model for chunk in chunks} == {"claude"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    assert upstream.only().json["stream"] is True


def test_an_openai_client_that_did_not_ask_sees_no_usage_in_claudes_stream(openai_to_claude):
    client, _ = openai_to_claude()
    stream = client.chat.completions.create(
        model="claude", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    assert all(chunk.usage is None and chunk.choices for chunk in stream)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_claudes_usage_is_told_in_openais_terms(openai_to_claude, streamed):
    client, _ = openai_to_claude(ok("Hi.", usage=USAGE))
    arguments = {"model": "claude", "messages": [{"role": "user", "content": "Hello"}]}
    if streamed:
        *_, last = client.chat.completions.create(**arguments, stream=True, stream_options={"include_usage": True})
        usage = last.usage
    else:
        usage = client.chat.completions.create(**arguments).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 20, 120)
    assert usage.prompt_tokens_details.cached_tokens == 40


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_openai_client_gets_claudes_tool_call(openai_to_claude, streamed):
    client, upstream = openai_to_claude(BYTE_BY_BYTE)
    arguments = {
        "model": "claude",
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": [OPENAI_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
    }
    if streamed:
        with client.chat.completions.stream(**arguments) as stream:
            choice = stream.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**arguments).choices[0]
    (call,) = choice.message.tool_calls
    assert call.id and call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert choice.finish_reason == "tool_calls"
    body = upstream.only().json
    assert body["tools"] == [ANTHROPIC_TOOL]
    assert body["tool_choice"] == {"type": "tool", "name": "weather"}


def test_claude_hears_an_openai_clients_tool_result(openai_to_claude):
    client, upstream = openai_to_claude()
    answer = client.chat.completions.create(
        model="claude",
        tools=[OPENAI_TOOL],
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
                    },
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Rom"}'},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "snow"},
            {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
        ],
    )
    assert "The tool answered: sun" in answer.choices[0].message.content
    user, assistant, results = upstream.only().json["messages"]
    assert [block["input"] for block in assistant["content"] if block["type"] == "tool_use"] == [
        {"city": "Bern"},
        {"city": "Rom"},
    ]
    assert results["role"] == "user"
    assert [block["tool_use_id"] for block in results["content"]] == ["call_1", "call_2"]


# An Anthropic client and a GPT model.


def test_an_anthropic_request_arrives_as_an_openai_one(anthropic_to_gpt):
    client, upstream = anthropic_to_gpt()
    client.messages.create(
        model="gpt",
        max_tokens=77,
        system="Be brief.",
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "What is a weir?"},
        ],
        stop_sequences=["END"],
        # The SDK no longer knows this parameter; older ones send it.
        extra_body={"temperature": 0.5},
    )
    request = upstream.only()
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.header("authorization") == f"Bearer {upstream.credential}"
    assert request.header("x-api-key") is None
    assert request.header("anthropic-version") is None
    body = request.json
    assert body["model"] == "gpt-4o"
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert "Be brief." in json.dumps(body["messages"][0])
    assert body.get("max_completion_tokens", body.get("max_tokens")) == 77
    assert (body["temperature"], body["stop"]) == (0.5, ["END"])
    assert "system" not in body and "stop_sequences" not in body


def test_an_anthropic_client_reads_gpts_answer(anthropic_to_gpt):
    client, _ = anthropic_to_gpt(BYTE_BY_BYTE)
    answer = client.messages.create(model="gpt", max_tokens=100, messages=[{"role": "user", "content": "Grüße 👋"}])
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "gpt")
    assert answer.content[0].text.endswith("You said: Grüße 👋")
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_an_anthropic_client_reads_gpts_stream(anthropic_to_gpt):
    client, upstream = anthropic_to_gpt(BYTE_BY_BYTE)
    with client.messages.stream(
        model="gpt", max_tokens=100, messages=[{"role": "user", "content": "Grüße 👋"}]
    ) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 5
    assert message.content[0].text.endswith("You said: Grüße 👋")
    assert (message.model, message.stop_reason) == ("gpt", "end_turn")
    assert message.usage.output_tokens > 1
    body = upstream.only().json
    assert body["stream"] is True and body["stream_options"] == {"include_usage": True}


def test_gpts_stream_has_anthropics_events_in_their_order(anthropic_to_gpt):
    client, _ = anthropic_to_gpt(BYTE_BY_BYTE)
    stream = client.messages.create(
        model="gpt", max_tokens=100, messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    kinds = [event.type for event in stream]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_gpts_usage_is_told_in_anthropics_terms(anthropic_to_gpt, streamed):
    client, _ = anthropic_to_gpt(ok("Hi.", usage=USAGE))
    arguments = {"model": "gpt", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
    if streamed:
        with client.messages.stream(**arguments) as stream:
            usage = stream.get_final_message().usage
    else:
        usage = client.messages.create(**arguments).usage
    assert usage.output_tokens == 20
    if not streamed:
        # OpenAI tells the input at a stream's end, Anthropic at its start, so only a whole answer has all of it.
        assert (usage.input_tokens, usage.cache_read_input_tokens) == (60, 40)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_anthropic_client_gets_gpts_tool_call(anthropic_to_gpt, streamed):
    client, upstream = anthropic_to_gpt(BYTE_BY_BYTE)
    arguments = {
        "model": "gpt",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": [ANTHROPIC_TOOL],
        "tool_choice": {"type": "tool", "name": "weather"},
    }
    if streamed:
        with client.messages.stream(**arguments) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(**arguments)
    (call,) = answer.content
    assert call.id and (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
    assert answer.stop_reason == "tool_use"
    body = upstream.only().json
    assert body["tools"] == [OPENAI_TOOL]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


def test_gpt_hears_an_anthropic_clients_tool_results(anthropic_to_gpt):
    client, upstream = anthropic_to_gpt()
    answer = client.messages.create(
        model="gpt",
        max_tokens=100,
        tools=[ANTHROPIC_TOOL],
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
                    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Rom"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "snow"},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "sun"}]},
                ],
            },
        ],
    )
    assert "The tool answered: sun" in answer.content[0].text
    messages = upstream.only().json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    calls = [(call["id"], json.loads(call["function"]["arguments"])) for call in messages[1]["tool_calls"]]
    assert calls == [("toolu_1", {"city": "Bern"}), ("toolu_2", {"city": "Rom"})]
    assert [message["tool_call_id"] for message in messages[2:]] == ["toolu_1", "toolu_2"]


# What translation must not touch.


@pytest.mark.parametrize("schema", ["openai", "anthropic"])
def test_between_equal_schemas_unknown_fields_pass(world, schema):
    upstream = world.upstream(schema)
    world.model("same", upstream)
    path = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[schema]
    sent = (
        '{"model": "same", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi", "from_the_future": 1e2}],\n'
        ' "from_the_future": {"a": [1, 2.50, null]} }'
    )
    response = world.http().post(
        path, content=sent, headers={"content-type": "application/json", "anthropic-version": "2023-06-01"}
    )
    assert response.status_code == 200, response.text
    model = upstream.only().json["model"]
    assert upstream.only().body == sent.replace('"same"', f'"{model}"')


@pytest.mark.parametrize("client_schema", ["openai", "anthropic"])
@pytest.mark.parametrize("provider_schema", ["openai", "anthropic"])
def test_the_body_that_a_provider_gets_has_its_length(world, client_schema, provider_schema):
    upstream = world.upstream(provider_schema)
    world.model("m", upstream)
    if client_schema == "openai":
        world.openai().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    else:
        world.anthropic().messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "Hi"}])
    request = upstream.only()
    assert request.header("content-length") == str(len(request.body.encode()))
    assert request.header("transfer-encoding") is None
    assert request.header("content-type") == "application/json"
