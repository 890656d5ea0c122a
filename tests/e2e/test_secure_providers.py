"""Providers on the internet are reached under TLS, and most of them by HTTP/2. What `test_failover.py` and
`test_faults_provider.py` say holds there too (`over_both`); here is what only such connections have.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest
from h2.connection import H2Connection

from weir_e2e.crowd import crowd
from weir_e2e.load import Client, Load
from weir_e2e.provider import Scenario, ok, told
from weir_e2e.raw_http2 import Http2Server, whole
from weir_e2e.secure import Authority, SecureProvider
from weir_e2e.sse import ask, check_error, events, headers_of, path_of, post, said, said_in_stream
from weir_e2e.waiting import eventually
from weir_e2e.world import World

SCHEMAS = ["openai", "anthropic"]


@pytest.fixture
def world_of(admin, run):
    """Makes tenants whose providers are those of this process."""
    return lambda fake: World(admin, fake, run["gateway_url"])


@pytest.fixture
def transport():
    """All of it is about this one."""
    return "http2"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client_schema", SCHEMAS)
@pytest.mark.parametrize("provider_schema", SCHEMAS)
def test_a_provider_is_spoken_to_in_http2(world, client_schema, provider_schema, streamed):
    upstream = world.upstream(provider_schema, ok("as asked"))
    world.model("m", upstream)
    response = post(world.http(), client_schema, "m", stream=streamed)
    assert response.status_code == 200, response.text
    if streamed:
        assert said_in_stream(client_schema, events(response.text.splitlines())) == "as asked"
    else:
        assert said(client_schema, response.json()) == "as asked"
    received = upstream.only()
    assert received.version == "HTTP/2.0"
    assert received.authority == urlsplit(upstream.scenario.base_url).netloc
    assert received.holds(upstream.credential)
    # What belongs to a connection of HTTP/1.1 is malformed here (RFC 9113, 8.2.2).
    assert not {"host", "connection", "transfer-encoding", "keep-alive", "upgrade"} & dict(received.headers).keys()


def test_a_provider_without_http2_is_spoken_to_in_http1(authority, world_of):
    with SecureProvider(authority, "--only-http1") as provider:
        world = world_of(provider.as_host("localhost"))
        upstream = world.upstream("openai")
        world.model("m", upstream)
        http = world.http()
        assert post(http, "openai", "m").status_code == 200
        assert post(http, "openai", "m", stream=True).text.endswith("data: [DONE]\n\n")
        assert [received.version for received in upstream.received()] == ["HTTP/1.1"] * 2


def test_a_large_prompt_passes_the_windows_of_http2(world):
    """Far more than a stream or a connection may send before the receiver says that it has read (RFC 9113, 5.2)."""
    upstream = world.upstream("openai", ok("read"))
    world.model("m", upstream)
    prompt = "a long prompt " * 400_000
    response = post(world.http(), "openai", "m", messages=[{"role": "user", "content": prompt}])
    assert response.status_code == 200, response.text
    assert upstream.only().json["messages"][0]["content"] == prompt


# --- who is not who it says it is


def named(world: World, scenario: Scenario, host: str) -> dict:
    """The scenario as a member of a pool, under another name."""
    port = urlsplit(scenario.base_url).port
    return world.at(scenario.base_url.replace(f"//localhost:{port}", f"//{host}:{port}"))


@contextmanager
def strangers() -> Iterator[Authority]:
    """An authority that nobody trusts."""
    stranger = Authority()
    try:
        yield stranger
    finally:
        stranger.close()


def check_not_asked(world: World, member: dict, scenario: Scenario) -> None:
    """The member is shown nothing, and the next one answers."""
    world.model("alone", member)
    world.model("m", member, world.upstream("anthropic", ok("from the second")))
    http = world.http()
    for streamed in (False, True):
        check_error("openai", post(http, "openai", "alone", stream=streamed), 503, "upstream_unavailable")
    assert said("openai", post(http, "openai", "m").json()) == "from the second"
    assert scenario.received() == []


def test_a_certificate_for_an_address_is_for_that_address(world):
    scenario = world.fake.scenario(ok("by address"))
    world.model("m", named(world, scenario, "127.0.0.1"))
    assert said("openai", post(world.http(), "openai", "m").json()) == "by address"


def test_a_provider_with_a_certificate_for_another_name_is_shown_nothing(authority, world_of):
    with SecureProvider(authority, names=("localhost", "api.example.com")) as provider:
        world = world_of(provider.as_host("localhost"))
        scenario = world.fake.scenario()
        check_not_asked(world, named(world, scenario, "127.0.0.1"), scenario)


def test_a_provider_with_a_certificate_of_a_strangers_is_shown_nothing(world):
    with strangers() as authority, SecureProvider(authority) as provider:
        scenario = provider.as_host("localhost").scenario()
        check_not_asked(world, named(world, scenario, "localhost"), scenario)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_provider_that_never_shows_a_certificate_has_no_more_than_its_share(world, streamed):
    """It takes connections and says nothing: the time to connect includes the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        times = {"first_byte_timeout_ms": 400, "request_timeout_ms": 1600}
        world.model("m", world.at(base_url), world.upstream("openai", ok("from the second")), **times)
        http = world.http()
        began = time.monotonic()
        response = post(http, "openai", "m", stream=streamed)
        assert response.status_code == 200, response.text
        assert 0.4 <= time.monotonic() - began < 1.6


# --- many on one connection


def count(envoy: httpx.Client, name: str) -> int:
    """A counter or gauge of Envoy's."""
    return int(envoy.get("/stats", params={"filter": f"^{name}$"}).text.rsplit(": ", 1)[1])


