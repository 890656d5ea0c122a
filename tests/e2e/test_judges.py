"""Judges in a real Envoy: what only it can show of requests and answers that wait for a service of the operator's."""

import contextlib
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest

from weir_e2e.lone_envoy import static_envoy
from weir_e2e.provider import ok
from weir_e2e.sse import ask, check_error, events, headers_of, path_of, post, said, said_in_stream
from weir_e2e.waiting import eventually

SCHEMAS = ["openai", "anthropic"]
KEY = "the only key"
CREDENTIALS = {"OPENAI_API_KEY": "sk-canary-openai", "ANTHROPIC_API_KEY": "sk-canary-anthropic"}
ANSWER = "from the first"
ALLOW = {"action": "allow"}
REFUSE = {"action": "refuse", "message": "Not about that."}
PER_TRY_S = 1
IDLE_S = 6


class Judge:
    """Answers what it is asked with a body, after a time; one of its own for questions about answers."""

    def __init__(self):
        self.asked = []
        self.behave()
        judge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["content-length"])))
                judge.asked.append((self.path, self.headers["host"], question))
                body, after_s = judge.of[question["direction"]]
                time.sleep(after_s)
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def behave(self, about_requests=ALLOW, about_answers=ALLOW, after_s: float = 0):
        """From now on; a judgement, or bytes."""
        self.asked.clear()
        both = {"input": (about_requests, 0), "output": (about_answers, after_s)}
        self.of = {
            direction: (body if isinstance(body, bytes) else json.dumps(body).encode(), after)
            for direction, (body, after) in both.items()
        }


class Stage:
    """A running Envoy whose only key is under a profile with two judges, and who plays its providers."""

    def __init__(self, envoy, judge, scenarios):
        self.envoy, self.judge, self.scenarios = envoy, judge, scenarios
        self.http = httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20)

    def received(self) -> list[int]:
        return [len(scenario.received()) for scenario in self.scenarios]

    def alive(self) -> None:
        """No VM has ended, and requests are answered."""
        self.judge.behave()
        answer = post(self.http, "openai", "chat")
        assert said("openai", answer.json()) == ANSWER
        stats = self.envoy.admin.get("/stats", params={"filter": "wasm.*(vm_reload|crash)", "usedonly": ""}).text
        assert "vm_reload_success" not in stats or ": 0" in stats, stats


@contextlib.contextmanager
def staged(fake):
    judge = Judge()
    scenarios = [fake.scenario(ok(ANSWER)), fake.scenario(ok("from the second"))]
    urls = [urlsplit(scenario.base_url) for scenario in scenarios]
    port = judge.server.server_address[1]
    rules = '"rules": [{"type": "CREDIT_CARD", "action": "redact"}]'
    judges = json.dumps(
        [{"name": "outside", "cluster": "judge", "authority": "judge.example", "path": "/judge?v=1", "timeout_ms": 3000}]
    )
    cluster = {
        "name": "judge",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024}]},
        "load_assignment": {
            "cluster_name": "judge",
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
                    ]
                }
            ],
        },
    }
    models = ["gpt-5-mini", "claude-haiku-4-5"]
    edits = {
        **{f'"model": "{it}",': f'"model": "{it}", "base_path": "{url.path}/v1",' for it, url in zip(models, urls, strict=True)},
        rules: f'{rules}, "judges": {judges}',
        "  clusters:\n    - name: weir.pool.chat": f"  clusters:\n    - {json.dumps(cluster)}\n    - name: weir.pool.chat",
        # What a judge takes longer than.
        "per_try_timeout: 90s": f"per_try_timeout: {PER_TRY_S}s",
        "per_try_timeout: 300s": f"per_try_timeout: {PER_TRY_S}s",
        # More than a judge has.
        "idle_timeout: 300s": f"idle_timeout: {IDLE_S}s",
        f"timeout: 600s\n{' ' * 28}idle_timeout: 600s": f"timeout: 600s\n{' ' * 28}idle_timeout: {IDLE_S}s",
    }
    with static_envoy(KEY, CREDENTIALS, urls[0].netloc, edits) as envoy:
        yield Stage(envoy, judge, scenarios)


@pytest.fixture(scope="module")
def stage(fake):
    with staged(fake) as stage:
        yield stage


BY_SCHEMA = pytest.mark.parametrize("schema", SCHEMAS)
STREAMED = pytest.mark.parametrize("stream", [False, True])


def text_of(schema, answer, stream):
    assert answer.status_code == 200, answer.text
    return said_in_stream(schema, events(answer.text.splitlines())) if stream else said(schema, answer.json())


