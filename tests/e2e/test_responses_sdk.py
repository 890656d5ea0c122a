"""OpenAI's responses by the official SDK, whichever provider has the model."""

import contextlib
import json
import uuid
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from weir_e2e.provider import ok, status, told
from weir_e2e.sse import events as events_of

PROVIDERS = ["openai_responses", "openai", "anthropic"]
# How the provider may cut and end its lines without a client noticing.
SHAPES = pytest.mark.parametrize(
    "shape",
    [ok(), told("split_every", bytes=1), told("crlf")],
    ids=["plain", "byte by byte", "crlf"],
)
USAGE = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 20, "reasoning_tokens": 7}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "name": "weather", "description": "Tells it.", "parameters": SCHEMA, "strict": True}
FORCED = {"type": "function", "name": "weather"}


class City(BaseModel):
    """What structured output is read into."""

    city: str


@pytest.fixture(params=PROVIDERS)
def schema(request):
    """What the provider speaks."""
    return request.param


@pytest.fixture
def ask(world, schema):
    """A client, and the provider behind the model `m`."""

    def make(*behaviours):
        upstream = world.upstream(schema, *behaviours)
        world.model("m", upstream)
        return world.openai(), upstream

    return make


def create(client, input: Any = "What is a weir?", **fields: Any):
    """A whole answer."""
    return client.responses.create(model="m", input=input, store=False, **fields)


def stream(client, input: Any = "What is a weir?", **fields: Any) -> list[Any]:
    """Every event of a streamed answer."""
    return list(client.responses.create(model="m", input=input, store=False, stream=True, **fields))


def types(events: list[Any]) -> list[str]:
    """The events' types, repeated ones once."""
    names = [event.type.removeprefix("response.") for event in events]
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]


def joined(events: list[Any], kind: str) -> str:
    """What the pieces of one kind make together."""
    return "".join(event.delta for event in events if event.type == f"response.{kind}.delta")


@SHAPES
def test_a_whole_answer_is_read(ask, shape):
    client, _ = ask(shape)
    answer = create(client, "Grüße 👋", instructions="Be brief.")
    assert (answer.object, answer.status, answer.model) == ("response", "completed", "m")
    assert answer.output_text.endswith("You said: Grüße 👋")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


@SHAPES
def test_a_stream_has_every_event_in_its_order(ask, shape):
    client, upstream = ask(shape)
    events = stream(client, "Grüße 👋")
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = joined(events, "output_text")
    assert text.endswith("You said: Grüße 👋")
    # A text stands in three more places, and clients read it in any of them.
    done = {event.type: event for event in events}
    assert done["response.output_text.done"].text == text
    assert done["response.output_item.done"].item.content[0].text == text
    whole = events[-1].response
    assert (whole.output_text, whole.status, whole.model) == (text, "completed", "m")
    assert whole.id == events[0].response.id
    assert whole.usage.input_tokens > 0 and whole.usage.output_tokens > 0
    assert upstream.only().json["stream"] is True


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_usage_is_told_with_what_was_cached_and_thought(ask, streamed):
    client, _ = ask(ok("Hi.", usage=USAGE))
    usage = (stream(client)[-1].response if streamed else create(client)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 20, 120)
    assert usage.input_tokens_details.cached_tokens == 40
    assert usage.output_tokens_details.reasoning_tokens == 7


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_result_is_heard(ask, streamed):
    client, upstream = ask()
    question = [{"role": "user", "content": "Rain?"}]
    if streamed:
        events = stream(client, question, tools=[TOOL], tool_choice=FORCED)
        assert types(events)[2:-1] == [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
        ]
        assert joined(events, "function_call_arguments") == '{"city":"Paris"}'
        answer = events[-1].response
    else:
        answer = create(client, question, tools=[TOOL], tool_choice=FORCED)
    (call,) = answer.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Paris"})
    assert call.call_id
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain, 9 degrees"}
    next_answer = create(client, [*question, call.to_dict(), result], tools=[TOOL])
    assert next_answer.output_text.endswith("The tool answered: rain, 9 degrees")
    assert "rain, 9 degrees" in upstream.received()[-1].body


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_structured_output_is_kept_to(ask, streamed):
    client, _ = ask()
    arguments = {"model": "m", "input": "Where?", "text_format": City, "store": False}
    if streamed:
        with client.responses.stream(**arguments) as pieces:
            answer = pieces.get_final_response()
    else:
        answer = client.responses.parse(**arguments)
    assert answer.output_parsed == City(city="Paris")


