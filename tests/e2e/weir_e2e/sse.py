"""Server-sent events as they came over the wire, and the two error schemas."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

QUESTION = [{"role": "user", "content": "Hello"}]


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str | None
    data: str

    @property
    def json(self) -> Any:
        """Its data, parsed."""
        return json.loads(self.data)


def events(lines: Iterable[str]) -> Iterable[Event]:
    """The events of a stream, each as soon as it is complete."""
    name, data = None, []
    for line in lines:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line == "" and data:
            yield Event(name, "\n".join(data))
            name, data = None, []


def path_of(schema: str) -> str:
    """Where a client of this schema asks for a chat."""
    return {
        "openai": "/v1/chat/completions",
        "openai_responses": "/v1/responses",
        "anthropic": "/v1/messages",
    }[schema]


def headers_of(schema: str) -> dict[str, str]:
    """What a client of this schema sends beside its key."""
    return {"anthropic-version": "2023-06-01"} if schema == "anthropic" else {}


def ask(schema: str, model: Any, **fields: Any) -> dict[str, Any]:
    """The smallest chat request of a schema."""
    question = {
        "openai": {"messages": QUESTION},
        "openai_responses": {"input": QUESTION},
        "anthropic": {"messages": QUESTION, "max_tokens": 100},
    }[schema]
    return {"model": model, **question, **fields}


def post(http: httpx.Client, schema: str, model: Any, **fields: Any) -> httpx.Response:
    """Asks as a client of this schema and reads the whole answer."""
    return http.post(path_of(schema), json=ask(schema, model, **fields), headers=headers_of(schema))


def said(schema: str, answer: dict[str, Any]) -> str:
    """The text of a whole answer."""
    if schema == "openai":
        return answer["choices"][0]["message"]["content"]
    if schema == "openai_responses":
        parts = [part for item in answer["output"] if item["type"] == "message" for part in item["content"]]
        return "".join(part["text"] for part in parts)
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


def said_in_event(schema: str, event: Event) -> str:
    """The text of one event of a stream."""
    if schema == "anthropic":
        assert event.json["type"] == event.name, event
        return event.json["delta"].get("text", "") if event.name == "content_block_delta" else ""
    if schema == "openai_responses":
        assert event.json["type"] == event.name, event
        return event.json["delta"] if event.name == "response.output_text.delta" else ""
    if event.data == "[DONE]":
        return ""
    return "".join(choice["delta"].get("content") or "" for choice in event.json["choices"])


def is_last(schema: str, event: Event) -> bool:
    """Whether this is how a stream of this schema says that it is complete."""
    if schema == "openai":
        return event.data == "[DONE]"
    return event.name == {"openai_responses": "response.completed", "anthropic": "message_stop"}[schema]


def said_in_stream(schema: str, stream: Iterable[Event]) -> str:
    """The text of a stream that must end as its schema says a stream ends."""
    text, ended = "", False
    for event in stream:
        assert not ended, f"after the last event came {event}"
        text += said_in_event(schema, event)
        ended = is_last(schema, event)
    assert ended, "the stream has no last event"
    return text


def check_error(schema: str, response: httpx.Response, status: int, code: str | None, param: str | None = None) -> str:
    """Asserts a refusal in the client's schema and answers its message."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["content-type"].split(";")[0] == "application/json", response.headers
    return check_error_body(schema, response.json(), code, param)


def check_error_body(schema: str, body: Any, code: str | None, param: str | None = None) -> str:
    """Asserts an error document of a schema and answers its message."""
    error = body["error"]
    if schema != "anthropic":
        assert set(body) == {"error"}, body
        assert {"message", "type", "param", "code"} <= set(error), body
    else:
        assert body["type"] == "error", body
    assert isinstance(error["message"], str) and error["message"], body
    assert isinstance(error["type"], str) and error["type"], body
    if code is not None:
        assert error.get("code") == code, body
    if param is not None and schema != "anthropic":
        assert error["param"] == param, body
    return error["message"]
