"""The official JavaScript SDKs, driven by the scripts in `node/`."""

import json
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1] / "node"

# Nothing of the machine may change what an SDK sends, or where.
FOREIGN = ("OPENAI_", "ANTHROPIC_", "NODE_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")

RUN_S = 30


def run(script: str, case: str, **wanted: Any) -> Any:
    """What an SDK made of a case of a script, which reads what is `wanted`: `url`, `key`, `model`, and more."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    done = subprocess.run(
        [os.environ.get("WEIR_NODE", "node"), SCRIPTS / f"{script}.mjs"],
        input=json.dumps({"case": case, **wanted}),
        env=environment,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, f"{script} {case}: {done.stderr[-4000:]}"
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Sdk:
    """An SDK by one of its APIs, and what must hold whichever it is."""

    script: str
    # The SDK's word for a good end, and for one in a call.
    end: str
    called: str
    # Which of its APIs, where the script has several.
    api: str | None = None

    def check_answer(self, case: str, **wanted: str) -> None:
        """A question, `whole` or `streamed`, is answered."""
        answer = run(self.script, case, api=self.api, **wanted)
        assert answer["text"].endswith("You said: What is a weir?")
        assert answer["finish"] == self.end
        assert answer["input"] > 0 and answer["output"] > 0
        assert case == "whole" or answer["pieces"] > 5

    def check_call(self, case: str, **wanted: str) -> None:
        """A tool is called by an answer, a `tool` or `tool_streamed`, and what it answered is heard."""
        answer = run(self.script, case, api=self.api, **wanted)
        assert (answer["name"], answer["arguments"]) == ("weather", {"city": "Paris"})
        assert answer["finish"] == self.called
        assert answer["heard"].endswith("The tool answered: rain, 9 degrees")

    def check_refusal(self, status: int, code: str, **wanted: str) -> None:
        """A refusal is told by its status and code."""
        refused = run(self.script, "refused", api=self.api, **wanted)
        assert (refused["status"], refused["code"]) == (status, code)
        assert uuid.UUID(refused["request"]).version == 7
