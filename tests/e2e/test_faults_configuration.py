"""Configuration that Envoy or a filter refuses: the last good one serves, and the reason is told."""

import os
import shutil
import tempfile
from pathlib import Path

import certifi
import httpx
import pytest

from weir_e2e.deployment import Deployment
from weir_e2e.sse import check_error, post
from weir_e2e.system import REPOSITORY
from weir_e2e.waiting import eventually, holds_for


@pytest.fixture
def folder():
    """A folder that Envoy and the control plane can read."""
    with tempfile.TemporaryDirectory(prefix="weir-e2e-files-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def refusal_of(own: Deployment):
    """What the Envoy of the deployment has refused, as `nodes` shows it."""
    [node] = own.admin.all("nodes")
    return node["refused"]


def test_what_envoy_refuses_is_told_and_the_last_good_configuration_serves(seen, folder):
    authorities = folder / "authorities.pem"
    shutil.copy(certifi.where(), authorities)
    with Deployment(WEIR_ENVOY_CA_FILE=str(authorities)) as own:
        world = own.world()
        world.model("m", world.upstream("openai"))
        http = world.http()
        assert post(http, "openai", "m").status_code == 200
        # Somebody removes the file from Envoy's machine; the next provider with TLS needs it.
        authorities.rename(folder / "elsewhere.pem")
        secure = own.admin.create(
            "providers", tenant_id=world.tenant_id, name="secure", schema="openai", base_url="https://api.example.com",
            credential="sk-secure",
        )  # fmt: skip
        members = [{"provider_id": secure["id"], "model": "gpt-4o", "price": None}]
        own.admin.create("pools", tenant_id=world.tenant_id, name="secure", members=members)
        refused = eventually(lambda: refusal_of(own), within_s=10, what="a refusal under nodes")
        assert str(authorities) in refused["reason"], refused
        log = (own.system.state / "logs/control-plane.log").read_text()
        assert "an Envoy refused its configuration" in log and str(authorities) in log
        holds_for(lambda: post(http, "openai", "m").is_success, 0.5, "the last good configuration serving")
        # What others change meanwhile takes effect.
        world.model("other", world.upstream("openai"))
        eventually(lambda: post(http, "openai", "other").is_success, within_s=10, what="another model served")
        (folder / "elsewhere.pem").rename(authorities)
        eventually(lambda: refusal_of(own) is None, within_s=20, what="the refusal gone once Envoy takes it")
        own.admin.settle()
        seen("refused by Envoy", f"{refused['resource']}: {refused['reason'][:120]}")


def test_what_a_filter_refuses_is_told_and_the_last_good_configuration_serves(seen, folder):
    good = Path(os.environ.get("WEIR_BINARY", REPOSITORY / "target/debug/weir"))
    binary = folder / "weir"
    shutil.copy(good, binary)
    with Deployment(WEIR_BINARY=str(binary)) as own:
        world = own.world()
        world.model("m", world.upstream("openai"))
        http = world.http()
        assert post(http, "openai", "m").status_code == 200
        # A control plane that is newer than the module: its configuration has a field that the filter does not know.
        newer = good.read_bytes().replace(b"flush_ms", b"flush_mz")
        exchange_binary(own, binary, newer)
        refused = eventually(lambda: refusal_of(own), within_s=20, what="a refusal under nodes")
        assert "Wasm plugin" in refused["reason"] and refused["resource"] in refused["reason"], refused
        envoy_log = (own.system.state / "logs/envoy.log").read_text()
        assert "flush_mz" in envoy_log, "the filter's own reason is not in Envoy's log"
        log = (own.system.state / "logs/control-plane.log").read_text()
        assert "an Envoy refused its configuration" in log and refused["resource"] in log
        answer = post(http, "openai", "m")
        assert answer.status_code == 200, answer.text
        assert world.record(answer.headers["x-weir-request-id"])["status"] == 200
        exchange_binary(own, binary, good.read_bytes())
        eventually(lambda: refusal_of(own) is None, within_s=20, what="the refusal gone with its cause")
        own.admin.settle()
        assert post(http, "openai", "m").status_code == 200
        seen("refused by a filter", f"{refused['resource']}: {refused['reason'][:120]}")


def exchange_binary(own: Deployment, binary: Path, content: bytes) -> None:
    """Puts another control plane in the place of the one that runs, as an upgrade does."""
    new = binary.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(0o755)
    new.rename(binary)
    killed = own.system.kill("control_plane")
    eventually(lambda: own.system.pid("control_plane") != killed, within_s=20, what="the control plane's restart")
    eventually(lambda: ready(own), within_s=20, what="the control plane")


def ready(own: Deployment) -> bool:
    """Whether the control plane answers."""
    try:
        return bool(own.admin.connected_nodes())
    except httpx.TransportError:
        return False


def test_a_credential_that_cannot_be_read_takes_away_its_own_provider_and_nothing_else(
    admin, database, new_world, run, seen, system, world
):
    damaged, whole, others = world.upstream("openai"), world.upstream("openai"), new_world()
    world.model("alone", damaged)
    world.model("failing-over", damaged, whole)
    others.model("m", others.upstream("openai"))
    http, other = world.http(), others.http()
    assert post(http, "openai", "alone").is_success
    database.execute("UPDATE providers SET credential_encrypted = '\\x01' WHERE id = %s", [damaged.id])
    # With the next change of its owner: what others have is not read again for it.
    others.model("new", others.upstream("openai"))
    world.model("another", whole)
    admin.settle()
    assert post(other, "openai", "new").is_success and post(other, "openai", "m").is_success
    received = len(damaged.received())
    refusal = check_error("openai", post(http, "openai", "alone"), 503, "upstream_unavailable")
    answer = post(http, "openai", "failing-over")
    assert answer.is_success and answer.headers["x-weir-provider"] == whole.name
    assert len(damaged.received()) == received, "it was asked without its credential"
    log = (system.state / "logs/control-plane.log").read_text()
    [told] = [line for line in log.splitlines() if damaged.id in line and '"level":"ERROR"' in line]
    assert "cannot be read" in told and damaged.credential not in log, told
    metrics = httpx.get(f"{run['console_url']}/metrics", timeout=10).text
    assert "weir_unreadable_providers 1" in metrics.splitlines()
    admin.change("providers", damaged.id, credential="sk-anew")
    admin.settle()
    assert post(http, "openai", "alone").is_success
    seen("unreadable credential", f"its pool alone refused: {refusal}")
