"""A tenant of a test's own, built through the admin API."""

import itertools
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
from anthropic import Anthropic
from google import genai
from openai import OpenAI

from .admin import Admin
from .provider import Behaviour, FakeProvider, Received, Scenario
from .waiting import eventually

# The models that the fake provider knows under each schema.
UPSTREAM_MODEL = {
    "openai": "gpt-4o",
    "openai_responses": "gpt-4o",
    "anthropic": "claude-sonnet-5",
    "gemini": "gemini-3-flash",
}

# 2.50 $, 1.25 $ and 10 $ for a million tokens.
PRICE = {
    "input_microusd_per_million": 2_500_000,
    "cached_input_microusd_per_million": 1_250_000,
    "output_microusd_per_million": 10_000_000,
}

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Upstream:
    """A provider as the admin API knows it, and the scenario that plays it."""

    id: str
    name: str
    schema: str
    credential: str
    scenario: Scenario

    def received(self) -> list[Received]:
        """What it got so far."""
        return self.scenario.received()

    def only(self) -> Received:
        """The one request that it got."""
        return self.scenario.only()


@dataclass(frozen=True)
class Key:
    """An API key with its secret."""

    id: str
    secret: str


class World:
    """One tenant. Clients made here begin once everything written before is applied on Envoy."""

    def __init__(self, admin: Admin, fake: FakeProvider, gateway_url: str, **tenant: Any):
        self.admin = admin
        self.fake = fake
        self.gateway_url = gateway_url
        self.tag = f"{next(_numbers)}-{uuid.uuid4().hex[:8]}"
        self.tenant_id = admin.create("tenants", name=f"e2e-{self.tag}", **tenant)["id"]

    def upstream(self, schema: str, *behaviours: Behaviour, version: str | None = None, **fields: Any) -> Upstream:
        """A provider that behaves like this, with a credential that nothing else has. Its base URL ends in `version`, if one is
        given."""
        scenario = self.fake.scenario(*behaviours, version=version or "/v1")
        credential = f"sk-canary-{uuid.uuid4().hex}"
        name = f"{schema}-{next(_numbers)}"
        made = self.admin.create(
            "providers",
            tenant_id=self.tenant_id,
            name=name,
            schema=schema,
            base_url=scenario.base_url + (version or ""),
            credential=credential,
            **fields,
        )
        return Upstream(made["id"], name, schema, credential, scenario)

    def member(
        self, upstream: Upstream, model: str | None = None, price: dict[str, int] | None = PRICE
    ) -> dict[str, Any]:
        """An upstream as a member of a pool."""
        return {"provider_id": upstream.id, "model": model or UPSTREAM_MODEL[upstream.schema], "price": price}

    def at(self, base_url: str) -> dict[str, Any]:
        """Whoever is there, as a member of a pool."""
        provider = self.admin.create(
            "providers",
            tenant_id=self.tenant_id,
            name=f"at-{next(_numbers)}",
            schema="openai",
            base_url=base_url,
            credential="sk-shown-to-whoever-is-there",
        )
        return {"provider_id": provider["id"], "model": UPSTREAM_MODEL["openai"], "price": None}

    def pool(self, *members: Upstream | dict[str, Any], **timeouts_ms: int) -> dict[str, Any]:
        """A pool of these, tried in this order."""
        listed = [member if isinstance(member, dict) else self.member(member) for member in members]
        return self.admin.create(
            "pools", tenant_id=self.tenant_id, name=f"pool-{next(_numbers)}", members=listed, **timeouts_ms
        )

    def model(self, name: str, *members: Upstream | dict[str, Any], **timeouts_ms: int) -> dict[str, Any]:
        """A model that is served by these, in this order."""
        pool = self.pool(*members, **timeouts_ms)
        return self.admin.create("models", tenant_id=self.tenant_id, name=name, pool_id=pool["id"])

    def profile(self, *rules: tuple[str, str, str]) -> str:
        """The id of a guardrail profile with rules of (type, action, direction)."""
        listed = [{"type": kind, "action": action, "direction": direction} for kind, action, direction in rules]
        made = self.admin.create(
            "guardrails/profiles", tenant_id=self.tenant_id, name=f"profile-{next(_numbers)}", rules=listed
        )
        return made["id"]

    def key(self, **fields: Any) -> Key:
        """An API key of this tenant."""
        made = self.admin.create("api-keys", tenant_id=self.tenant_id, name=f"key-{next(_numbers)}", **fields)
        # A key that was given is not shown.
        return Key(made["id"], made["key"] or fields["key"])

    def openai(self, key: Key | None = None) -> OpenAI:
        """The official client, pointed at the gateway."""
        secret = (key or self.key()).secret
        self.admin.settle()
        return OpenAI(base_url=f"{self.gateway_url}/v1", api_key=secret, max_retries=0, timeout=30)

    def anthropic(self, key: Key | None = None) -> Anthropic:
        """The official client, pointed at the gateway."""
        secret = (key or self.key()).secret
        self.admin.settle()
        return Anthropic(base_url=self.gateway_url, api_key=secret, max_retries=0, timeout=30)

    def gemini(self, key: Key | None = None) -> genai.Client:
        """The official client, pointed at the gateway."""
        secret = (key or self.key()).secret
        self.admin.settle()
        return genai.Client(api_key=secret, http_options={"base_url": self.gateway_url, "timeout": 30_000})

    def http(self, key: Key | None = None) -> httpx.Client:
        """A plain client that shows the key, for what no SDK lets out."""
        secret = (key or self.key()).secret
        self.admin.settle()
        return httpx.Client(
            base_url=self.gateway_url, headers={"authorization": f"Bearer {secret}"}, timeout=httpx.Timeout(30)
        )

    def record(self, request_id: str) -> dict[str, Any]:
        """The usage record of a request, once it is there."""
        records = eventually(
            lambda: self.admin.usage(request_id=request_id), within_s=5, what=f"a usage record for {request_id}"
        )
        assert len(records) == 1, records
        return records[0]