def test_an_image_reaches_the_provider(ask):
    client, upstream = ask()
    image = "data:image/png;base64,iVBORw0KGgo="
    question = {"type": "input_text", "text": "What is this?"}
    shown = {"type": "input_image", "image_url": image, "detail": "auto"}
    assert create(client, [{"role": "user", "content": [question, shown]}]).output_text.endswith("You said: What is this?")
    assert "iVBORw0KGgo=" in upstream.only().body


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_output_limit_is_told(ask, streamed):
    client, _ = ask(ok("word " * 40))
    fields = {"max_output_tokens": 16}
    if streamed:
        last = stream(client, **fields)[-1]
        assert last.type == "response.incomplete"
        answer = last.response
    else:
        answer = create(client, **fields)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.output_text == ("word " * 40)[:64]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_a_model_thought_is_no_part_of_what_it_says(ask, schema, streamed):
    client, _ = ask(ok("A dam.", reasoning="A weir is low."))
    answer = stream(client)[-1].response if streamed else create(client)
    assert answer.output_text == "A dam."
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    if schema == "openai_responses":
        assert thoughts[0].summary[0].text == "A weir is low."


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("failure", [status(503), status(429), told("refuse"), told("html")])
def test_the_next_member_answers_when_the_first_fails(world, schema, failure, streamed):
    first, second = world.upstream(schema, failure), world.upstream(schema, ok("From the second."))
    world.model("m", first, second)
    client = world.openai()
    answer = stream(client)[-1].response if streamed else create(client)
    assert answer.output_text == "From the second."
    assert first.only().method == "POST"


@pytest.mark.parametrize("failure", ["error_after", "fail_after", "cut_after", "reset_after", "end_after"])
def test_a_stream_that_does_not_end_well_is_never_completed(world, schema, failure):
    world.model("m", world.upstream(schema, told(failure, chunks=2)))
    names = []
    # What the provider breaks off is broken off for the client, too.
    with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
        body = {"model": "m", "input": "Hi", "stream": True}
        with world.http().stream("POST", "/v1/responses", json=body) as response:
            names.extend(event.name for event in events_of(response.iter_lines()))
    assert names[0] == "response.created" and "response.output_text.delta" in names
    assert not {"response.completed", "response.incomplete"} & set(names)
    if failure in ("error_after", "fail_after"):
        assert names[-1] in ("error", "response.failed")


def test_what_only_openai_remembers_is_passed_on_or_refused(ask, schema):
    client, upstream = ask()
    if schema == "openai_responses":
        create(client, previous_response_id="resp_1")
        assert upstream.only().json["previous_response_id"] == "resp_1"
        return
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, previous_response_id="resp_1")
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "previous_response_id")
    assert upstream.received() == []


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_email_address_is_redacted_wherever_it_stands(world, schema, streamed):
    upstream = world.upstream(schema, ok("Write to ada@example.com today.", chunks=9))
    world.model("m", upstream)
    client = world.openai(world.key(guardrail_profile_id=world.profile(("EMAIL", "redact", "both"))))
    if streamed:
        shown = [event.to_dict() for event in stream(client, "Who is bob@example.com?")]
        text = joined(stream(client), "output_text")
    else:
        shown = create(client, "Who is bob@example.com?").to_dict()
        text = create(client).output_text
    assert "example.com" not in json.dumps(shown)
    assert text == "Write to [EMAIL] today."
    assert "bob@example.com" not in upstream.received()[0].body


def test_refusals_are_told_by_their_codes(world, run):
    world.model("m", world.upstream("openai"))
    client = world.openai()
    with pytest.raises(openai.AuthenticationError) as refused:
        create(openai.OpenAI(base_url=f"{run['gateway_url']}/v1", api_key="sk-nobody", max_retries=0))
    assert refused.value.code == "invalid_api_key"
    assert uuid.UUID(refused.value.response.headers["x-weir-request-id"]).version == 7
    with pytest.raises(openai.NotFoundError) as refused:
        client.responses.create(model="nobody-has-it", input="Hi")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, 7)
    assert (refused.value.code, refused.value.param) == ("invalid_request", "input")
