"""`weir gateway drain`: an Envoy ends and nothing is lost."""

import contextlib
import os
import subprocess
import threading
import time

import httpx
import pytest
from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.provider import ok
from weir_e2e.sse import post
from weir_e2e.waiting import eventually


def drain(system, admin_url: str, *options: str) -> "subprocess.CompletedProcess[str]":
    binary = os.readlink(f"/proc/{system.pid('control_plane')}/exe")
    command = [binary, "gateway", "drain", "--admin-url", admin_url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


class Stream(threading.Thread):
    """A stream that is under way."""

    def __init__(self, url: str, secret: str):
        super().__init__()
        self.client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {secret}"}, timeout=60)
        self.begun, self.text, self.request_id = threading.Event(), "", ""

    def run(self) -> None:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        # One that is broken off has no end.
        asked = self.client.stream("POST", "/v1/chat/completions", json=body)
        with contextlib.suppress(httpx.TransportError), self.client, asked as answer:
            self.request_id = answer.headers["x-weir-request-id"]
            for piece in answer.iter_text():
                self.text += piece
                self.begun.set()


def test_a_stream_ends_whole_and_its_usage_arrives_before_envoy_does(system, run, world):
    world.model("m", world.upstream("openai", ok("hello", chunks=1), ok("one two three four", chunks=20, delay_ms=200)))
    key = world.key()
    with lone_envoy(f"drained-{world.tag}", run["gateway_token"], run["xds_address"]) as envoy:
        with httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {key.secret}"}, timeout=30) as http:
            eventually(lambda: post(http, "openai", "m").is_success, within_s=60, what="an Envoy that serves")
        stream = Stream(envoy.url, key.secret)
        stream.start()
        assert stream.begun.wait(30)
        assert stream.is_alive(), "the stream ended before the drain began"
        drained = drain(system, str(envoy.admin.base_url), "--farewell-seconds", "1", "--quit")
        stream.join(30)
        assert drained.returncode == 0, drained.stderr
        assert stream.text.rstrip().endswith("data: [DONE]")
        # Taken before Envoy ended: nobody delivers it afterwards.
        assert world.record(stream.request_id)["outcome"] == "complete"

        def ended() -> bool:
            with pytest.raises(httpx.TransportError):
                envoy.admin.get("/ready")
            return True

        eventually(ended, within_s=10, what="an Envoy that ended")


def test_what_does_not_end_in_time_is_said(system, run, world):
    world.model("m", world.upstream("openai", ok("hello", chunks=1), ok("one two three four", chunks=40, delay_ms=500)))
    key = world.key()
    with lone_envoy(f"impatient-{world.tag}", run["gateway_token"], run["xds_address"]) as envoy:
        with httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {key.secret}"}, timeout=30) as http:
            eventually(lambda: post(http, "openai", "m").is_success, within_s=60, what="an Envoy that serves")
        stream = Stream(envoy.url, key.secret)
        stream.start()
        assert stream.begun.wait(30)
        begin = time.monotonic()
        drained = drain(system, str(envoy.admin.base_url), "--farewell-seconds", "0", "--timeout-seconds", "1")
        assert drained.returncode == 1 and "1 requests were under way" in drained.stderr, drained.stderr
        assert time.monotonic() - begin < 15
    stream.join(30)
    assert "[DONE]" not in stream.text


def test_an_envoy_that_is_not_there_is_said(system):
    drained = drain(system, "http://127.0.0.1:1")
    assert drained.returncode == 1 and "does not answer" in drained.stderr, drained.stderr