def test_a_connection_that_went_dead_is_given_up_before_anybody_waits_on_it(authority, world_of, envoy):
    """A peer that vanished (a NAT that forgot the connection, a host that was switched off) does not say so."""
    with SecureProvider(authority) as provider:
        world = world_of(provider.as_host("localhost"))
        model = world.model("m", world.upstream("openai"))
        http = world.http()
        assert post(http, "openai", "m").status_code == 200

        with provider.paused():
            given_up = partial(count, envoy, f"cluster.weir.pool.{model['pool_id']}.http2.keepalive_timeout")
            eventually(given_up, within_s=60, every_s=0.5, what="the dead connection given up")
        assert post(http, "openai", "m").status_code == 200


def test_one_stream_that_is_reset_is_the_only_one(world, envoy):
    """All streams to a provider may share a connection; what ends one of them ends no other."""
    words = " ".join(str(number) for number in range(20))
    behaviours = [told("reset_after", chunks=2), ok(words, delay_ms=50)] * 10
    upstream = world.upstream("openai", *behaviours)
    model = world.model("m", upstream)
    http = world.http()

    def heard(_: int) -> bool:
        body = ask("openai", "m", stream=True)
        with http.stream("POST", path_of("openai"), json=body, headers=headers_of("openai")) as response:
            try:
                return said_in_stream("openai", events(response.iter_lines())) == words
            except httpx.RemoteProtocolError:
                return False

    with ThreadPoolExecutor(20) as pool:
        ends = list(pool.map(heard, range(20)))
    assert ends.count(True) == 10
    assert {received.version for received in upstream.received()} == {"HTTP/2.0"}
    # Each worker of Envoy's has one.
    assert count(envoy, f"cluster.weir.pool.{model['pool_id']}.upstream_cx_http2_total") <= count(envoy, "server.concurrency")


def test_a_connection_that_takes_no_more_costs_no_request(authority, world_of, envoy):
    """Servers end a connection after so many requests (GOAWAY: RFC 9113, 6.8), here after three. Those under way on it are
    answered, and the next ones go to another, also where the pool has no second member.
    """
    with SecureProvider(authority, "--requests-per-connection", "3") as provider:
        world = world_of(provider.as_host("localhost"))
        upstream = world.upstream("openai", ok("one two three", delay_ms=5))
        model = world.model("m", upstream)
        clients = [Client(f"client {number}", world.key().secret, "m") for number in range(12)]
        world.admin.settle()
        with Load(world.gateway_url, clients, every_s=0) as load:
            deadline = time.monotonic() + 20
            while len(load.asked()) < 600 and time.monotonic() < deadline:
                time.sleep(0.05)
        wrong = load.asked(lambda one: one.status != 200)
        assert not wrong, (len(wrong), len(load.asked()), wrong[0])
        assert len(load.asked()) >= 600
        opened = count(envoy, f"cluster.weir.pool.{model['pool_id']}.upstream_cx_http2_total")
        # Those of all twelve clients may be on their way when a connection says so.
        assert opened >= 40
        assert {received.version for received in upstream.received()} == {"HTTP/2.0"}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_more_at_once_than_a_new_connection_takes(authority, world_of, envoy, streamed):
    """A server says how many streams a connection may have only after it was opened, and refuses those that came before
    (RFC 9113, 5.1.2). So no connection is given more than any server takes.
    """
    with SecureProvider(authority) as provider:
        world = world_of(provider.as_host("localhost"))
        upstream = world.upstream("openai", ok("one two three"))
        name = f"cluster.weir.pool.{world.model('m', upstream)['pool_id']}"
        secret = world.key().secret
        world.admin.settle()
        # All have come before the first handshake can end.
        with provider.paused(), ThreadPoolExecutor(1) as pool:
            asking = pool.submit(lambda: asyncio.run(crowd(world, secret, 600, streamed=streamed)))
            waiting = partial(count, envoy, f"{name}.upstream_rq_pending_active")
            eventually(lambda: waiting() > 500, within_s=3.5, every_s=0.05, what="a crowd that waits for a connection")
            provider.resume()
            answers = asking.result()
        wrong = [
            answer
            for answer in answers
            if b" 200 OK" not in answer[:20] or (streamed and b"data: [DONE]" not in answer)
        ]
        assert not wrong, (len(wrong), wrong[0][:500])
        assert len(upstream.received()) == 600
        assert count(envoy, f"{name}.upstream_rq_retry") == 0, "none was refused"


class Forgetful:
    """Answers the first request of a connection only, and says so once another has come; after some connections it answers all."""

    def __init__(self, connections: int):
        self.left = connections
        self.asked: dict[H2Connection, list[int]] = {}
        self.forgotten = 0

    def __call__(self, http2: H2Connection, stream: int) -> None:
        if http2 not in self.asked and self.left == 0:
            whole(http2, stream)
            return
        if http2 not in self.asked:
            self.left -= 1
        asked = self.asked.setdefault(http2, [])
        asked.append(stream)
        if len(asked) == 2:
            whole(http2, asked[0])
            self.forgotten += 1
            http2.close_connection(last_stream_id=asked[0])


def test_a_request_that_a_server_says_it_never_looked_at_is_asked_for_again(authority, world):
    """A server that goes away names the last request that it took (RFC 9113, 6.8); those behind it may be sent again whatever they
    are. Only requests that cross its word on the way are behind it, hence more than one at once.
    """
    forgetful = Forgetful(connections=2)
    with Http2Server(authority, forgetful) as server:
        world.model("m", world.at(server.base_url))
        secret = world.key().secret
        answers = asyncio.run(crowd(world, secret, 24, streamed=False))
        wrong = [answer for answer in answers if b" 200 OK" not in answer[:20]]
        assert not wrong, (len(wrong), wrong[0][:500])
        assert forgetful.forgotten > 0
