"""Every request leaves exactly one record in the ledger, and the record is true."""

import datetime
import decimal

import httpx
import pytest

from weir_e2e.provider import ok, status, told
from weir_e2e.sse import ask, events, path_of, post
from weir_e2e.waiting import eventually
from weir_e2e.world import PRICE

SCHEMAS = ["openai", "anthropic"]
USAGE = {"input_tokens": 1000, "cached_input_tokens": 400, "output_tokens": 77}
# 600 fresh and 400 cached tokens of input, 77 of output, in pico-dollars.
COST = (
    600 * PRICE["input_microusd_per_million"]
    + 400 * PRICE["cached_input_microusd_per_million"]
    + 77 * PRICE["output_microusd_per_million"]
)

OPERATION = {"openai": "chat.completions", "anthropic": "messages"}


def rows(database, request_id: str) -> list[dict]:
    """What the ledger itself holds."""
    cursor = database.execute("SELECT * FROM usage_records WHERE request_id = %s", (request_id,))
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def check_once(world, database, request_id: str) -> dict:
    """The record, which the API and the ledger must tell alike."""
    record = world.record(request_id)
    (row,) = rows(database, request_id)
    for name in ("tenant_id", "key_id", "provider_id", "deployment_id", "model", "upstream_model", "operation"):
        assert str(row[name]) == str(record[name]), name
    for name in ("input_tokens", "cached_input_tokens", "output_tokens", "input_source", "output_source"):
        assert row[name] == record[name], name
    for name in (
        "latency_us",
        "time_to_first_token_us",
        "status",
        "error_code",
        "outcome",
        "attempts",
    ):
        assert row[name] == record[name], name
    picousd = row["cost_microusd"] * 10**6 + row["cost_rest_picousd"]
    assert (decimal.Decimal(record["cost_usd"]) * 10**12, record["cost_microusd"]) == (picousd, -(-picousd // 10**6))
    assert row["started_at"] == datetime.datetime.fromisoformat(record["started_at"])
    assert record["tenant_id"] == world.tenant_id
    return record


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_is_recorded_once_with_its_figures(world, database, client_schema, provider_schema, streamed):
    upstream = world.upstream(provider_schema, ok("Hi there, you.", usage=USAGE))
    world.model("m", upstream)
    key = world.key()
    began = datetime.datetime.now(datetime.UTC)
    response = post(world.http(key), client_schema, "m", stream=streamed)
    assert response.status_code == 200, response.text
    record = check_once(world, database, response.headers["x-weir-request-id"])
    assert (record["key_id"], record["provider_id"]) == (key.id, upstream.id)
    assert (record["model"], record["operation"]) == ("m", OPERATION[client_schema])
    assert record["upstream_model"] == {"openai": "gpt-4o", "anthropic": "claude-sonnet-5"}[provider_schema]
    assert (record["input_tokens"], record["cached_input_tokens"], record["output_tokens"]) == (1000, 400, 77)
    assert (record["input_source"], record["output_source"]) == ("provider", "provider")
    assert decimal.Decimal(record["cost_usd"]) == decimal.Decimal(COST) / 10**12 and record["price_version"]
    assert (record["status"], record["outcome"], record["error_code"]) == (200, "complete", "")
    assert (record["streamed"], record["attempts"], record["guardrail_findings"]) == (streamed, 1, [])
    assert 0 < record["latency_us"] < 10_000_000
    assert 0 < record["time_to_first_token_us"] <= record["latency_us"]
    assert record["revision"] > 0
    started = datetime.datetime.fromisoformat(record["started_at"])
    assert abs((started - began).total_seconds()) < 5
    # A stream's headers leave before its cost is known.
    assert response.headers.get("x-weir-cost") == (None if streamed else f"{decimal.Decimal(COST) / 10**12:.6f}")


def test_a_stream_is_metered_though_its_client_did_not_ask_for_usage(world, database):
    upstream = world.upstream("openai", ok("Hi there.", usage=USAGE))
    world.model("m", upstream)
    response = post(world.http(), "openai", "m", stream=True)
    seen = [event.json for event in events(response.text.splitlines()) if event.data != "[DONE]"]
    assert all(chunk["choices"] for chunk in seen), "the client saw the usage chunk that it did not ask for"
    assert all(chunk.get("usage") is None for chunk in seen)
    record = check_once(world, database, response.headers["x-weir-request-id"])
    assert (record["output_tokens"], record["output_source"]) == (77, "provider")


def test_embeddings_are_recorded(world, database):
    upstream = world.upstream("openai")
    world.model("e", world.member(upstream, model="text-embedding-3-small"))
    response = world.http().post("/v1/embeddings", json={"model": "e", "input": "x" * 400})
    assert response.status_code == 200, response.text
    record = check_once(world, database, response.headers["x-weir-request-id"])
    assert (record["operation"], record["input_tokens"], record["output_tokens"]) == ("embeddings", 100, 0)
    assert (record["input_source"], record["cost_microusd"]) == ("provider", 250)


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_a_client_that_hangs_up_is_charged_for_what_was_streamed(world, database, client_schema, provider_schema):
    upstream = world.upstream(provider_schema, told("stall_after", chunks=6))
    world.model("m", upstream)
    http = world.http()
    body = ask(client_schema, "m", stream=True)
    with http.stream("POST", path_of(client_schema), json=body) as response:
        assert response.status_code == 200
        stream = events(response.iter_lines())
        for _ in range(4):
            next(stream)
        request_id = response.headers["x-weir-request-id"]
    eventually(lambda: upstream.only().finished == "client_gone", what="the upstream connection closed")
    record = check_once(world, database, request_id)
    assert (record["outcome"], record["status"]) == ("client_disconnect", 200)
    assert record["output_source"] == "estimated"
    assert record["input_tokens"] > 0 and record["output_tokens"] > 0 and record["cost_microusd"] > 0
    assert record["time_to_first_token_us"] > 0


def test_a_client_that_hangs_up_before_any_answer_is_recorded(world, database):
    upstream = world.upstream("openai", told("hang"))
    world.model("m", upstream)
    key = world.key()
    http = world.http(key)
    with pytest.raises(httpx.ReadTimeout):
        http.post(path_of("openai"), json=ask("openai", "m"), timeout=httpx.Timeout(5, read=0.3))
    eventually(lambda: upstream.only().finished == "client_gone", what="the upstream connection closed")
    (record,) = eventually(lambda: world.admin.usage(key_id=key.id), what="a record")
    assert len(rows(database, record["request_id"])) == 1
    assert (record["outcome"], record["status"]) == ("client_disconnect", 0)
    assert record["time_to_first_token_us"] is None


@pytest.mark.parametrize("client_schema", SCHEMAS)
def test_a_failed_request_is_recorded_without_cost(world, database, client_schema):
    upstream = world.upstream("openai", status(503))
    world.model("m", upstream)
    response = post(world.http(), client_schema, "m")
    record = check_once(world, database, response.headers["x-weir-request-id"])
    assert (record["outcome"], record["status"], record["error_code"]) == ("failed", 503, "upstream_unavailable")
    assert (record["output_tokens"], record["cost_microusd"], record["attempts"]) == (0, 0, 1)
    assert record["time_to_first_token_us"] is None


def test_a_refused_request_is_recorded_without_cost(world, database):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    http = world.http()
    for status_code, fields in ((404, {"model": "nowhere"}), (400, {"model": "m", "messages": []})):
        response = http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}], **fields})
        assert response.status_code == status_code, response.text
        record = check_once(world, database, response.headers["x-weir-request-id"])
        assert (record["outcome"], record["status"], record["attempts"]) == ("refused", status_code, 0)
        assert (record["input_tokens"], record["output_tokens"], record["cost_microusd"]) == (0, 0, 0)
        assert (record["input_source"], record["output_source"]) == ("none", "none")
        assert record["error_code"]