@BY_SCHEMA
@STREAMED
def test_both_ways_wait_for_the_judge(stage, schema, stream):
    stage.judge.behave(after_s=0.2)
    body = ask(schema, "chat") | {"messages": [{"role": "user", "content": "pay 4111 1111 1111 1111"}], "stream": stream}
    answer = stage.http.post(path_of(schema), json=body, headers=headers_of(schema))
    assert text_of(schema, answer, stream) == ANSWER
    about_request, about_answer = stage.judge.asked
    assert about_request[:2] == ("/judge?v=1", "judge.example")
    common = {"model": "chat", "request_id": answer.headers["x-weir-request-id"]}
    assert about_request[2] == {"direction": "input", "texts": ["pay [CREDIT_CARD]"], **common}
    assert about_answer[2]["direction"] == "output" and ANSWER in about_answer[2]["texts"]
    stage.judge.behave(about_answers=REFUSE, after_s=0.2)
    check_error(schema, post(stage.http, schema, "chat", stream=stream), 400, "content_blocked")
    before = stage.received()
    stage.judge.behave(about_requests=REFUSE)
    check_error(schema, post(stage.http, schema, "chat", stream=stream), 400, "content_blocked")
    assert stage.received() == before


@STREAMED
def test_a_judge_who_takes_longer_than_an_attempt_starts_no_other(stage, stream):
    before = stage.received()
    stage.judge.behave(after_s=PER_TRY_S * 2)
    answer = post(stage.http, "openai", "chat", stream=stream)
    assert text_of("openai", answer, stream) == ANSWER
    # Longer than he is given.
    stage.judge.behave(after_s=10)
    check_error("openai", post(stage.http, "openai", "chat", stream=stream), 503, "guardrail_unavailable")
    assert stage.received() == [before[0] + 2, before[1]]


@pytest.mark.parametrize(
    "answer",
    [b"", b'{"action":"allow"', b'{"action":["allow"]}', b'{"action":"permit"}', b'{"action":"allow"}' + b" " * 10_000_000],
    ids=["nothing", "half", "a list", "another word", "10 MB"],
)
def test_a_judge_who_says_nothing_of_use(stage, answer):
    before = stage.received()
    stage.judge.behave(about_answers=answer)
    check_error("openai", post(stage.http, "openai", "chat"), 503, "guardrail_unavailable")
    assert stage.received() == [before[0] + 1, before[1]]
    stage.alive()


def test_clients_that_leave_are_waited_for_no_more(stage):
    stage.judge.behave(after_s=2.9)
    url = urlsplit(stage.envoy.url)
    for stream in (False, True):
        stage.judge.asked.clear()
        body = json.dumps(ask("openai", "chat") | {"stream": stream}).encode()
        head = f"POST {path_of('openai')} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection((url.hostname, url.port)) as hasty:
            hasty.sendall(head.encode() + body)
            eventually(lambda: len(stage.judge.asked) == 2, what="the question about the answer")
    active = {"filter": "http.gateway.downstream_rq_active"}
    eventually(lambda: ": 0" in stage.envoy.admin.get("/stats", params=active).text, within_s=2, what="nobody waiting")
    stage.alive()


def test_a_thousand_at_once(stage):
    before = stage.received()
    stage.judge.behave(after_s=1)
    with httpx.Client(
        base_url=stage.envoy.url,
        headers={"authorization": f"Bearer {KEY}"},
        timeout=60,
        # Without an expiry: the pool closes an idle connection that it has just given to another thread.
        limits=httpx.Limits(max_connections=1000, keepalive_expiry=None),
    ) as http, ThreadPoolExecutor(250) as pool:
        start = time.monotonic()
        answers = [answer.status_code for answer in pool.map(lambda _: post(http, "openai", "chat"), range(1000))]
        took = time.monotonic() - start
    # Each is judged, or refused where as many wait as may.
    assert set(answers) <= {200, 503} and answers.count(200) >= 256, (answers.count(200), answers.count(503), took)
    assert stage.received()[1] == before[1]
    stage.alive()


def test_an_answer_that_a_dying_vm_holds_goes_to_nobody_and_ends_with_its_idle_time(fake, monkeypatch):
    monkeypatch.setenv("WEIR_WASM", os.environ["WEIR_WASM_CRASH_TRIGGER"])
    with staged(fake) as stage, ThreadPoolExecutor(2) as pool:
        stage.judge.behave(after_s=2)
        held = [pool.submit(post, stage.http, "openai", "chat", stream=stream) for stream in (False, True)]
        eventually(lambda: len(stage.judge.asked) == 4, what="the questions about the answers")
        with httpx.Client(base_url=stage.envoy.url, headers={"crash-the-vm": "now"}, timeout=20) as http:
            assert post(http, "openai", "chat").status_code == 503
        # Envoy calls nobody for what a dead VM holds.
        for future in held:
            try:
                answer = future.result(timeout=20)
            except httpx.TransportError:
                continue
            assert answer.status_code >= 500 and ANSWER not in answer.text, (answer.status_code, answer.text)
        stage.judge.behave()
        assert text_of("openai", post(stage.http, "openai", "chat"), False) == ANSWER
        assert stage.received() == [3, 0]
