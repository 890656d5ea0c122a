"""A client that goes away leaves nothing running at a provider, and exactly one record of what is known.

What the provider said of its usage is what is recorded. What it had not said yet is estimated from the text that went
in and came out, and marked so. A whole answer says nothing before it is done, so that one given up before has the input
alone: what the provider wrote for nobody reached nobody, and whether it bills it only its own invoice tells.
"""

import json

import httpx
import pytest

from weir_e2e.provider import ok, over_both, status, told
from weir_e2e.raw import Connection, post_head
from weir_e2e.sse import ask, path_of, post
from weir_e2e.waiting import eventually

SCHEMAS = ["openai", "anthropic"]
pytestmark = over_both


def send(world, key, schema: str, streamed: bool) -> Connection:
    """Asks over a connection of its own."""
    wish = {"stream_options": {"include_usage": True}} if streamed and schema == "openai" else {}
    body = json.dumps(ask(schema, "m", stream=streamed, **wish)).encode()
    connection = Connection(world.gateway_url)
    connection.send(post_head(schema, key.secret, f"content-length: {len(body)}") + body)
    return connection


def check_cancelled(upstream) -> None:
    """The provider's one request was given up."""
    eventually(lambda: upstream.only().finished == "client_gone", what="the upstream connection closed")


def check_one_record(world, key, database, before: int = 0) -> dict:
    """The record of this key's newest request, once a later one has been recorded too; `before` came before it."""
    record, *_ = eventually(lambda: world.admin.usage(key_id=key.id)[: -before or None], what="a record")
    marker = world.http(key).post(path_of("openai"), json=ask("openai", "nowhere"))
    world.record(marker.headers["x-weir-request-id"])
    rows = database.execute("SELECT request_id::text FROM usage_records WHERE key_id = %s", (key.id,)).fetchall()
    assert len(rows) == len(set(rows)) == before + 2, "one for each request"
    assert (record["outcome"], record["error_code"]) == ("client_disconnect", "client_disconnect")
    return record


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("framing", ["content-length: 1000", "transfer-encoding: chunked"])
def test_in_its_body(world, database, schema, framing):
    upstream = world.upstream("openai")
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    connection = Connection(world.gateway_url)
    # Who is known to be asking: a client that leaves before its key was looked up is nobody yet.
    whole = json.dumps(ask(schema, "nowhere")).encode()
    connection.send(post_head(schema, key.secret, f"content-length: {len(whole)}") + whole)
    assert b" 404 " in connection.answer()
    half = b'{"model": "m", "messages": [{"role": "user", "content": "Hel'
    piece = b"%x\r\n%b\r\n" % (len(half), half) if "chunked" in framing else half
    connection.send(post_head(schema, key.secret, framing) + piece)
    connection.close()
    record = check_one_record(world, key, database, before=1)
    assert (record["status"], record["attempts"], record["cost_microusd"]) == (0, 0, 0)
    assert (record["input_source"], record["output_source"]) == ("none", "none")
    assert upstream.received() == []


SILENCES = {
    "no answer": told("hang"),
    "headers only": told("hang_after_headers"),
    "no content": told("stall_after", chunks=0),
    "signs of life": told("ping_after", chunks=0, every_ms=50),
}


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)
def test_before_the_first_byte(world, database, client_schema, streamed, silence):
    upstream = world.upstream("openai", silence)
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    connection = send(world, key, client_schema, streamed)
    eventually(lambda: upstream.only().finished == "open", what="the request at the provider")
    assert connection.silent()
    connection.close()
    check_cancelled(upstream)
    record = check_one_record(world, key, database)
    assert (record["status"], record["attempts"], record["streamed"]) == (0, 1, streamed)
    assert record["provider_id"] == upstream.id and record["time_to_first_token_us"] is None
    assert (record["input_source"], record["output_source"]) == ("estimated", "estimated")
    assert record["input_tokens"] > 0 and record["cost_microusd"] > 0
    assert record["output_tokens"] == 0


