"""Limits that administrators write: budgets to the pico-dollar, tokens, and requests at the same time."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from weir_e2e.provider import ok, told
from weir_e2e.sse import ask, check_error, path_of, post
from weir_e2e.waiting import eventually, wait_for_a_minute_with
from weir_e2e.world import PRICE

INPUT, OUTPUT = PRICE["input_microusd_per_million"], PRICE["output_microusd_per_million"]
# What is written to a cache costs no more than what is not.
PLAIN = {**PRICE, "cache_write_microusd_per_million": INPUT, "cache_write_1h_microusd_per_million": INPUT}
BODY = json.dumps(ask("openai", "m", max_tokens=50)).encode()
# A token a byte, and all of the output that the request allows.
WORST = len(BODY) * INPUT + 50 * OUTPUT


def limit(world, key, unit: str, amount: int, **fields) -> str:
    """A limit on a key, for ever unless said otherwise."""
    fields = {"window": {"kind": "total"}, "action": "refuse", **fields}
    subject = {"kind": "api_key", "id": key.id}
    made = world.admin.create(
        "limits", tenant_id=world.tenant_id, name=f"{unit} of {key.id}", subject=subject, unit=unit, amount=amount, **fields
    )
    world.admin.settle()
    return made["id"]


def state(world, limit_id: str) -> dict[str, int]:
    """What is used of a limit, and when it begins anew."""
    told = json.loads(world.admin.text_of(f"limits/{limit_id}/state"))
    return {name: told[name] for name in ["spent", "reserved", "unreconciled", "remaining", "resets_at"]}


def all_at_once(world, key, requests: int) -> list[httpx.Response]:
    headers = {"authorization": f"Bearer {key.secret}", "content-type": "application/json"}

    async def ask_once() -> httpx.Response:
        async with httpx.AsyncClient(base_url=world.gateway_url, timeout=60) as client:
            return await client.post(path_of("openai"), content=BODY, headers=headers)

    async def ask_all() -> list[httpx.Response]:
        return await asyncio.gather(*(ask_once() for _ in range(requests)))

    return asyncio.run(ask_all())


def test_a_budget_for_thirty_seven_serves_thirty_seven_of_two_hundred_and_charges_them_exactly(world, database):
    usage = {"input_tokens": len(BODY), "cached_input_tokens": 0, "output_tokens": 50}
    upstream = world.upstream("openai", ok("Hi there.", usage=usage))
    world.model("m", world.member(upstream, price=PLAIN))
    key = world.key()
    # Rounded up to what can be written: less than one more.
    amount = -(-37 * WORST // 10**6)
    limit_id = limit(world, key, "cost_microusd", amount)
    answers = all_at_once(world, key, 200)
    outcomes = Counter((answer.status_code, answer.json().get("error", {}).get("code")) for answer in answers)
    assert outcomes == {(200, None): 37, (429, "insufficient_quota"): 163}
    assert len(upstream.received()) == 37
    eventually(lambda: state(world, limit_id)["spent"] == amount, what="the settlement of all", within_s=20)
    assert state(world, limit_id) == {"spent": amount, "reserved": 0, "unreconciled": 0, "remaining": 0, "resets_at": None}
    charged = "SELECT count(*), sum(cost_microusd::numeric * 1000000 + cost_rest_picousd) FROM usage_records WHERE key_id = %s"
    served = charged + " AND status = 200"
    eventually(lambda: database.execute(served, (key.id,)).fetchone()[0] == 37, what="all records", within_s=20)
    assert database.execute(served, (key.id,)).fetchone() == (37, 37 * WORST)
    settled = database.execute("SELECT sum(spent) FROM limit_leases WHERE limit_id = %s", (limit_id,)).fetchone()
    assert settled == (37 * WORST,)


def test_a_refusal_says_whose_budget_it_is_and_that_waiting_does_not_help(world):
    world.model("m", world.member(world.upstream("openai"), price=PLAIN))
    key = world.key()
    limit(world, key, "cost_microusd", 1)
    http = world.http(key)
    refused = http.post(path_of("openai"), content=BODY, headers={"content-type": "application/json"})
    check_error("openai", refused, 429, "insufficient_quota")
    assert refused.headers["x-should-retry"] == "false" and "retry-after" not in refused.headers
    assert "API key" in refused.json()["error"]["message"]
    unbounded = http.post(path_of("openai"), json=ask("openai", "m"))
    check_error("openai", unbounded, 400, "cost_not_bounded")


def test_who_asks_is_told_what_is_left_of_a_budget(world):
    upstream = world.upstream("openai")
    world.model("m", world.member(upstream, price=PLAIN))
    key = world.key()
    limit(world, key, "cost_microusd", 5_000_000, window={"kind": "calendar", "period": "year"})
    http = world.http(key)
    http.headers["content-type"] = "application/json"
    silent, told_of_it = (http.post(path_of("openai"), content=BODY, headers=asks) for asks in [{}, {"prefer": "weir-budget"}])
    assert not [name for name in silent.headers if name.startswith("x-weir-budget")]
    assert told_of_it.headers["x-weir-budget-limit"] == "5.000000" and told_of_it.headers["x-weir-budget-unit"] == "USD"
    left = Decimal(told_of_it.headers["x-weir-budget-remaining"])
    # The first one has been paid for, or its worst case is still reserved.
    assert 5 * 10**12 - 2 * WORST <= left * 10**12 <= 5 * 10**12 - WORST, left
    assert told_of_it.headers["x-weir-budget-reset"].endswith("s")
    assert all(name != "prefer" for request in upstream.received() for name, _ in request.headers)


MINUTE = {"kind": "calendar", "period": "minute"}
YEAR = {"kind": "calendar", "period": "year"}


@pytest.mark.parametrize("schema", ["openai", "anthropic", "openai_responses"])
def test_a_refusal_names_limit_owner_period_and_reset_and_says_whether_to_wait(world, schema):
    world.model("m", world.member(world.upstream(schema), price=PLAIN))

    def refused(unit: str, amount: int, window: dict) -> tuple[httpx.Response, str]:
        """What the second request is told, the first of which is all that a limit has room for."""
        key = world.key()
        limit(world, key, unit, amount, window=window)
        http = world.http(key)
        assert post(http, schema, "m", **most(schema, 50)).is_success
        answer = post(http, schema, "m", **most(schema, 50))
        message = check_error(schema, answer, 429, "rate_limit_exceeded")
        assert f"{unit} of {key.id}" in message and "API key" in message, message
        return answer, message

    wait_for_a_minute_with(10)
    of_minute, message = refused("requests", 1, MINUTE)
    assert "1 requests a minute" in message and "Try again in" in message, message
    assert 1 <= int(of_minute.headers["retry-after"]) <= 60
    assert "x-should-retry" not in of_minute.headers

    now = datetime.now(UTC)
    new_year = datetime(now.year + 1, 1, 1, tzinfo=UTC)
    of_year, message = refused("requests", 1, YEAR)
    assert "1 requests a year" in message and f"{now.year + 1}-01-01T00:00:00Z" in message, message
    assert abs(int(of_year.headers["retry-after"]) - (new_year - now).total_seconds()) < 60
    assert of_year.headers["x-should-retry"] == "false"

    for_ever, message = refused("requests", 1, {"kind": "total"})
    assert "1 requests is used up" in message, message
    assert "retry-after" not in for_ever.headers and for_ever.headers["x-should-retry"] == "false"

    key = world.key()
    limit(world, key, "cost_microusd", 1, window=MINUTE)
    too_large = post(world.http(key), schema, "m", **most(schema, 50))
    message = check_error(schema, too_large, 429, "insufficient_quota")
    assert "$0.01 a minute" in message and f"cost_microusd of {key.id}" in message, message
    assert "retry-after" not in too_large.headers and too_large.headers["x-should-retry"] == "false"


def most(schema: str, tokens: int) -> dict[str, int]:
    """The most output that is asked for."""
    return {"max_output_tokens" if schema == "openai_responses" else "max_tokens": tokens}


@pytest.mark.parametrize("action", ["refuse", "warn"])
def test_a_stream_that_its_client_cuts_off_takes_what_was_reserved_of_a_limit_that_refuses(world, action):
    world.model("m", world.member(world.upstream("openai", told("stall_after", chunks=6)), price=PLAIN))
    key = world.key()
    limit_id = limit(world, key, "total_tokens", 100_000, action=action)
    body = json.dumps(ask("openai", "m", max_tokens=5000, stream=True)).encode()
    headers = {"content-type": "application/json"}
    with world.http(key).stream("POST", path_of("openai"), content=body, headers=headers) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            if line:
                break
        request_id = response.headers["x-weir-request-id"]
    record = world.record(request_id)
    estimated = record["input_tokens"] + record["output_tokens"]
    assert 0 < estimated < 1000
    took = {"refuse": len(body) + 5000, "warn": estimated}[action]
    settled = {"spent": took, "reserved": 0, "unreconciled": 0, "remaining": 100_000 - took, "resets_at": None}
    eventually(lambda: state(world, limit_id) == settled, what="the settlement", within_s=20)


def test_a_caller_is_told_its_limits_and_what_it_has_used(world):
    world.model("m", world.member(world.upstream("openai"), price=PLAIN))
    key, other = world.key(), world.key()
    limit(world, key, "requests", 5)
    limit(world, other, "requests", 7)
    http = world.http(key)
    assert http.post(path_of("openai"), content=BODY, headers={"content-type": "application/json"}).status_code == 200

    def own(path: str, http=http) -> dict:
        answer = http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_settled() -> bool:
        used = [(one["unit"], one["amount"], one["used"], one["reserved"], one["remaining"]) for one in own("/v1/rate-limit")["data"]]
        return used == [("requests", 5, 1, 0, 4)]

    eventually(is_settled, what="the caller's limit with what was used", within_s=20)

    def of_model(http=http) -> list[tuple[str, int]]:
        return [(one["model"], one["requests"]) for one in own("/api/v1/usage", http)["data"] if one["model"]]

    eventually(lambda: of_model() == [("m", 1)], what="the caller's usage", within_s=20)
    assert of_model(world.http(other)) == []
    assert http.get("/v1/usage?key_id=2026-11-30").status_code == 400
    assert http.post("/v1/usage").status_code == 405
    assert httpx.get(f"{world.gateway_url}/v1/usage", timeout=30).status_code == 401
