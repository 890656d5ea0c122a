"""Apps that show who they are by a token (JWT) of an issuer that is known."""

import json
import time

import httpx
import pytest

from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.sse import ask, check_error, headers_of, path_of
from weir_e2e.tokens import AUDIENCE, Issuer
from weir_e2e.waiting import eventually


@pytest.fixture
def issuer():
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def served(world):
    """A model that answers, and the provider behind it."""
    upstream = world.upstream("openai")
    world.model("m", upstream)
    return upstream


@pytest.fixture
def registered(world, issuer, served):
    """The issuer, as Weir knows it."""
    return register(world, issuer)


def register(world, issuer, **fields):
    named = {"tenant_id": world.tenant_id, "name": "company", "issuer": issuer.name, "audiences": [AUDIENCE]}
    keys = {} if "jwks" in fields else {"jwks_url": issuer.url}
    return world.admin.create("token-issuers", **named, **keys, **fields)


def rule(world, registered, name="apps", **fields):
    made = world.admin.create(
        "identity-rules", tenant_id=world.tenant_id, name=name, token_issuer_id=registered["id"], **fields
    )
    world.admin.settle()
    return made


def send(gateway, token, schema="openai", **headers) -> httpx.Response:
    shown = {"authorization": f"Bearer {token}"} if token else {}
    return gateway.post(path_of(schema), json=ask(schema, "m"), headers=headers_of(schema) | shown | headers)


def account(world, name="bot"):
    return world.admin.create("service-accounts", tenant_id=world.tenant_id, name=name)


@pytest.mark.parametrize("schema", ["openai", "anthropic"])
def test_a_token_is_who_its_rule_says_and_reaches_no_provider(world, gateway, issuer, registered, served, schema):
    bot = account(world)
    made = rule(world, registered, service_account_id=bot["id"], claims=[{"path": "team", "equals": "research"}])
    token = issuer.token(team="research")
    answer = send(gateway, token, schema)
    assert answer.status_code == 200, answer.text
    received = served.only()
    assert not received.holds(token) and not received.holds(token.split(".")[1])
    record = world.record(answer.headers["x-weir-request-id"])
    key = world.admin.read("api-keys", record["key_id"])
    assert (key["way"], key["identity_rule_id"], key["service_account_id"]) == ("token", made["id"], bot["id"])


def test_keys_that_stand_in_the_policy_verify_as_those_that_are_fetched(world, gateway, issuer, served):
    rule(world, register(world, issuer, jwks=issuer.key_set()))
    assert send(gateway, issuer.token()).status_code == 200
    assert issuer.fetched == 0


def bad_tokens(issuer):
    header, content, signature = issuer.token().split(".")
    yield "expired", issuer.token(lasts_s=-120)
    yield "not yet valid", issuer.token(nbf=int(time.time()) + 600)
    yield "without an end", issuer.token(exp=None)
    yield "for somebody else", issuer.token(aud="another service")
    yield "for nobody", issuer.token(aud=None)
    yield "of another issuer", issuer.token(iss="https://another.example")
    yield "unsigned", issuer.forged("unsigned")
    yield "signed by the public key", issuer.forged("signed by the public key")
    yield "with another signature", ".".join([header, content, signature[:-8] + "AAAAAAAA"])
    yield "with other content", ".".join([header, issuer.token("admin").split(".")[1], signature])
    claims = json.dumps(issuer.claims())
    yield "with a claim twice", issuer.with_content(claims[:-1] + ', "sub": "admin"}')
    yield "huge", issuer.token(text="a" * 30_000)


def test_a_bad_token_is_refused_and_goes_nowhere(world, gateway, issuer, registered, served):
    rule(world, registered)
    assert send(gateway, issuer.token()).status_code == 200
    for what, token in bad_tokens(issuer):
        message = check_error("openai", send(gateway, token), 401, None)
        assert token not in message, what
    assert len(served.received()) == 1


