"""The control plane dies under load, or was never there."""

import contextlib
import time

import httpx

from weir_e2e.deployment import Deployment
from weir_e2e.load import WAYS, Client, Load
from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.sse import check_error, post
from weir_e2e.waiting import eventually, seconds_until

CLIENTS = 8
KILLS = 3
WARM_UP = 12

# Envoy's counts of what it was sent: clusters, routes, plugins, secrets.
RECEIVED = r"^(cluster_manager\.cds|http\.weir\.rds|extension_config_discovery|sds)\..*(update_success|config_reload)$"


def test_a_killed_control_plane_under_load_costs_no_request_and_no_record(seen):
    with Deployment() as own:
        world = own.world()
        world.model("m", world.upstream("openai"), world.upstream("anthropic"))
        limited = world.key(requests_per_minute=60_000)
        keys = [world.key() for _ in range(CLIENTS - 2)] + [limited, limited]
        own.admin.settle()
        warm_up(world, keys)
        before = own.stats(RECEIVED)
        assert before, "Envoy was sent nothing, so the names of its counters are wrong"
        clients = [Client("known", key.secret, "m") for key in keys]
        with Load(own.run["gateway_url"], clients) as load:
            for _ in range(KILLS):
                killed = own.system.kill("control_plane")
                eventually(lambda gone=killed: own.system.pid("control_plane") != gone, within_s=20, what="a restart")
                # Known keys are asked for again then, so some of the requests of each round need the new one.
                eventually(lambda: connected_since_restart(own), within_s=30, what="Envoy connected again")
        tally = own.settled_tally(world, load)
        seen(f"control plane killed {KILLS} times", tally)
        assert not tally.refused and not tally.failed, [one for one in load.asked() if one.status != 200][:5]
        assert tally.doubled == 0
        assert tally.stored == tally.answered + len(keys) * WARM_UP
        # What Envoy has it is not sent again: neither does it count any, nor did the new control plane send any.
        assert own.stats(RECEIVED) == before
        assert own.metric("weir_xds_responses_total") == 0
        # And it is sent what is new.
        world.model("new", world.upstream("openai"))
        own.admin.settle()
        assert own.stats(RECEIVED) != before
        assert own.metric("weir_xds_responses_total") > 0
        assert post(world.http(keys[0]), "openai", "new").status_code == 200


def warm_up(world, keys) -> None:
    """Each worker keeps its own principals: asks often enough on new connections that all workers know all keys."""
    for key in keys:
        for _ in range(WARM_UP):
            with world.http(key) as http:
                assert post(http, "openai", "m").status_code == 200


def connected_since_restart(own) -> bool:
    """Whether Envoy's configuration stream and its workers' watches are open at the control plane of now."""
    try:
        workers = own.metric("weir_dataplane_watches")
        return own.metric("weir_xds_streams") == 1 and workers >= 2
    except httpx.TransportError:
        return False


def test_an_envoy_that_began_without_its_control_plane_refuses_at_once_and_serves_once_it_is_there(seen):
    with Deployment() as own, contextlib.ExitStack() as until_later:
        world = own.world()
        world.model("m", world.upstream("openai"))
        headers = {"authorization": f"Bearer {world.key().secret}"}
        own.admin.settle()
        with own.system.away("control_plane"):
            token, address = own.run["gateway_token"], own.run["xds_address"]
            early = until_later.enter_context(lone_envoy("e2e-early", token, address))
            http = until_later.enter_context(httpx.Client(base_url=early.url, headers=headers, timeout=10))
            refused = 0
            for schema, streamed in WAYS:
                began = time.monotonic()
                check_error(schema, post(http, schema, "m", stream=streamed), 503, "gateway_not_ready")
                assert time.monotonic() - began < 1
                refused += 1
        back = time.monotonic()
        served = seconds_until(lambda: post(http, "openai", "m").is_success, back, 30, "the early Envoy's first answer")
        assert "e2e-early" in [node["id"] for node in own.admin.connected_nodes()]
        seen("Envoy without a control plane", f"{refused} refused at once; served {served:.1f} s after it was there")
