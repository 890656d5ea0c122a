"""The image and the composition: linted, and in agreement with the chart and the program."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from weir_install.helm import REPOSITORY, found

COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())


def test_the_linter_finds_nothing_to_complain_of():
    linted = subprocess.run(
        [Path(sys.prefix) / "bin/hadolint", REPOSITORY / "Dockerfile"], capture_output=True, text=True, timeout=60
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_image_has_the_user_and_the_module_that_the_chart_counts_on():
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    [_, last] = dockerfile.rsplit("\nFROM ", 1)
    pod = found("trial", "Deployment", "weir-control-plane")["spec"]["template"]["spec"]
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in last
    module = re.search(r"WEIR_MODULE_FILE=(\S+)", last)
    assert module and f" {module[1]}\n" in last
    assert 'ENTRYPOINT ["weir"]' in last and pod["containers"][0]["args"] == ["serve"]


def test_everything_that_is_copied_is_there():
    """From the repository, that is; the stages have their own."""
    for line in (REPOSITORY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (REPOSITORY / source).exists(), source


def test_no_container_of_the_composition_is_root_or_writes_its_root():
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("user", "65532:65532").split(":")[0] not in ("0", "root"), name
        # What is published without an address of loopback is the gateway alone.
        for port in service.get("ports", []):
            assert name == "envoy" or port.startswith("127.0.0.1:"), port


def test_the_composition_names_what_it_has():
    services = COMPOSE["services"]
    for name, service in services.items():
        secrets = {one if isinstance(one, str) else one["source"] for one in service.get("secrets", [])}
        assert secrets <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", [])) <= set(services), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"], volume


def test_the_composition_and_the_chart_run_the_same():
    def of(deployment: str) -> str:
        return found("trial", "Deployment", deployment)["spec"]["template"]["spec"]["containers"][0]["image"]

    services = COMPOSE["services"]
    assert services["weir"]["image"] == of("weir-control-plane")
    assert services["envoy"]["image"] == of("weir-envoy")
    postgres = found("trial", "StatefulSet", "weir-postgres")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert services["postgres"]["image"] == postgres
