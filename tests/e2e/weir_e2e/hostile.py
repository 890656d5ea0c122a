"""Cases of hostile or unusual input: each is counted, and after each the gateway must still serve."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from .provider import ok
from .raw import RawAnswer, answers_in, exchange, post_head
from .sse import ask, check_error, check_error_body, post
from .world import Upstream, World

SCHEMAS = ["openai", "anthropic"]

# What an error is called in each schema, by its status.
_TYPES = {
    "openai": {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"},
    "anthropic": {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
    },
}


def type_of(schema: str, status: int) -> str:
    """The `type` that an error of this status has."""
    other = {"openai": "server_error", "anthropic": "api_error"}[schema] if status >= 500 else "invalid_request_error"
    return _TYPES[schema].get(status, other)


def check_refused(schema: str, response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Asserts a refusal with its status, `type`, `code` and field, and answers its message."""
    message = check_error(schema, response, status, code, param)
    assert response.json()["error"]["type"] == type_of(schema, status), response.text
    return message


def check_refused_unread(answer: RawAnswer, status: int, code: str) -> None:
    """Asserts a refusal that was made before the client's schema was known: it must make sense in each."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json", answer
    assert answer.json["type"] == "error" and set(answer.json) == {"type", "error"}, answer
    error = answer.json["error"]
    assert (error["code"], error["type"], error["param"]) == (code, "invalid_request_error", None), answer
    assert error["message"], answer


def check_event_of_error(schema: str, body: Any, code: str, kind: str) -> str:
    """Asserts an error that ends a stream, and answers its message."""
    message = check_error_body(schema, body, code)
    assert body["error"]["type"] == kind, body
    return message


def body_of(schema: str) -> bytes:
    """A good body for the model that is served by this schema's provider."""
    return json.dumps(ask(schema, schema)).encode()


def good_request(schema: str, secret: str, *headers: str) -> bytes:
    """A good request with more headers."""
    body = body_of(schema)
    return post_head(schema, secret, f"content-length: {len(body)}", *headers) + body


def only_answer(url: str, *pieces: bytes) -> RawAnswer:
    """The one answer to what was sent."""
    answers = answers_in(exchange(url, list(pieces)))
    assert len(answers) == 1, answers
    return answers[0]


def check_told(schema: str, answer: RawAnswer, status: int, code: str) -> None:
    """Asserts a refusal in the client's schema."""
    assert answer.status == status, answer
    check_error_body(schema, answer.json, code)


class Stage:
    """A tenant with one model for each schema of provider, each named after it, and what the providers received."""

    def __init__(self, world: World):
        self.world = world
        self.upstreams: dict[str, Upstream] = {schema: world.upstream(schema, ok("Served.")) for schema in SCHEMAS}
        for schema, upstream in self.upstreams.items():
            world.model(schema, upstream)
        self.key = world.key()
        self.http = world.http(self.key)
        profile = world.profile(("EMAIL", "redact", "both"))
        self.guarded = world.http(world.key(guardrail_profile_id=profile))

    def received(self) -> int:
        """How many requests reached a provider."""
        return sum(len(upstream.received()) for upstream in self.upstreams.values())


class Cases:
    """Counts cases and keeps what went wrong in any, so that one does not hide the others."""

    def __init__(self, vms_reborn: Callable[[], int], still_serves: Callable[[], None]):
        self.seen = 0
        self.served = 0
        self.wrong: list[tuple[Any, ...]] = []
        self._still_serves = still_serves
        self._vms_reborn = vms_reborn
        self._reborn_before = vms_reborn()

    @contextlib.contextmanager
    def case(self, *name: Any) -> Iterator[None]:
        """One case; afterwards the gateway must serve: one more request that reaches the stage's OpenAI provider."""
        self.seen += 1
        try:
            yield
            self._still_serves()
            self.served += 1
        except (AssertionError, LookupError, ValueError, OSError, httpx.HTTPError) as error:
            self.wrong.append((*name, f"{type(error).__name__}: {error}"[:600]))

    def check(self) -> None:
        """Asserts that every case ended well, and that no filter crashed over any of them."""
        shown = "\n".join(str(case) for case in self.wrong)
        assert not self.wrong, f"{len(self.wrong)} of {self.seen} cases ended badly:\n{shown}"
        reborn = self._vms_reborn() - self._reborn_before
        assert reborn == 0, f"the filters crashed {reborn} times"


def serves(http: httpx.Client, schema: str, model: str) -> None:
    """Asserts that a usual request is answered."""
    response = post(http, schema, model)
    assert response.status_code == 200, f"afterwards: {response.status_code} {response.text[:300]}"
