"""Weir added by `weir install envoy` to an Envoy that does something else: it serves, and everything else stays as it was."""

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from weir_e2e.lone_envoy import own_envoy, write_token
from weir_e2e.provider import ok
from weir_e2e.replica import Replica
from weir_e2e.sse import check_error, post, said
from weir_e2e.waiting import eventually

# Of an operator who has never heard of Weir: its own styles of writing, its own route table, access log and header rules.
OWN = """\
# The shop's edge.
node:
    id: {node}
    cluster: edge

admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}

static_resources:
    clusters:   # Who does the work.
      - name: shop
        type: STATIC
        connect_timeout: 1s
        load_assignment:
          cluster_name: shop
          endpoints:
            - lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {shop} }} }} }} }}]
    listeners:
      - name: edge
        address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }}
        filter_chains:
          - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                    stat_prefix: edge
                    use_remote_address: true
                    route_config:
                        response_headers_to_add: [{{ header: {{ key: x-edge, value: "1" }} }}]
                        virtual_hosts:
                          # A route to Weir.
                          - name: static
                            domains: [static.example]
                            routes:
                              - match: {{ prefix: / }}
                                direct_response: {{ status: 418, body: {{ inline_string: "short and stout" }} }}
                          - name: shop
                            domains: ["*"]
                            routes:
                              - match: {{ prefix: /shop }}
                                route: {{ cluster: shop, prefix_rewrite: /, timeout: 5s }}
                    http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
"""
ROUTE = """\
                          - name: llm
                            domains: [llm.example]
                            routes:
                              - match: { prefix: / }
                                route: { cluster: weir_gateway, timeout: 0s }
"""
# What another host's traffic may bring that Weir's own listener would take away, rewrite or refuse.
OTHERS = [
    ("GET", "static.example", "/", {}),
    ("GET", "static.example", "/v1/models", {}),
    ("POST", "shop.example", "/shop//a/../b%2Fc?x=1", {"x-weir-pool": "mine", "x-envoy-max-retries": "1", "with_underscores": "1"}),
    ("POST", "shop.example", "/shop/v1/chat/completions", {"authorization": "Bearer of-the-shop", "x-request-id": "own"}),
    ("GET", "shop.example", "/nowhere", {"anthropic-version": "2023-06-01"}),
]
# Of each request's own.
VARYING = {"date", "x-request-id", "x-envoy-upstream-service-time", "host"}


@pytest.fixture(scope="module")
def shop() -> Iterator[int]:
    """Answers with the request as it came; its port."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            seen = {name: value for name, value in self.headers.items() if name != "x-request-id"}
            body = json.dumps([self.command, self.path, seen, "x-request-id" in self.headers]).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def install(system, run, tmp_path):
    """Runs `weir install envoy` in a folder with this bootstrap."""
    binary = os.readlink(f"/proc/{system.pid('control_plane')}/exe")
    token = tmp_path / "token.json"

    def install(bootstrap: str | None, *options: str, control_plane: str = run["xds_address"]) -> "subprocess.CompletedProcess[str]":
        command = [binary, "install", "envoy", "--control-plane", control_plane, "--token-file", str(token), *options]
        if bootstrap is not None:
            (tmp_path / "own.yaml").write_text(bootstrap)
            command += ["--bootstrap", "own.yaml"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    write_token(token, run["gateway_token"])
    return install


def binary() -> str:
    return str(next(Path(sys.prefix).glob("lib/python*/site-packages/envoy/_bin/envoy")))


def answers(url: str) -> list[object]:
    """What others' requests are answered."""
    made: list[object] = []
    for method, host, path, headers in OTHERS:
        raw = httpx.Request(method, url, headers={"host": host, **headers}, content=b"{}" if method == "POST" else None)
        # As it stands: a client's own idea of paths is not the question.
        raw.url = raw.url.copy_with(raw_path=path.encode())
        with httpx.Client(timeout=10) as client:
            answer = client.send(raw)
        own = {name: value for name, value in answer.headers.items() if name not in VARYING}
        made.append((host, path, answer.status_code, own, answer.text))
    return made


def with_route(bootstrap: str) -> str:
    """With what the operator does by hand."""
    marker = "                          # A route to Weir.\n"
    assert bootstrap.count(marker) == 1
    return bootstrap.replace(marker, ROUTE)


def through(envoy, key) -> httpx.Client:
    """A client of the gateway, by the operator's own listener."""
    return httpx.Client(base_url=envoy.url, headers={"host": "llm.example", "authorization": f"Bearer {key.secret}"}, timeout=30)


