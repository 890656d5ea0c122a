"""Control planes of two versions on one database, under load: a gateway is upgraded without a request that fails."""

import contextlib
import time

import httpx
import psycopg

from weir_e2e.deployment import Deployment
from weir_e2e.load import Client, Load
from weir_e2e.provider import ok
from weir_e2e.sse import post, said
from weir_e2e.waiting import eventually, seconds_until

CLIENTS = 6
WARM_UP = 12
BAR_S = 1.0

# What the migrations of a later version may do: columns that this one does not know.
LATER_SCHEMA = """
INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
VALUES (999999, 'of a later version', true, '\\x00', 0);
ALTER TABLE api_keys ADD COLUMN of_a_later_version text NOT NULL DEFAULT 'x';
ALTER TABLE providers ADD COLUMN of_a_later_version text NOT NULL DEFAULT 'x';
ALTER TABLE tenants ADD COLUMN of_a_later_version text NOT NULL DEFAULT 'x';
"""
UNKNOWN_CHANGE = """
INSERT INTO changes (revision, position, kind, resource_id, affects_configuration)
SELECT revision, 0, 'of a later version', gen_random_uuid(), false FROM policy_revision
"""


class Later:
    """A control plane of a later version, as its database sees it. Each write is one transaction with the next revision."""

    def __init__(self, database_url: str):
        self.connection = psycopg.connect(database_url, autocommit=True, connect_timeout=5)

    def migrate(self) -> None:
        self.connection.execute(LATER_SCHEMA)

    def write(self, statement: str, *values: object, change: str = UNKNOWN_CHANGE) -> None:
        """With the row of what has changed, and the notification that others wait for."""
        with self.connection.transaction():
            self.connection.execute("UPDATE policy_revision SET revision = revision + 1")
            self.connection.execute(statement, values)
            if change:
                self.connection.execute(change)
            self.connection.execute("SELECT pg_notify('weir_changes', revision::text) FROM policy_revision")


@contextlib.contextmanager
def loaded(own, world):
    """Clients who are known to all workers ask all the time."""
    keys = [world.key() for _ in range(CLIENTS)]
    own.admin.settle()
    for key in keys:
        for _ in range(WARM_UP):
            with world.http(key) as http:
                assert post(http, "openai", "m").status_code == 200
    with Load(own.run["gateway_url"], [Client("known", key.secret, "m") for key in keys]) as load:
        yield load


def served_once_more(load) -> None:
    """Each client was served since now."""
    so_far = len(load.asked())
    eventually(lambda: len(load.asked()) >= so_far + 4 * CLIENTS, within_s=30, what="clients that are served")


def impatient(world, key) -> httpx.Client:
    """A client that does not wait for what was written."""
    return httpx.Client(base_url=world.gateway_url, headers={"authorization": f"Bearer {key.secret}"}, timeout=30)


def refused_within_a_second(world, key, revoke) -> float:
    """How long a key that was good is still taken after `revoke` was done."""
    world.admin.settle()
    with impatient(world, key) as http:
        assert post(http, "openai", "m").status_code == 200
        revoke()
        return seconds_until(lambda: post(http, "openai", "m").status_code == 401, time.monotonic(), BAR_S, "a refusal")


def check(own, world, load, seen, what: str, times: list[float]) -> None:
    """No request failed, and all are in the ledger."""
    tally = own.settled_tally(world, load)
    seen(what, f"{tally}; revoked keys refused after {', '.join(f'{time * 1000:.0f} ms' for time in times)}")
    assert not tally.refused and not tally.failed, [one for one in load.asked() if one.status != 200][:5]
    assert tally.doubled == 0


def test_what_a_later_version_writes_is_followed_and_costs_no_request(seen):
    with Deployment() as own:
        world = own.world()
        upstream = world.upstream("openai", ok("from here"))
        world.model("m", upstream)
        there = world.fake.scenario(ok("from there"))
        later = Later(own.run["database_url"])
        times = []
        with loaded(own, world) as load:
            later.migrate()
            served_once_more(load)

            # A change of a kind that is not known here, one whose rows were purged before it was read, and our own beside.
            for change in (UNKNOWN_CHANGE, ""):
                key = world.key()
                revoke = "UPDATE api_keys SET revoked_at = now() WHERE id = %s"
                times.append(
                    refused_within_a_second(
                        world, key, lambda key=key, change=change: later.write(revoke, key.id, change=change)
                    )
                )
            key = world.key()
            times.append(refused_within_a_second(world, key, lambda: world.admin.revoke(key.id)))

            # Also of what Envoy is configured with.
            with impatient(world, world.key()) as http:
                world.admin.settle()
                assert said("openai", post(http, "openai", "m").json()) == "from here"
                later.write("UPDATE providers SET base_url = %s WHERE id = %s", there.base_url, upstream.id)
                since = time.monotonic()
                moved = seconds_until(
                    lambda: said("openai", post(http, "openai", "m").json()) == "from there", since, BAR_S, "the provider moved"
                )

            # And it starts on that schema.
            killed = own.system.kill("control_plane")
            eventually(lambda: own.system.pid("control_plane") != killed, within_s=20, what="a restart")
            eventually(lambda: is_ready(own), within_s=30, what="a control plane that is ready on a later schema")
            served_once_more(load)
        check(own, world, load, seen, f"schema of a later version (moved after {moved * 1000:.0f} ms)", times)


def is_ready(own) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{own.run['console_url']}/ready", timeout=2).is_success
    return False
