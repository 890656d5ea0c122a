"""What `weir` tells an operator on the command line, beside a control plane that serves."""

import base64
import secrets
import subprocess
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from weir_e2e.replica import Replica


@dataclass(frozen=True)
class Told:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def weir(system, tmp_path):
    """Runs `weir` with the settings of the control plane that serves, and with these beside; `None` takes one away."""
    replica = Replica(system, tmp_path)

    def run(*arguments: str, **environment: str | None) -> Told:
        merged = replica.environment | {"RUST_BACKTRACE": "0"} | environment
        settings = {name: value for name, value in merged.items() if value is not None}
        command = [replica.binary, *arguments]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        return Told(done.returncode, done.stdout, done.stderr)

    run.environment = replica.environment
    return run


def refused(told: Told, *words: str) -> None:
    """It failed, printed nothing that could be taken for a result, and said why."""
    assert (told.code, told.out) == (1, ""), told
    for word in words:
        assert word in told.err, told


@pytest.fixture
def other_databases(weir, database):
    """URLs of an empty database, and of the one that is used for a role that only reads."""
    url = urlsplit(weir.environment["WEIR_DATABASE_URL"])
    database.execute("CREATE DATABASE weir_empty")
    database.execute("CREATE ROLE weir_reader LOGIN PASSWORD 'r'")
    database.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO weir_reader")
    empty = url._replace(path="/weir_empty").geturl()
    yield empty, url._replace(netloc=f"weir_reader:r@{url.hostname}:{url.port}").geturl()
    database.execute("DROP DATABASE weir_empty WITH (FORCE)")
    database.execute("DROP OWNED BY weir_reader")
    database.execute("DROP ROLE weir_reader")


def test_gateways_are_made_listed_rotated_and_deleted(weir, run, world):
    def accepted(token: str) -> bool:
        url = f"http://{run['xds_address']}/dataplane/v1/modules/none.wasm"
        return httpx.get(url, headers={"authorization": f"Bearer {token.strip()}"}).status_code != 401

    def line() -> list[str]:
        listed = [one.split("\t") for one in weir("gateway", "list").out.splitlines()]
        (own,) = [fields for fields in listed if fields[0] == name]
        return own

    name = f"from-a-terminal-{world.tag}"
    made = weir("gateway", "create", "--name", name, "--tenant", world.tenant_id)
    assert made.code == 0 and accepted(made.out), made
    assert line()[2:] == [world.tenant_id, ""]
    refused(weir("gateway", "create", "--name", name), "name is taken")
    refused(weir("gateway", "create", "--name", f"{name}-2", "--tenant", secrets.token_hex(16)), "there is no such tenant")

    rotated = weir("gateway", "rotate", "--name", name, "--overlap-seconds", "60")
    assert rotated.code == 0 and accepted(rotated.out) and accepted(made.out), rotated
    assert line()[3].endswith("Z")
    refused(weir("gateway", "rotate", "--name", name, "--overlap-seconds", "99999999"), "at most 2592000")
    refused(weir("gateway", "rotate", "--name", f"{name}-2"), f"there is no gateway called {name}-2")

    assert weir("gateway", "delete", "--name", name) == Told(0, "", "")
    assert name not in weir("gateway", "list").out
    refused(weir("gateway", "delete", "--name", name), f"there is no gateway called {name}")


def test_a_database_that_will_not_do_is_told(weir, other_databases):
    empty, reader = other_databases
    for command in (["gateway", "list"], ["gateway", "create", "--name", "x"], ["rekey"], ["serve", "--no-migrate"]):
        refused(weir(*command, WEIR_DATABASE_URL=empty), "the database's schema lacks migration 1; run `weir migrate` first")
    assert weir("migrate", WEIR_DATABASE_URL=empty).code == 0
    assert weir("migrate", WEIR_DATABASE_URL=empty).code == 0, "it can be repeated"
    assert weir("gateway", "list", WEIR_DATABASE_URL=empty) == Told(0, "", "")

    listed = weir("gateway", "list", WEIR_DATABASE_URL=reader)
    assert listed.code == 0 and "local\t" in listed.out, listed
    refused(weir("gateway", "rotate", "--name", "local", WEIR_DATABASE_URL=reader), "permission denied")
    for url in ("postgres://weir:wrong@127.0.0.1:1/weir", "nonsense"):
        refused(weir("gateway", "list", WEIR_DATABASE_URL=url), "the database (WEIR_DATABASE_URL) cannot be used")


def test_a_wrong_keyring_is_told_and_changes_nothing(weir, world):
    with open(weir.environment["WEIR_MASTER_KEY_FILE"]) as file:
        own = file.read().strip()
    other = base64.b64encode(secrets.token_bytes(32)).decode()

    def with_keys(*keys: str) -> dict[str, str | None]:
        return {"WEIR_MASTER_KEYS": "\n".join(keys), "WEIR_MASTER_KEY_FILE": None}

    world.upstream("openai")
    for command in (["rekey"], ["migrate"], ["serve", "--no-migrate"], ["gateway", "list"]):
        refused(weir(*command, **with_keys(other)), "the master key is not the one that this database was written with")
    refused(weir("rekey", **with_keys("c2hvcnQ=")), "the master key of line 1 must be 32 bytes")
    refused(weir("rekey", WEIR_MASTER_KEY_FILE="/nowhere"), "/nowhere (WEIR_MASTER_KEY_FILE) cannot be read")

    there = weir("rekey", **with_keys(other, own))
    assert there.code == 0 and "0 were under the first key already" in there.out, there
    back = weir("rekey", **with_keys(own, other))
    assert back.code == 0 and back.out == there.out, back
    again = weir("rekey")
    assert again.code == 0 and again.out.startswith("0 rows are encrypted anew"), again
