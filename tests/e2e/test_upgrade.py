"""Control planes of two versions on one database, under load: a gateway is upgraded without a request that fails."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from weir_e2e.admin import Admin
from weir_e2e.deployment import Deployment
from weir_e2e.load import Client, Load
from weir_e2e.provider import ok
from weir_e2e.replica import Replica
from weir_e2e.sse import post, said
from weir_e2e.system import weir_dev
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


@pytest.fixture
def previous():
    """The control plane of commit 880951c or a later one, by `WEIR_PREVIOUS_BINARY`: CI keeps none."""
    if "WEIR_PREVIOUS_BINARY" not in os.environ:
        pytest.skip("WEIR_PREVIOUS_BINARY names no control plane of before")
    return os.environ["WEIR_PREVIOUS_BINARY"]


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


def served_once_more(load, times: int = 4) -> None:
    """Each client was served since now, so many times."""
    so_far = len(load.asked())
    eventually(lambda: len(load.asked()) >= so_far + times * CLIENTS, within_s=30, what="clients that are served")


def impatient(world, key) -> httpx.Client:
    """A client that does not wait for what was written."""
    return httpx.Client(base_url=world.gateway_url, headers={"authorization": f"Bearer {key.secret}"}, timeout=30)


def refused_within_a_second(world, key, revoke) -> float:
    """How long a key that was good is still taken after `revoke` was done."""
    with impatient(world, key) as http:
        # Not by what `nodes` says: a version of before counts a control plane that was killed for a minute more.
        eventually(lambda: post(http, "openai", "m").status_code == 200, within_s=10, what="a key that is good")
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

            # And it starts on that schema. What each worker was told to forget it has asked for again by then.
            world.key()
            world.admin.settle()
            served_once_more(load, times=20)
            restart(own)
            served_once_more(load)
        check(own, world, load, seen, f"schema of a later version (moved after {moved * 1000:.0f} ms)", times)


def test_a_control_plane_of_before_serves_on_the_new_schema_until_it_is_replaced(seen, previous, tmp_path):
    # Where it is started from is replaced later, as a package manager would.
    tmp_path.chmod(0o755)
    installed = tmp_path / "weir"
    shutil.copy(previous, installed)
    present = Path(weir_dev()[0]).with_name("weir")
    with Deployment(WEIR_BINARY=str(installed)) as own:
        world = own.world()
        world.model("m", world.upstream("openai"))
        times = []
        with loaded(own, world) as load:
            new = Replica(own.system, tmp_path, str(present))
            assert subprocess.run([present, "migrate"], env=new.environment, timeout=120).returncode == 0
            served_once_more(load)
            # Written by the one, and followed by the other, which Envoy asks.
            with new.running():
                admin = Admin(new.ready(), own.run["admin_email"], own.run["admin_password"])
                for _ in range(3):
                    key = world.key()
                    times.append(refused_within_a_second(world, key, lambda key=key: admin.revoke(key.id)))
                # One of before that starts on the new schema.
                restart(own)
                served_once_more(load)
            key = world.key()
            times.append(refused_within_a_second(world, key, lambda: world.admin.revoke(key.id)))
            installed.unlink()
            shutil.copy(present, installed)
            restart(own)
            key = world.key()
            times.append(refused_within_a_second(world, key, lambda: world.admin.revoke(key.id)))
            served_once_more(load)
        check(own, world, load, seen, "the control plane of before on the new schema, then replaced", times)


def restart(own) -> None:
    """Ends the control plane without warning, and waits until it serves Envoy again."""
    killed = own.system.kill("control_plane")
    eventually(lambda: own.system.pid("control_plane") != killed, within_s=20, what="a restart")
    eventually(lambda: is_ready(own), within_s=30, what="a control plane that is ready")


def is_ready(own) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{own.run['console_url']}/ready", timeout=2).is_success
    return False
