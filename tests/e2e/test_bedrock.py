"""Amazon Bedrock behind a real Envoy: its binary streams read by the official SDKs of others."""

import hashlib
import hmac
from urllib.parse import quote

import httpx
import pytest

from weir_e2e.provider import ok, status, told

QUESTION = [{"role": "user", "content": "What is a weir?"}]
MODEL = "us.anthropic.claude-sonnet-5-v1:0"
USAGE = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 20}


@pytest.fixture
def bedrock(world):
    """A provider that speaks Converse."""

    def make(*behaviours):
        return world.upstream("bedrock_converse", *behaviours, version="/v1")

    return make


def test_an_openai_client(world, bedrock):
    upstream = bedrock(ok("A dam across a river.", usage=USAGE))
    world.model("m", world.member(upstream, MODEL))
    chat = world.openai().chat.completions
    answer = chat.create(model="m", messages=QUESTION)
    assert answer.choices[0].message.content == "A dam across a river."
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 20)
    with chat.stream(model="m", messages=QUESTION, stream_options={"include_usage": True}) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.content == "A dam across a river."
    assert streamed.usage.prompt_tokens_details.cached_tokens == 40
    assert [sent.path.rsplit("/", 1)[1] for sent in upstream.received()] == ["converse", "converse-stream"]
    assert all(sent.header("authorization") == f"Bearer {upstream.credential}" for sent in upstream.received())


@pytest.mark.parametrize("shape", [ok("A dam."), told("split_every", bytes=1)], ids=["plain", "byte by byte"])
def test_an_anthropic_client(world, bedrock, shape):
    world.model("m", world.member(bedrock(shape), MODEL))
    with world.anthropic().messages.stream(model="m", max_tokens=100, messages=QUESTION) as stream:
        message = stream.get_final_message()
    assert message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_one_region_after_the_other(world, bedrock):
    down = world.upstream("openai", status(429, body={"error": {"message": "Slow down."}}))
    us = bedrock(status(429, body={"message": "Too many tokens, please wait."}))
    eu = bedrock(ok("From Europe."))
    world.model("m", down, world.member(us, MODEL), world.member(eu, MODEL))
    answer = world.openai().chat.completions.create(model="m", messages=QUESTION)
    assert answer.choices[0].message.content == "From Europe."
    assert [len(upstream.received()) for upstream in (down, us, eu)] == [1, 1, 1]


def check_signature(sent, scenario, access_key_id, secret, region):
    """What Amazon would compute of what arrived (AWS Signature Version 4)."""
    algorithm, *fields = sent.header("authorization").replace(",", "").split()
    shown = dict(field.split("=", 1) for field in fields)
    time = sent.header("x-amz-date")
    scope = f"{time[:8]}/{region}/bedrock/aws4_request"
    assert (algorithm, shown["Credential"]) == ("AWS4-HMAC-SHA256", f"{access_key_id}/{scope}")
    signed = shown["SignedHeaders"].split(";")
    assert {"host", "x-amz-date", "content-type"} <= set(signed)
    values = {name: sent.header(name) for name in signed} | {"host": sent.authority}
    headers = "".join(f"{name}:{values[name]}\n" for name in signed)
    body = hashlib.sha256(sent.body.encode()).hexdigest()
    # A path is encoded once more than it is sent.
    path = quote(f"/s/{scenario.id}{sent.path}", safe="/-_.~")
    canonical = f"POST\n{path}\n\n{headers}\n{shown['SignedHeaders']}\n{body}"
    text = f"{algorithm}\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for step in (time[:8], region, "bedrock", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    assert shown["Signature"] == hmac.digest(key, text.encode(), "sha256").hex()


def test_each_region_is_signed_for_with_its_own_keys(world, run):
    down = world.upstream("openai", status(429, body={"error": {"message": "Slow down."}}))
    keys = {
        "us-east-1": ("AKIAAAAAAAAAAAAAAAAA", "canary-secret-us/+="),
        "eu-west-1": ("AKIABBBBBBBBBBBBBBBB", "canary-secret-eu"),
    }
    behaviours = {"us-east-1": status(429, body={"message": "Too many tokens."}), "eu-west-1": ok("From Europe.")}
    regions, members = {}, [down]
    for region, pair in keys.items():
        regions[region] = world.fake.scenario(behaviours[region])
        provider = world.admin.create(
            "providers",
            tenant_id=world.tenant_id,
            name=region,
            schema="bedrock_converse",
            preset="bedrock",
            base_url=regions[region].base_url.replace("127.0.0.1", f"bedrock-runtime.{region}.localhost") + "/v1",
            credential=":".join(pair),
        )
        members.append({"provider_id": provider["id"], "model": "eu.anthropic.claude-sonnet-5-v1:0", "price": None})
    world.model("m", *members)
    answer = world.openai().chat.completions.create(model="m", messages=QUESTION)
    assert answer.choices[0].message.content == "From Europe."
    # Who is shown a credential is not signed for.
    assert down.only().header("authorization") == f"Bearer {down.credential}"
    assert down.only().header("x-amz-date") is None
    for region, scenario in regions.items():
        check_signature(scenario.only(), scenario, *keys[region], region)
    dump = httpx.get(f"{run['envoy_admin_url']}/config_dump?include_eds").text
    assert "AKIAAAAAAAAAAAAAAAAA" in dump
    assert "canary-secret" not in dump
