"""Gemini's API by the official SDK, whichever provider has the model; and Gemini as the provider of the others' clients."""

import pytest
from google.genai import errors, types

from weir_e2e.provider import ok, status, told

PROVIDERS = ["gemini", "openai", "anthropic", "openai_responses"]
USAGE = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 20, "reasoning_tokens": 7}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)])
FORCED = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))
QUESTION = "What is a weir?"


@pytest.fixture(params=PROVIDERS)
def ask(world, request):
    """A client, and the provider behind the model `m`."""

    def make(*behaviours):
        upstream = world.upstream(request.param, *behaviours)
        world.model("m", upstream)
        return world.gemini(), upstream

    return make


def test_a_whole_answer(ask):
    client, upstream = ask(ok("A dam.", usage=USAGE))
    config = types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=77, temperature=0.5)
    answer = client.models.generate_content(model="m", contents=QUESTION, config=config)
    assert answer.text == "A dam."
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.model_version == "m"
    said = answer.usage_metadata
    assert (said.prompt_token_count, said.cached_content_token_count, said.total_token_count) == (100, 40, 120)
    assert said.candidates_token_count + (said.thoughts_token_count or 0) == 20
    request = upstream.only()
    assert request.holds("Be brief.") and request.holds(QUESTION) and request.holds(upstream.credential)


def test_a_stream(ask):
    client, _ = ask(ok("A dam across a river.", usage=USAGE))
    pieces = list(client.models.generate_content_stream(model="m", contents=QUESTION))
    assert "".join(piece.text or "" for piece in pieces) == "A dam across a river."
    assert len(pieces) > 2
    last = pieces[-1]
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata.total_token_count == 120


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_call_of_a_tool_and_its_result(ask, streamed):
    client, upstream = ask(ok(), ok("Rain."))
    config = types.GenerateContentConfig(tools=[TOOL], tool_config=FORCED)
    if streamed:
        answers = list(client.models.generate_content_stream(model="m", contents=QUESTION, config=config))
        contents = [answer.candidates[0].content for answer in answers if answer.function_calls]
    else:
        contents = [client.models.generate_content(model="m", contents=QUESTION, config=config).candidates[0].content]
    called = [part.function_call for part in contents[0].parts if part.function_call]
    assert [call.name for call in called] == ["weather"]
    assert isinstance(called[0].args["city"], str)
    result = types.Part.from_function_response(name="weather", response={"output": "rain, 9 degrees"})
    history = [types.UserContent(QUESTION), contents[0], types.Content(role="user", parts=[result])]
    answer = client.models.generate_content(
        model="m", contents=history, config=types.GenerateContentConfig(tools=[TOOL])
    )
    assert answer.text == "Rain."
    assert upstream.received()[-1].holds("rain, 9 degrees")


def test_a_refusal_has_the_reason_where_the_sdk_reads_it(ask):
    client, _ = ask(status(429, body={"error": {"message": "Slow down."}}, headers={"retry-after": "7"}))
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model="m", contents=QUESTION)
    assert raised.value.code == 429
    assert raised.value.status == "RESOURCE_EXHAUSTED"


def test_an_unknown_model_and_a_wrong_key(world):
    client = world.gemini()
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model="nobody-has-it", contents=QUESTION)
    assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")


def test_the_models_are_listed(world):
    world.model("m", world.upstream("openai", ok()))
    client = world.gemini()
    names = [model.name for model in client.models.list()]
    assert names == ["models/m"]


def test_fail_over_from_gemini_to_another_and_back(world):
    down = world.upstream("gemini", status(503, body={"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}))
    up = world.upstream("anthropic", ok("From the second."))
    world.model("m", down, up)
    client = world.gemini()
    answer = client.models.generate_content(model="m", contents=QUESTION)
    assert answer.text == "From the second."
    assert (len(down.received()), len(up.received())) == (1, 1)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_gemini_serves_the_clients_of_others(world, streamed):
    upstream = world.upstream("gemini", ok("A dam.", usage=USAGE, reasoning="Rivers."))
    world.model("m", upstream)
    messages = [{"role": "user", "content": QUESTION}]
    chat = world.openai().chat.completions
    if streamed:
        with chat.stream(model="m", messages=messages, stream_options={"include_usage": True}) as stream:
            answer = stream.get_final_completion()
    else:
        answer = chat.create(model="m", messages=messages)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("A dam.", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 20)
    action = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    assert upstream.only().path == f"/v1/models/gemini-3-flash:{action}"


@pytest.mark.parametrize("shape", [told("split_every", bytes=1), told("crlf")], ids=["byte by byte", "crlf"])
def test_however_the_stream_is_cut(world, shape):
    world.model("m", world.upstream("gemini", shape))
    client = world.gemini()
    pieces = list(client.models.generate_content_stream(model="m", contents=QUESTION))
    assert "".join(piece.text or "" for piece in pieces)
    assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_tokens_are_counted_whoever_counts_them(world):
    upstreams = {schema: world.upstream(schema) for schema in ("gemini", "anthropic", "openai_responses")}
    for schema, upstream in upstreams.items():
        world.model(f"m-{schema}", upstream)
    client = world.gemini()
    for schema, upstream in upstreams.items():
        counted = client.models.count_tokens(model=f"m-{schema}", contents=QUESTION)
        assert counted.total_tokens > 0
        assert upstream.only().holds(QUESTION)


def test_contents_are_embedded(world):
    world.model("m", world.upstream("gemini"))
    client = world.gemini()
    answer = client.models.embed_content(model="m", contents=["A dam.", "A river."])
    assert [len(embedding.values) for embedding in answer.embeddings] == [768, 768]