def test_a_token_of_a_key_that_nobody_serves_is_refused(world, gateway, issuer, registered, served):
    rule(world, registered)
    issuer.add_key("second")
    issuer.withdraw_key("second")
    message = check_error("openai", send(gateway, issuer.token(key="second")), 401, "invalid_token")
    assert message.startswith("The token is not good: ")
    assert served.received() == []


def test_a_withdrawn_key_is_believed_for_the_time_that_keys_are_kept_even_for_tokens_that_were_good(
    world, run, issuer, served, measured
):
    rule(world, register(world, issuer, keys_kept_seconds=10))
    token = issuer.token()
    # One that knows this tenant's issuer alone, as more than a few are not remembered.
    shown = world.admin.create("gateways", name=f"remembers-{world.tag}", tenant_id=world.tenant_id)["token"]
    with lone_envoy(f"remembers-{world.tag}", shown, run["xds_address"]) as envoy:

        def codes(token: str, number: int) -> set[int]:
            """Each over a connection of its own, so that all workers are asked."""
            found = set()
            for _ in range(number):
                with httpx.Client(base_url=envoy.url, timeout=30) as http:
                    found.add(send(http, token).status_code)
            return found

        def is_remembered() -> bool:
            if codes(token, 10) != {200}:
                return False
            stats = envoy.admin.get("/stats", params={"filter": r"jwt_authn\.jwt_cache_hit$"}).text
            return int(stats.split()[-1]) > 0

        eventually(is_remembered, within_s=60, every_s=0.2, what="a token that is remembered, as its issuer's keys are read")
        issuer.add_key("second")
        issuer.withdraw_key("first")
        withdrawn = time.monotonic()
        eventually(lambda: codes(token, 5) == {401}, within_s=40, every_s=0.5, what="the end of a token whose key is gone")
        measured("a token whose key was withdrawn, kept 10 s", time.monotonic() - withdrawn)
        assert codes(issuer.token(key="second"), 1) == {200}


def test_somebody_without_a_rule_is_refused_and_listed_and_assigned(world, gateway, issuer, registered, served):
    world.admin.settle()
    token = issuer.token("batch-job")
    check_error("openai", send(gateway, token), 403, "caller_unknown")
    found = eventually(lambda: world.admin.all("discovered", tenant_id=world.tenant_id), what="somebody discovered")
    assert [(one["way"], one["subject"], one["reason"]) for one in found] == [("token", "batch-job", "no_rule")]
    assert found[0]["requests"] >= 1
    assigned = world.admin.http.post(f"/discovered/{found[0]['id']}/assign", json={"name": "batch"})
    assert assigned.status_code == 201, assigned.text
    world.admin.revision = max(world.admin.revision, assigned.json()["revision"])
    world.admin.settle()
    assert send(gateway, token).status_code == 200
    assert world.admin.all("discovered", tenant_id=world.tenant_id) == []
    assert served.only()


def test_a_user_is_made_at_first_sight_where_the_rule_says_so(world, gateway, issuer, registered, served):
    person = f"anna-{world.tag}@acme.example"
    made = rule(world, registered, person={"claim": "email"})
    check_error("openai", send(gateway, issuer.token("anna", email=person)), 403, "caller_unknown")
    world.admin.change("identity-rules", made["id"], person={"claim": "email", "creates": True})
    world.admin.settle()
    answer = send(gateway, issuer.token("anna", email=person))
    assert answer.status_code == 200, answer.text
    users = [user for user in world.admin.all("users", tenant_id=world.tenant_id) if user["email"] == person]
    assert [user["role"] for user in users] == ["user"]
    key = world.admin.read("api-keys", world.record(answer.headers["x-weir-request-id"])["key_id"])
    assert key["user_id"] == users[0]["id"]
    # Disabled, they are refused within a second, on every worker.
    world.admin.change("users", users[0]["id"], disabled=True)
    world.admin.settle()
    check_error("openai", send(gateway, issuer.token("anna", email=person)), 403, "caller_disabled")


