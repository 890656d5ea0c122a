"""The module before this one, under the present control plane: gateways are upgraded one after the other.

The reverse, the present module under a control plane before it, is held by the metadata and configurations that are kept as fixtures in
the filters' own tests.
"""

import lzma
from pathlib import Path

import pytest

from weir_e2e.deployment import Deployment
from weir_e2e.provider import ok, status
from weir_e2e.sse import check_error, events, post, said, said_in_stream
from weir_e2e.waiting import wait_for_a_minute_with

PREVIOUS = Path(__file__).parent / "fixtures/weir-previous.wasm.xz"
CARD = "4111 1111 1111 1111"
SCHEMAS = ["openai", "anthropic"]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    """A system whose Envoy has the older module."""
    folder = tmp_path_factory.mktemp("previous")
    # The control plane serves it to Envoy, and may run as another user.
    folder.chmod(0o755)
    module = folder / "weir.wasm"
    module.write_bytes(lzma.decompress(PREVIOUS.read_bytes()))
    with Deployment(WEIR_WASM=str(module)) as deployment:
        yield deployment


@pytest.fixture
def old_world(deployment):
    """A tenant there."""
    return deployment.world()


@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_chat_is_answered_and_recorded(old_world, client_schema, provider_schema, streamed):
    upstream = old_world.upstream(provider_schema, ok("All is well."))
    old_world.model("m", upstream)
    response = post(old_world.http(), client_schema, "m", stream=streamed)
    assert response.status_code == 200, response.text
    if streamed:
        answer = said_in_stream(client_schema, events(response.text.splitlines()))
    else:
        answer = said(client_schema, response.json())
    assert answer == "All is well."
    upstream.only()
    record = old_world.record(response.headers["x-weir-request-id"])
    assert (record["outcome"], record["attempts"]) == ("complete", 1)
    assert record["output_tokens"] > 0


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_next_member_answers_and_an_error_is_told(old_world, schema):
    failing = old_world.upstream(schema, status(500))
    old_world.model("m", failing, old_world.upstream(schema, ok("Second.")))
    old_world.model("bad", old_world.upstream(schema, status(400, body={"error": {"message": "too hot"}})))
    http = old_world.http()
    assert said(schema, post(http, schema, "m").json()) == "Second."
    assert "too hot" in check_error(schema, post(http, schema, "bad"), 400, None)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_guardrails_block(old_world, schema):
    upstream = old_world.upstream(schema)
    old_world.model("m", upstream)
    key = old_world.key(guardrail_profile_id=old_world.profile(("CREDIT_CARD", "block", "both")))
    refused = post(old_world.http(key), schema, "m", messages=[{"role": "user", "content": f"Pay with {CARD}"}])
    check_error(schema, refused, 400, "content_blocked")
    assert upstream.received() == []


def test_a_limit_holds(old_world):
    old_world.model("m", old_world.upstream("openai"))
    key = old_world.key(requests_per_minute=2)
    old_world.admin.settle()
    wait_for_a_minute_with(10)
    http = old_world.http(key)
    assert [post(http, "openai", "m").status_code for _ in range(3)] == [200, 200, 429]
