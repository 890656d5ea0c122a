"""The fake provider of `weir-dev`, told what to do and asked what it received."""

import json
import ssl
from dataclasses import dataclass, fields
from typing import Any

import httpx
import pytest

Behaviour = dict[str, Any]

# Runs a test with providers over HTTP/1.1 in plain text and over HTTP/2 under TLS: what is promised of the one holds for both.
over_both = pytest.mark.parametrize("transport", ["plain", "http2"])


def ok(text: str | None = None, **fields: Any) -> Behaviour:
    """Answers as usual. Fields: `chunks`, `delay_ms` before each chunk, `usage`."""
    return {"type": "ok", **({"text": text} if text is not None else {}), **fields}


def status(code: int, **fields: Any) -> Behaviour:
    """Answers with this status. Fields: `body`, `headers`."""
    return {"type": "status", "status": code, **fields}


def told(kind: str, **fields: Any) -> Behaviour:
    """Any other behaviour by its name, as `dev/src/provider/scenario.rs` documents it."""
    return {"type": kind, **fields}


@dataclass(frozen=True)
class Received:
    """One request as the provider got it."""

    version: str
    authority: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str
    finished: str

    @classmethod
    def read(cls, recorded: dict[str, Any]) -> "Received":
        """As the provider recorded it."""
        known = {field.name: recorded[field.name] for field in fields(cls)}
        return cls(**known | {"headers": [tuple(pair) for pair in recorded["headers"]]})

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def values(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        """The value of a header that is there at most once."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    def holds(self, secret: str) -> bool:
        """Whether a text is anywhere in the request."""
        return secret in self.path or secret in self.body or any(secret in value for _, value in self.headers)


class FakeProvider:
    """Every scenario has a base URL of its own."""

    def __init__(self, url: str, verify: ssl.SSLContext | bool = True):
        self.http = httpx.Client(base_url=url, timeout=10, verify=verify)

    def scenario(self, *behaviours: Behaviour, version: str = "/v1") -> "Scenario":
        """One behaviour for each request in order; the last repeats; none: every request is answered as usual.

        The API begins at `version`, and there is nothing elsewhere.
        """
        response = self.http.post("/_control/scenarios", json={"responses": behaviours, "version": version})
        assert response.status_code == 201, response.text
        return Scenario(self, response.json()["id"])


class Scenario:
    """One upstream with a script and a memory."""

    def __init__(self, provider: FakeProvider, id: str):
        self.provider = provider
        self.id = id
        self.base_url = f"{str(provider.http.base_url).rstrip('/')}/s/{id}"

    def received(self) -> list[Received]:
        """What it got so far."""
        response = self.provider.http.get(f"/_control/scenarios/{self.id}/requests")
        assert response.status_code == 200, response.text
        return [Received.read(it) for it in response.json()]

    def only(self) -> Received:
        """The one request that it got."""
        received = self.received()
        assert len(received) == 1, f"{len(received)} requests"
        return received[0]