def test_weir_serves_behind_an_operators_own_routes_and_nothing_else_changes(install, world, shop):
    own = OWN.format(node=f"own-{world.tag}", shop=shop)
    with own_envoy(own) as envoy:
        before = answers(envoy.url)
    assert [answer[2] for answer in before] == [418, 418, 200, 200, 404]

    installed = install(own, "--envoy", binary())
    assert installed.returncode == 0, installed.stderr
    assert "cluster: weir_gateway" in installed.stderr
    # The one thing that the operator does.
    bootstrap = with_route(installed.stdout)

    world.model("m", world.upstream("openai", ok("hello")))
    key = world.key()
    with own_envoy(bootstrap) as envoy, through(envoy, key) as http:
        eventually(lambda: http.get("/v1/models").is_success, within_s=60, what="a gateway behind the operator's listener")
        answer = post(http, "openai", "m")
        assert answer.status_code == 200 and said("openai", answer.json()) == "hello"
        # As by every route of the operator's.
        assert answer.headers["x-edge"] == "1"
        streamed = post(http, "openai", "m", stream=True)
        assert streamed.text.rstrip().endswith("data: [DONE]")
        refused = httpx.get(f"{envoy.url}/v1/models", headers={"host": "llm.example"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        # A cluster of the gateway's own, with all its routes and clusters loaded beside.
        assert answers(envoy.url) == before
        assert world.record(answer.headers["x-weir-request-id"])["outcome"] == "complete"


def test_a_host_by_sni_is_weirs_in_the_operators_listener_and_no_other_changes(install, world, shop, authority):
    _, certificate, _, key_file = authority.certificate("llm.example")
    inspected = """
        listener_filters:
          - name: envoy.filters.listener.tls_inspector
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector }
        filter_chains:
"""
    own = OWN.format(node=f"own-{world.tag}", shop=shop).replace("\n        filter_chains:\n", inspected)
    with own_envoy(own) as envoy:
        before = answers(envoy.url)
    sni = ["--sni", "llm.example", "--listener", "edge", "--certificate", certificate, "--private-key", key_file]
    installed = install(own, "--form", "sni", *sni, "--envoy", binary())
    assert installed.returncode == 0 and "refused with 413" in installed.stderr, installed.stderr
    world.model("m", world.upstream("openai", ok("hello")))
    # What is settled waits for every Envoy, also for one that is compiling.
    headers = world.http().headers

    def ask_by_name(request: httpx.Request) -> None:
        request.extensions = {**request.extensions, "sni_hostname": "llm.example"}

    trusted = ssl.create_default_context(cafile=str(authority.file))
    with own_envoy(installed.stdout) as envoy:
        url = envoy.url.replace("http://", "https://")
        hooks = {"request": [ask_by_name]}
        with httpx.Client(base_url=url, headers=headers, verify=trusted, event_hooks=hooks, timeout=30) as http:
            eventually(lambda: http.get("/v1/models").is_success, within_s=60, what="a gateway by its name")
            answer = post(http, "openai", "m")
        assert answer.status_code == 200 and said("openai", answer.json()) == "hello"
        assert "x-edge" not in answer.headers
        assert answers(envoy.url) == before


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_a_client_behind_an_operators_listener_cannot_say_which_address_it_has(install, world, shop, tmp_path, hops):
    gateway = world.admin.create("gateways", name=f"own-{world.tag}", trusted_hops=hops)
    write_token(tmp_path / "token.json", gateway["token"])
    installed = install(OWN.format(node=f"own-{world.tag}", shop=shop))
    assert "`trusted_hops` of the gateway is 1" in installed.stderr and "BELIEVES" not in installed.stderr
    world.model("m", world.upstream("openai", *[ok("hello")] * 20))
    anywhere, there = world.key(source_cidrs=["0.0.0.0/0", "::/0"]), world.key(source_cidrs=["198.51.100.0/24"])

    def status(envoy, key, forwarded: str | None = None) -> int:
        with through(envoy, key) as http:
            http.headers.update({"x-forwarded-for": forwarded} if forwarded else {})
            answer = post(http, "openai", "m")
            if answer.status_code != 200:
                check_error("openai", answer, 403, "source_not_allowed")
            return answer.status_code

    with own_envoy(with_route(installed.stdout)) as envoy, through(envoy, world.key()) as http:
        eventually(lambda: http.get("/v1/models").is_success, within_s=60, what="a gateway behind the operator's listener")
        # The address that the operator's listener saw.
        assert status(envoy, anywhere) == (200 if hops == 1 else 403)
        assert status(envoy, there) == 403
        # A proxy before this Envoy is believed where the gateway says that there is one.
        for forwarded in ("198.51.100.7", "198.51.100.7,198.51.100.7,198.51.100.7"):
            assert status(envoy, there, forwarded) == (200 if hops == 2 else 403), forwarded
        assert status(envoy, there, "198.51.100.7,unknown") == 403


def test_the_difference_is_the_file_and_only_adds(install, shop, tmp_path):
    own = OWN.format(node="own", shop=shop)
    whole, difference = install(own), install(own, "--diff")
    assert whole.returncode == difference.returncode == 0, whole.stderr + difference.stderr
    changes = [line for line in difference.stdout.splitlines()[2:] if line[:1] in "+-"]
    assert len(changes) > 100 and all(line.startswith("+") for line in changes)
    subprocess.run(["git", "apply", "-p0"], cwd=tmp_path, input=difference.stdout, text=True, check=True, timeout=30)
    assert (tmp_path / "own.yaml").read_text() == whole.stdout


def test_an_envoy_of_weirs_alone_and_one_with_a_port_of_its_own_are_accepted(install, shop):
    for bootstrap, options in ((None, []), (OWN.format(node="own", shop=shop), ["--form", "own-port"])):
        installed = install(bootstrap, "--envoy", binary(), *options)
        assert installed.returncode == 0, installed.stderr
        assert "${" not in installed.stdout


def test_a_listener_that_believes_clients_is_named(install, shop):
    believing = OWN.format(node="own", shop=shop).replace("use_remote_address: true", "use_remote_address: false")
    assert "LISTENER `edge` BELIEVES CLIENTS" in install(believing).stderr


def test_the_way_to_a_control_plane_of_a_known_authority_is_encrypted(install, system, world, authority, tmp_path):
    _, certificate, _, key = authority.certificate("127.0.0.1")
    replica = Replica(system, tmp_path, WEIR_GRPC_TLS_CERT_FILE=certificate, WEIR_GRPC_TLS_KEY_FILE=key)
    own = ["--listen", "127.0.0.1:0", "--admin-port", "0", "--node-id", f"own-{world.tag}"]
    installed = install(None, "--control-plane-ca", str(authority.file), *own, control_plane=f"127.0.0.1:{replica.ports['grpc']}")
    assert installed.returncode == 0, installed.stderr
    world.model("m", world.upstream("openai", ok("hello")))
    with replica.running(), own_envoy(installed.stdout) as envoy:
        with httpx.Client(base_url=envoy.url, headers=world.http().headers, timeout=30) as http:
            eventually(lambda: http.get("/v1/models").is_success, within_s=60, what="a gateway by way of TLS")
            assert post(http, "openai", "m").status_code == 200


def test_a_way_to_the_control_plane_that_is_not_encrypted_is_said(install):
    for control_plane, options, said_so in (
        ("weir.internal:18082", [], True),
        ("10.0.0.7:18082", [], True),
        ("weir.internal:18082", ["--control-plane-ca", "/etc/weir/ca.pem"], False),
        ("127.0.0.1:18082", [], False),
    ):
        installed = install(None, *options, control_plane=control_plane)
        assert installed.returncode == 0
        assert (f"NOTHING ON THE WAY TO {control_plane.split(':')[0]} IS ENCRYPTED" in installed.stderr) is said_so, installed.stderr


def test_what_cannot_be_installed_into_is_said(install, tmp_path, shop):
    old = tmp_path / "old-envoy"
    old.write_text("#!/bin/sh\necho 'envoy  version: 0123abcd/1.36.4/Clean/RELEASE/BoringSSL'\n")
    old.chmod(0o755)
    own = OWN.format(node="own", shop=shop)
    ads = own + "dynamic_resources:\n  ads_config:\n    grpc_services: [{ envoy_grpc: { cluster_name: istiod } }]\n"
    for bootstrap, options, told in (
        (own, ["--envoy", str(old)], "this Envoy is 1.36.4; Weir needs 1.40 or later"),
        (own, ["--envoy", "/nowhere"], "/nowhere cannot be started"),
        (ads, [], "an ADS of its own (istiod)"),
        (own.replace("name: shop\n        type: STATIC", "name: shop\n        type: NONE"), ["--envoy", binary()], "does not accept"),
        ("static_resources: [", [], "no YAML"),
    ):
        refused = install(bootstrap, *options)
        assert refused.returncode == 1 and told in refused.stderr and not refused.stdout, refused.stderr
