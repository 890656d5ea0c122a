"""The official `openai` SDK, given only the base URL and the key that `make run` prints."""

import asyncio
import uuid

import pytest
from openai import AsyncOpenAI, OpenAI

QUESTION = [{"role": "user", "content": "What is a weir?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FORCED = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture(params=["/v1", "/api/v1"])
def client(run, request):
    return OpenAI(base_url=run["gateway_url"] + request.param, api_key=run["api_key"], max_retries=0)


def test_a_chat_is_answered_and_says_who_answered(client):
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=QUESTION)
    answer = raw.parse()
    assert "demo provider" in answer.choices[0].message.content
    assert "What is a weir?" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert uuid.UUID(raw.headers["x-weir-request-id"]).version == 7
    assert raw.headers["x-weir-provider"] == "demo-openai"
    assert raw.headers["x-weir-model"] == "gpt-4o"
    assert float(raw.headers["x-weir-cost"]) > 0


def test_every_answer_has_an_id_of_its_own_that_the_client_cannot_choose(client):
    wish = str(uuid.uuid4())
    ids = [
        client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=QUESTION, extra_headers={"x-weir-request-id": wish}
        ).headers["x-weir-request-id"]
        for _ in range(3)
    ]
    assert len(set(ids)) == 3 and wish not in ids


def test_a_stream_is_answered_piece_by_piece(client):
    stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert "demo provider" in text and "What is a weir?" in text
    assert len(chunks) > 5
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_reports_usage_to_the_client_that_asks(client):
    stream = client.chat.completions.create(
        model="gpt-4o", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    *before, last = stream
    assert last.choices == [] and last.usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in before)


def test_a_forced_tool_is_called(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=QUESTION, tools=[WEATHER], tool_choice=FORCED)
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Paris"}')
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_tool_is_called_in_a_stream_and_its_result_is_heard(client):
    with client.chat.completions.stream(
        model="gpt-4o", messages=QUESTION, tools=[WEATHER], tool_choice=FORCED
    ) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Paris"}')
    answer = client.chat.completions.create(
        model="gpt-4o",
        tools=[WEATHER],
        messages=[
            *QUESTION,
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "rain, 9 degrees"},
        ],
    )
    assert "rain, 9 degrees" in answer.choices[0].message.content


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_embeddings_are_answered(client, encoding):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"], **encoding)
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.data[0].embedding != answer.data[1].embedding
    if encoding.get("encoding_format") != "base64":
        assert len(answer.data[0].embedding) == 1536
    assert answer.usage.prompt_tokens > 0


def test_the_models_that_the_key_may_use_are_listed(client):
    listed = client.models.list()
    names = [model.id for model in listed]
    assert {"gpt-4o", "claude-sonnet-5", "text-embedding-3-small"} <= set(names)
    assert names == sorted(set(names))
    assert all(model.owned_by and model.created > 1_700_000_000 for model in listed)


def test_many_at_once_get_each_their_own_answer(run):
    async def ask(client: AsyncOpenAI, number: int) -> str:
        answer = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": f"number <{number}>"}]
        )
        return answer.choices[0].message.content

    async def ask_all() -> list[str]:
        async with AsyncOpenAI(base_url=run["gateway_url"] + "/v1", api_key=run["api_key"], max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(40)))

    answers = asyncio.run(ask_all())
    assert all(f"number <{number}>" in answer for number, answer in enumerate(answers))


def test_tokens_are_counted_and_texts_moderated(world):
    world.model("counts", world.upstream("openai_responses"))
    world.model("moderates", world.upstream("openai"))
    client = world.openai()
    counted = client.responses.input_tokens.count(model="counts", input="What is a weir?")
    assert counted.input_tokens > 0
    answer = client.moderations.create(model="moderates", input=["A dam.", "I kill you."])
    assert [result.flagged for result in answer.results] == [False, True]
