"""Where the names of providers lead."""

import contextlib

import httpx
import pytest
from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.names import name_server, resolved_by
from weir_e2e.sse import post
from weir_e2e.waiting import eventually

# A name like any other, of which only Envoy's name server knows that it leads inside.
INSIDE = "inside.weir-e2e.example.com"
METADATA = "metadata.weir-e2e.example.com"
# Nobody's (RFC 5737), so that nothing answers.
OUTSIDE = "outside.weir-e2e.example.com"
ADDRESSES = {INSIDE: "127.0.0.1", METADATA: "169.254.169.254", OUTSIDE: "192.0.2.1"}


@contextlib.contextmanager
def gateway(run, key):
    """An Envoy that resolves those names."""
    with name_server(ADDRESSES) as port:
        with lone_envoy("e2e-names", run["gateway_token"], run["xds_address"], resolved_by(port)) as envoy:
            headers = {"authorization": f"Bearer {key.secret}"}
            with httpx.Client(base_url=envoy.url, headers=headers, timeout=20) as http:
                yield http


def provider(admin, tenant_id, scenario, host):
    """A provider that is named so and is where the scenario plays."""
    base_url = scenario.base_url.replace("127.0.0.1", host)
    fields = {"schema": "openai", "base_url": base_url, "credential": "sk-not-for-the-inside"}
    return admin.create("providers", tenant_id=tenant_id, name=f"at {host} {tenant_id}", **fields)


def member(provider):
    return {"provider_id": provider["id"], "model": "gpt-4o", "price": None}


@pytest.fixture
def platforms(admin, world, fake):
    """A model of the platform's whose provider has a name that leads inside, and what it got."""
    scenario = fake.scenario()
    made = provider(admin, None, scenario, INSIDE)
    pool = admin.create("pools", name=f"platform-{world.tag}", members=[member(made)])
    model = admin.create("models", name=f"platform-{world.tag}", pool_id=pool["id"])
    yield model["name"], scenario
    for resource, one in (("models", model), ("pools", pool), ("providers", made)):
        admin.delete(resource, one["id"])


def test_a_tenants_name_that_leads_inside_gets_neither_credential_nor_body(run, admin, world, fake, platforms):
    scenario = fake.scenario()
    inside, metadata, outside = (
        member(provider(admin, world.tenant_id, scenario, host)) for host in (INSIDE, METADATA, OUTSIDE)
    )
    world.model("inside", inside)
    world.model("metadata", metadata)
    world.model("either", inside, world.upstream("openai"))
    world.model("outside", outside, first_byte_timeout_ms=3000, request_timeout_ms=3000)
    name, got = platforms
    with gateway(run, world.key()) as http:
        # The platform's providers may be anywhere; and with this the name is known to lead there.
        eventually(lambda: post(http, "openai", name).is_success, within_s=30, what="an answer of the platform's provider")
        assert got.received()
        for model, what in (("inside", "a loopback address"), ("metadata", "a link-local address"), ("either", "a loopback")):
            for stream in (False, True):
                refused = eventually(lambda: judged(post(http, "openai", model, stream=stream)), within_s=15, what=model)
                assert what in refused, refused
        assert scenario.received() == []
        # What is outside is asked, though nobody is there.
        assert "leads to" not in post(http, "openai", "outside").text


def judged(response):
    """What is said of the destination, once its name is resolved."""
    assert not response.is_success, response.text
    return response.text if "leads to" in response.text else None