def test_a_changed_rule_holds_at_once(world, gateway, issuer, registered, served):
    made = rule(world, registered, claims=[{"path": "team", "equals": "research"}])
    token = issuer.token(team="research")
    assert send(gateway, token).status_code == 200
    world.admin.change("identity-rules", made["id"], claims=[{"path": "team", "equals": "sales"}])
    world.admin.settle()
    check_error("openai", send(gateway, token), 403, "caller_unknown")
    world.admin.delete("identity-rules", made["id"])
    world.admin.settle()
    check_error("openai", send(gateway, issuer.token(team="sales")), 403, "caller_unknown")


def test_of_two_rules_the_one_with_the_lower_position_counts(world, gateway, issuer, registered, served):
    one, other = account(world, "one"), account(world, "other")
    rule(world, registered, "later", service_account_id=one["id"], position=20)
    rule(world, registered, "first", service_account_id=other["id"], position=10)
    answer = send(gateway, issuer.token())
    key = world.admin.read("api-keys", world.record(answer.headers["x-weir-request-id"])["key_id"])
    assert key["service_account_id"] == other["id"]


def test_beside_a_token_a_dummy_key_counts_for_nothing_and_a_good_key_counts(world, gateway, issuer, registered, served):
    rule(world, registered)
    token, key = issuer.token(), world.key()
    world.admin.settle()
    answer = send(gateway, token, **{"x-api-key": "sk-dummy-of-the-app"})
    assert answer.status_code == 200, answer.text
    assert world.record(answer.headers["x-weir-request-id"])["key_id"] != key.id
    answer = send(gateway, token, **{"x-api-key": key.secret})
    assert world.record(answer.headers["x-weir-request-id"])["key_id"] == key.id
    for received in served.received():
        assert not received.holds(token) and not received.holds("sk-dummy-of-the-app")


@pytest.mark.parametrize("header", ["x-weir-token-claims", "X-Weir-Token-Claims"])
def test_claims_that_a_client_says_itself_count_for_nothing(world, gateway, issuer, registered, served, header):
    rule(world, registered)
    claims = issuer.token().split(".")[1]
    check_error("openai", send(gateway, None, **{header: claims}), 401, "invalid_api_key")
    check_error("openai", send(gateway, "sk-dummy", **{header: claims}), 401, "invalid_api_key")
    assert served.received() == []


def test_a_tenant_that_requires_tokens_refuses_keys_alone(new_world, gateway, issuer):
    world = new_world(ways_in={"token": "required"})
    world.model("m", world.upstream("openai"))
    rule(world, register(world, issuer))
    key = world.key()
    world.admin.settle()
    check_error("openai", send(gateway, key.secret), 401, "credential_required")
    assert send(gateway, issuer.token()).status_code == 200
    answer = send(gateway, issuer.token(), **{"x-api-key": key.secret})
    assert answer.status_code == 200, answer.text
    assert world.record(answer.headers["x-weir-request-id"])["key_id"] == key.id


def test_a_tenant_that_refuses_keys_takes_tokens(new_world, gateway, issuer):
    world = new_world(ways_in={"key": "refused"})
    world.model("m", world.upstream("openai"))
    rule(world, register(world, issuer))
    key = world.key()
    world.admin.settle()
    check_error("openai", send(gateway, key.secret), 403, "way_in_refused")
    answer = send(gateway, issuer.token(), **{"x-api-key": key.secret})
    assert answer.status_code == 200, answer.text
    assert world.record(answer.headers["x-weir-request-id"])["key_id"] != key.id


def test_a_limit_on_who_comes_by_a_token_holds(world, gateway, issuer, registered, served):
    rule(world, registered)
    answer = send(gateway, issuer.token())
    key_id = world.record(answer.headers["x-weir-request-id"])["key_id"]
    world.admin.change("api-keys", key_id, requests_per_minute=1)
    world.admin.settle()
    codes = [send(gateway, issuer.token()).status_code for _ in range(4)]
    assert 429 in codes and codes[-1] == 429, codes
