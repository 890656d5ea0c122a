"""Postgres is stopped under load, and started again."""

import signal
import time

import httpx

from weir_e2e.deployment import Deployment
from weir_e2e.load import Client, Load
from weir_e2e.sse import check_error, post
from weir_e2e.waiting import eventually

OUTAGE_S = 30
# What a killed Postgres needs, and a moment more.
KILLED_S = 3
# Lifetime of a principal; see `control-plane/xds/src/build/plugin.rs`.
LIFETIME_S = 60
# Units of a lease are a tenth of the limit: this one covers any outage here, that one only a few seconds.
AMPLE, SCARCE = 60_000, 400


def test_thirty_seconds_without_postgres_cost_no_known_caller_a_request_and_no_record(seen):
    with Deployment() as own:
        world = own.world()
        world.model("m", world.upstream("openai"))
        ample, scarce = world.key(requests_per_minute=AMPLE), world.key(requests_per_minute=SCARCE)
        stranger = world.key()
        clients = [Client(f"known {number}", world.key().secret, "m") for number in range(4)]
        clients += [Client("leased 0", ample.secret, "m"), Client("leased 1", ample.secret, "m")]
        clients += [Client("scarce", scarce.secret, "m")]
        own.admin.settle()
        # Principals are to grow old within the outage, and the outage is to lie in one minute, for which leases are.
        ahead_s = LIFETIME_S - OUTAGE_S + 3
        eventually(lambda: 64 - ahead_s <= time.time() % 60 <= 80 - ahead_s, within_s=61, what="the right half minute")
        with Load(own.run["gateway_url"], clients, every_s=0.2) as load:
            began = time.monotonic()
            eventually(lambda: time.monotonic() - began > ahead_s, within_s=ahead_s + 5, what="principals old enough")
            assert not load.asked(lambda one: one.status != 200)
            with own.system.away("postgres", signal.SIGINT):
                from_s = time.monotonic()
                while time.monotonic() - from_s < OUTAGE_S:
                    with stranger_of(own, stranger) as http:
                        asked = time.monotonic()
                        check_error("openai", post(http, "openai", "m"), 503, "auth_unavailable")
                        assert time.monotonic() - asked < 3
                to_s = time.monotonic()
            back_s = time_until_served(own, stranger)
            eventually(lambda: "scarce" in served_since(load, to_s + back_s), within_s=20, what="leases again")
            # Changes are heard of again, and known within their second once the machine has calmed down.
            world.model("after", world.upstream("openai"))
            own.admin.settle()
            # A change makes the filters ask for the tenant's keys again: whoever has done so is known once more.
            settled_s, names = time.monotonic(), {client.name for client in clients}
            eventually(lambda: names <= served_since(load, settled_s), within_s=20, what="everybody known again")
            with own.system.away("postgres", signal.SIGKILL):
                until_s = time.monotonic() + KILLED_S
                eventually(lambda: time.monotonic() > until_s, within_s=KILLED_S + 1, what="an outage long enough")
            time_until_served(own, stranger)
        tally = own.settled_tally(world, load)
        during = load.asked(lambda one: from_s < one.began < to_s)
        slowest = max(one.took_s for one in during if one.client != "scarce")
        seen(f"Postgres away for {OUTAGE_S} s, then killed", f"{tally}; back {back_s:.1f} s after its start")
        known = sum(one.client != "scarce" for one in during)
        seen("known callers meanwhile", f"{known} asked, all answered, the slowest after {slowest:.2f} s")
        assert not [one for one in during if one.client != "scarce" and one.status != 200][:3]
        unknown = [one for one in load.asked() if one.status != 200 and one.code != "quota_unavailable"]
        assert not unknown, unknown[:3]
        refused = [one for one in during if one.client == "scarce" and one.status != 200]
        assert {(one.status, one.code) for one in refused} == {(503, "quota_unavailable")}
        assert tally.doubled == 0


def stranger_of(own: Deployment, key) -> httpx.Client:
    """A client whose key no worker has seen, on a connection of its own."""
    headers = {"authorization": f"Bearer {key.secret}"}
    return httpx.Client(base_url=own.run["gateway_url"], headers=headers, timeout=10)


def time_until_served(own: Deployment, key) -> float:
    """Seconds until a key that has to be looked up is served on a new connection."""
    began = time.monotonic()

    def served() -> bool:
        with stranger_of(own, key) as http:
            return post(http, "openai", "m").is_success

    eventually(served, within_s=20, what="a key looked up in the database")
    return time.monotonic() - began


def served_since(load: Load, since: float) -> set[str]:
    """Who has been answered that asked after `since`."""
    return {one.client for one in load.asked() if one.began > since and one.status == 200}
