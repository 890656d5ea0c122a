"""Connections to the control plane that ask for nothing: they cost neither its files nor anybody's streams."""

import contextlib
import json
import socket
import time
from urllib.parse import urlsplit

import psutil

from weir_e2e.deployment import Deployment
from weir_e2e.sse import post
from weir_e2e.waiting import eventually

# Envoy's count of connections to the control plane that ended with streams on them.
LOST = r"^cluster\.weir_control_plane\.upstream_cx_destroy_with_active_rq$"

BOUND = 40
# So few that those beyond the bound have room in the listener's queue (128), and need not be sent again.
FLOOD = 120

# What a client may have said when it falls silent: nothing, half a head, half of HTTP/2's preface, all of it.
BEGINNINGS = [b"", b"GET / HTTP/1.1\r\nhost: weir\r\n", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]


def test_silent_connections_take_no_more_than_their_bound_and_cut_no_stream(seen):
    with (
        Deployment(WEIR_HTTP_CONNECTIONS=str(BOUND), WEIR_GRPC_CONNECTIONS=str(BOUND)) as own,
        contextlib.ExitStack() as until_later,
    ):
        world = own.world()
        world.model("m", world.upstream("openai"))
        http = world.http()
        assert post(http, "openai", "m").is_success
        before = own.stats(LOST)
        assert before, "Envoy counts no lost streams, so the name of its counter is wrong"
        control_plane = psutil.Process(own.system.pid("control_plane"))
        files = control_plane.num_fds()
        began = time.monotonic()
        flood = {}
        for port, url in (("http", own.run["console_url"]), ("grpc", f"http://{own.run['xds_address']}")):
            at = urlsplit(url)
            flood[port] = [socket.create_connection((at.hostname, at.port), timeout=45) for _ in range(FLOOD)]
            for number, one in enumerate(flood[port]):
                until_later.enter_context(one)
                one.sendall(BEGINNINGS[number % len(BEGINNINGS)])
        eventually(lambda: full_ports(own) == {"http", "grpc"}, within_s=10, what="both ports said to be full")
        most = control_plane.num_fds() - files
        assert most <= 2 * BOUND, f"{most} more files are open"
        assert post(http, "openai", "m").is_success
        # Also with the settings of every day: 30 s of silence end them, and not the streams that are as silent.
        for connections in flood.values():
            for one in connections[: len(BEGINNINGS)]:
                wait_for_the_end(one)
        closed_after = time.monotonic() - began
        assert 25 < closed_after < 45, closed_after
        until_later.close()
        # Who comes now is served at once, by a control plane and an Envoy that have not lost each other.
        world.model("new", world.upstream("openai"))
        assert post(world.http(), "openai", "new").is_success
        assert own.stats(LOST) == before
        seen("silent connections", f"{2 * FLOOD} opened, {most} held at a time, closed after {closed_after:.0f} s")


def full_ports(own) -> set[str]:
    """The ports of which the control plane has said that they are full."""
    log = (own.system.state / "logs/control-plane.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if "all connections are taken" in line]
    return {line["port"] for line in lines}


def wait_for_the_end(one: socket.socket) -> None:
    """Reads until the other end closes."""
    with contextlib.suppress(ConnectionResetError):
        while one.recv(4096):
            pass