def test_while_the_second_member_is_asked(world, database):
    """The first member's failure is not charged, nor is the third asked."""
    first, second = world.upstream("openai", status(503)), world.upstream("anthropic", told("stall_after", chunks=0))
    third = world.upstream("openai")
    world.model("m", first, second, third)
    key = world.key()
    world.admin.settle()
    connection = send(world, key, "openai", True)
    eventually(lambda: second.only().finished == "open", what="the request at the second member")
    connection.close()
    check_cancelled(second)
    record = check_one_record(world, key, database)
    assert (record["attempts"], record["provider_id"]) == (2, second.id)
    assert first.only().finished == "complete" and third.received() == []


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_in_its_stream(world, database, client_schema, provider_schema):
    upstream = world.upstream(provider_schema, told("stall_after", chunks=6))
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    connection = send(world, key, client_schema, True)
    connection.until(b"demo ")
    connection.close()
    check_cancelled(upstream)
    record = check_one_record(world, key, database)
    assert (record["status"], record["streamed"], record["attempts"]) == (200, True, 1)
    # Anthropic's streams begin with the input's figures.
    assert record["input_source"] == {"openai": "estimated", "anthropic": "provider"}[provider_schema]
    assert record["output_source"] == "estimated"
    # "This is Weir's demo ", at four characters a token.
    assert record["output_tokens"] >= 5 and record["time_to_first_token_us"] > 0


LAST = {"openai": b"[DONE]", "anthropic": b"message_stop"}
FIGURES = {"openai": b'"total_tokens":', "anthropic": b'"type":"message_delta"'}


@pytest.mark.parametrize(
    ("client_schema", "provider_schema", "unsent", "until"),
    [
        *((client, provider, 0, LAST[client]) for client in SCHEMAS for provider in SCHEMAS),
        *((schema, schema, 1, FIGURES[schema]) for schema in SCHEMAS),
    ],
)
def test_after_the_provider_told_its_figures(world, database, client_schema, provider_schema, unsent, until):
    """Whether or not its very last event has come: nothing is estimated that the provider has said."""
    upstream = world.upstream(provider_schema, told("stall_before_end", events=unsent))
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    connection = send(world, key, client_schema, True)
    connection.until(until)
    connection.close()
    check_cancelled(upstream)
    record = check_one_record(world, key, database)
    assert (record["input_source"], record["output_source"]) == ("provider", "provider")
    assert record["output_tokens"] == 16


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_in_the_middle_of_a_whole_answer(world, envoy, database, client_schema, provider_schema):
    """Half a document says nothing that could be read, and none of it reached the client."""
    # Blanks after the half, for ever: once Envoy has some KB of them, it has the half as well.
    upstream = world.upstream(provider_schema, told("ping_after", chunks=2, every_ms=1))
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    before = bytes_from_providers(envoy)
    connection = send(world, key, client_schema, False)
    eventually(lambda: bytes_from_providers(envoy) - before > 4000, what="the half of the answer at Envoy")
    assert connection.silent() and upstream.only().finished == "open"
    connection.close()
    check_cancelled(upstream)
    record = check_one_record(world, key, database)
    assert (record["status"], record["streamed"]) == (0, False)
    assert (record["input_source"], record["output_source"], record["output_tokens"]) == ("estimated", "estimated", 0)


def bytes_from_providers(envoy) -> int:
    """What Envoy has read so far of what providers wrote."""
    name = r"^cluster\.weir\.(deployment|pool)\..*\.upstream_cx_rx_bytes_total$"
    lines = envoy.get("/stats", params={"filter": name}).text.splitlines()
    return sum(int(line.rsplit(": ", 1)[1]) for line in lines)


def test_a_client_that_leaves_harms_no_other(world):
    """Connections to a provider are shared; one that was given up is not used again."""
    upstream = world.upstream("openai", told("stall_after", chunks=2), told("hang"), ok("for the next"))
    world.model("m", upstream)
    key = world.key()
    world.admin.settle()
    for number in (1, 2):
        connection = send(world, key, "openai", True)
        eventually(lambda number=number: len(upstream.received()) == number, what="the request at the provider")
        connection.close()
    assert "for the next" in post(world.http(key), "openai", "m").text
