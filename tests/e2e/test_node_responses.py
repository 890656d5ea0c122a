"""OpenAI's responses by the JavaScript SDKs: what `openai('…')` of Vercel's provider leads to."""

import pytest

from weir_e2e.node import Sdk

SDKS = {
    "openai": Sdk("responses", end="completed", called="completed"),
    "vercel": Sdk("vercel", api="responses", end="stop", called="tool-calls"),
}

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
