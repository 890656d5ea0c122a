"""The official JavaScript SDKs, given only the base URL and a key. They connect by Node's `fetch`."""

import pytest

from weir_e2e import node
from weir_e2e.node import Sdk

SDKS = {
    "openai": Sdk("openai", end="stop", called="tool_calls"),
    "anthropic": Sdk("anthropic", end="end_turn", called="tool_use"),
    "vercel chat": Sdk("vercel", api="chat", end="stop", called="tool-calls"),
    "vercel anthropic": Sdk("vercel", api="anthropic", end="stop", called="tool-calls"),
}
# As aggregators name models: the SDKs escape both signs in a path.
ODD_NAME = "meta/llama-3:free"

each_sdk = pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
# Whichever provider has it.
each_model = pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-5"])


@each_sdk
@each_model
@pytest.mark.parametrize("case", ["whole", "streamed"])
def test_a_question_is_answered(run, sdk, model, case):
    sdk.check_answer(case, url=run["gateway_url"], key=run["api_key"], model=model)


@each_sdk
@each_model
@pytest.mark.parametrize("case", ["tool", "tool_streamed"])
def test_a_tool_is_called_and_its_result_is_heard(run, sdk, model, case):
    sdk.check_call(case, url=run["gateway_url"], key=run["api_key"], model=model)


@each_sdk
def test_a_refusal_is_told_by_its_code(run, sdk):
    url, key = run["gateway_url"], run["api_key"]
    sdk.check_refusal(401, "invalid_api_key", url=url, key="sk-nobody", model="gpt-4o")
    sdk.check_refusal(404, "model_not_found", url=url, key=key, model="nobody-has-it")


@pytest.mark.parametrize("script", ["openai", "anthropic"])
def test_models_are_listed_and_found_by_any_name(world, script):
    world.model(ODD_NAME, world.upstream("openai"))
    world.model("plain", world.upstream("anthropic"))
    key = world.key().secret
    world.admin.settle()
    for name in ["plain", ODD_NAME]:
        answer = node.run(script, "models", url=world.gateway_url, key=key, model=name)
        assert answer == {"names": [ODD_NAME, "plain"], "retrieved": name}
