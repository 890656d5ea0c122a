"""Apps that show who they are by the SPIFFE id of their certificate, to Envoy or to proxies before it."""

import contextlib

import httpx
import pytest

from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.sse import ask, check_error
from weir_e2e.waiting import eventually
from weir_e2e.workload import TrustDomain


@pytest.fixture(scope="module")
def trust_domain():
    with TrustDomain() as trust_domain:
        yield trust_domain


@pytest.fixture
def served(world):
    """A model that answers, and the provider behind it."""
    upstream = world.upstream("openai")
    world.model("m", upstream)
    return upstream


def app_of(world, name="chat") -> str:
    """A SPIFFE id of this test's own."""
    return f"spiffe://{world.tag.lower()}.example/ns/apps/sa/{name}"


def rule(world, **fields):
    made = world.admin.create("identity-rules", tenant_id=world.tenant_id, name="workloads", **fields)
    world.admin.settle()
    return made


@contextlib.contextmanager
def envoy(world, run, edits=None, **gateway):
    made = world.admin.create("gateways", name=f"workloads-{world.tag}", **gateway)
    with lone_envoy(f"workloads-{world.tag}", made["token"], run["xds_address"], edits) as started:
        yield started


def send(http, **headers) -> httpx.Response:
    return http.post("/v1/chat/completions", json=ask("openai", "m"), headers=headers)


def until_known(http, **headers) -> httpx.Response:
    """The answer once an Envoy that has just started knows who it is."""
    return eventually(
        lambda: (answer := send(http, **headers)).is_success and answer, within_s=60, what="an Envoy that serves"
    )


def test_an_app_with_a_dummy_key_is_billed_to_its_certificate(world, run, served, trust_domain):
    bot = world.admin.create("service-accounts", tenant_id=world.tenant_id, name="bot")
    made = rule(world, workload={"spiffe_id": app_of(world)}, service_account_id=bot["id"])
    with envoy(world, run, trust_domain.listener()) as started:
        url = started.url.replace("http://", "https://")
        with httpx.Client(base_url=url, verify=trust_domain.client(app_of(world)), timeout=10) as app:
            answer = until_known(app, authorization="Bearer sk-dummy-of-the-app")
            key = world.admin.read("api-keys", world.record(answer.headers["x-weir-request-id"])["key_id"])
            assert (key["way"], key["identity_rule_id"]) == ("workload", made["id"])
            assert key["service_account_id"] == bot["id"]
            assert send(app).status_code == 200
            # What it says of itself in a header is not who it is.
            spoofed = send(app, **{"x-forwarded-client-cert": f"URI={app_of(world, 'admin')}"})
            assert spoofed.status_code == 200
            world.admin.change("service-accounts", bot["id"], disabled=True)
            world.admin.settle()
            check_error("openai", send(app), 403, "caller_disabled")
            world.admin.change("service-accounts", bot["id"], disabled=False)
            world.admin.settle()
            assert send(app).status_code == 200
        with httpx.Client(base_url=url, verify=trust_domain.client(None), timeout=10) as nobody:
            check_error("openai", send(nobody), 401, "invalid_api_key")
            header = {"x-forwarded-client-cert": f"URI={app_of(world)}"}
            check_error("openai", send(nobody, **header), 401, "invalid_api_key")
        with httpx.Client(base_url=url, verify=trust_domain.client(app_of(world, "other")), timeout=10) as other:
            check_error("openai", send(other), 403, "caller_unknown")
            found = [one for one in world.admin.all("discovered") if one["subject"] == app_of(world, "other")]
            assert [(one["way"], one["reason"]) for one in found] == [("workload", "no_rule")]
            assigned = {"name": "other", "tenant_id": world.tenant_id, "service_account_id": bot["id"]}
            answer = world.admin.http.post(f"/discovered/{found[0]['id']}/assign", json=assigned)
            assert answer.status_code == 201, answer.text
            world.admin.revision = max(world.admin.revision, answer.json()["revision"])
            world.admin.settle()
            assert send(other).status_code == 200


def test_who_proxies_saw_counts_by_the_gateways_trusted_hops(world, run, served):
    rule(world, workload={"spiffe_id_prefix": f"spiffe://{world.tag.lower()}.example/ns/apps/"})
    seen = f'By=spiffe://proxy;Hash=ab;Subject="CN=a,URI=spiffe://x/y";URI={app_of(world)}'
    unknown = "URI=spiffe://elsewhere.example/a"
    with envoy(world, run, trusted_hops=1, trusts_forwarded_certificates=True) as started, httpx.Client(base_url=started.url, timeout=10) as proxy:
        until_known(proxy, **{"x-forwarded-client-cert": seen})
        assert send(proxy, **{"x-forwarded-client-cert": f"{unknown},{seen}"}).status_code == 200
        # The client's own word, and a proxy that saw somebody else.
        spoofed = send(proxy, **{"x-forwarded-client-cert": f"{seen},{unknown}"})
        check_error("openai", spoofed, 403, "caller_unknown")
        spoofed = send(proxy, **{"x-forwarded-client-cert": f"{seen},Hash=ab"})
        check_error("openai", spoofed, 401, "invalid_api_key")
        unended = send(proxy, **{"x-forwarded-client-cert": f'Subject="a,{seen}"b'})
        check_error("openai", unended, 401, None)
        check_error("openai", send(proxy), 401, "invalid_api_key")


def test_without_trusted_hops_no_header_says_who_somebody_is(world, gateway, served):
    rule(world, workload={"trust_domain": f"{world.tag.lower()}.example"})
    for header in (f"URI={app_of(world)}", f"URI={app_of(world)},URI={app_of(world)}"):
        check_error("openai", send(gateway, **{"x-forwarded-client-cert": header}), 401, "invalid_api_key")
    assert served.received() == []


def test_a_gateway_that_requires_certificates_refuses_keys_alone(world, run, served):
    rule(world, workload={"spiffe_id": app_of(world)})
    key = world.key()
    shown = {"authorization": f"Bearer {key.secret}"}
    seen = {"x-forwarded-client-cert": f"URI={app_of(world)}"}
    required = {"workload": "required"}
    with (
        envoy(world, run, trusted_hops=1, trusts_forwarded_certificates=True, ways_in=required) as started,
        httpx.Client(base_url=started.url, timeout=10) as proxy,
    ):
        answer = until_known(proxy, **shown, **seen)
        assert world.record(answer.headers["x-weir-request-id"])["key_id"] == key.id
        check_error("openai", send(proxy, **shown), 401, "credential_required")
        assert send(proxy, **seen).status_code == 200