def test_an_unpriced_model_costs_nothing_and_says_so(world, database):
    world.model("m", world.member(world.upstream("openai"), price=None))
    response = post(world.http(), "openai", "m")
    record = check_once(world, database, response.headers["x-weir-request-id"])
    assert (record["cost_microusd"], record["price_version"]) == (0, "") and record["output_tokens"] > 0


def test_a_hundred_requests_leave_a_hundred_records(world, database):
    world.model("m", world.upstream("openai"))
    key = world.key()
    http = world.http(key)
    ids = [post(http, "openai", "m", stream=number % 2 == 0).headers["x-weir-request-id"] for number in range(100)]
    assert len(set(ids)) == 100

    def all_there():
        cursor = database.execute("SELECT request_id::text FROM usage_records WHERE key_id = %s", (key.id,))
        return sorted(row[0] for row in cursor.fetchall()) == sorted(ids)

    eventually(all_there, what="a hundred records")
    assert sorted(record["request_id"] for record in world.admin.usage(key_id=key.id)) == sorted(ids)


def test_records_are_listed_newest_first_and_by_each_filter(world):
    world.model("a", world.upstream("openai"))
    world.model("b", world.upstream("openai"))
    one, other = world.key(), world.key()
    asked = [(world.http(key), model) for key in (one, other) for model in ("a", "b")]
    ids = [post(http, "openai", model).headers["x-weir-request-id"] for http, model in asked]
    for request_id in ids:
        world.record(request_id)

    def listed(**filters):
        return [record["request_id"] for record in world.admin.usage(**filters)]

    assert listed(tenant_id=world.tenant_id) == ids[::-1]
    assert listed(tenant_id=world.tenant_id, limit=1) == ids[::-1]
    assert listed(key_id=one.id) == ids[1::-1]
    assert listed(tenant_id=world.tenant_id, model="a") == [ids[2], ids[0]]
    third = world.record(ids[2])["started_at"]
    assert listed(tenant_id=world.tenant_id, **{"from": third}) == [ids[3], ids[2]]
    assert listed(tenant_id=world.tenant_id, to=third) == [ids[1], ids[0]]
