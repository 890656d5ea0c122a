"""What the chart's containers run, run here under the rules of their security contexts, against a real Postgres and Envoy."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from weir_e2e.waiting import eventually
from weir_install.helm import found

CASE = "trial"
MASTER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Container:
    """A container's process, with its ports on free ones of this machine, and its mounts in a folder."""

    def __init__(self, deployment: str, folder: Path, database: str):
        self.pod = found(CASE, "Deployment", deployment)["spec"]["template"]["spec"]
        self.container = self.pod["containers"][0]
        self.ports = {port["name"]: (port["containerPort"], _free_port()) for port in self.container["ports"]}
        self.folder = folder
        self.database = database
        self.log = folder / f"{deployment}.log"

    def here(self, text: str) -> str:
        """A setting as it must be on this machine."""
        for inside, outside in self.ports.values():
            text = re.sub(rf"\b{inside}\b", str(outside), text)
        for mount in self.container["volumeMounts"]:
            text = re.sub(rf"{mount['mountPath']}(?=[/\"\s,}}]|$)", str(self.mount(mount["name"])), text)
        return text

    def mount(self, name: str) -> Path:
        """Where a volume is on this machine."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def environment(self, **more: str) -> dict[str, str]:
        """As Kubernetes would make it of the manifest."""
        made = {"PATH": os.environ["PATH"], "POD_NAME": "weir-envoy-0"} | more
        for one in self.container["env"]:
            source = one.get("valueFrom", {})
            if "secretKeyRef" in source:
                made[one["name"]] = self.database
            elif "value" in one:
                made[one["name"]] = self.here(one["value"])
        return made

    @contextlib.contextmanager
    def running(self, program: str, **more: str) -> Iterator[None]:
        """Not as root, in a folder that it may not write to, without a byte written to any file."""
        arguments = [self.here(argument.replace("$(POD_NAME)", "weir-envoy-0")) for argument in self.container.get("args", [])]
        user = self.pod["securityContext"]["runAsUser"]
        own = {"user": user, "group": user, "extra_groups": []} if os.getuid() == 0 else {}
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [program, *arguments], env=self.environment(**more), cwd="/", stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_write_no_file, **own,
            )  # fmt: skip
            copy = subprocess.Popen(["cat"], stdin=process.stdout, stdout=log)
        try:
            yield
            assert process.poll() is None, self.log.read_text()[-4000:]
            assert _written(process.pid) == []
        except BaseException:
            print(self.log.read_text(errors="replace")[-6000:])
            raise
        finally:
            process.terminate()
            process.wait(30)
            copy.wait(30)

    def url(self, port: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[port][1]}{path}"

    def probe(self, which: str) -> int:
        """What a probe is answered; 0: nothing."""
        handler = self.container[which]["httpGet"]
        return status(self.url(handler["port"], handler["path"]))


def _write_no_file() -> None:
    """Pipes and sockets are no files."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _written(pid: int) -> list[str]:
    """Files that a process has open for writing."""
    made = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(descriptor)
            flags = re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text())
            if target.startswith("/") and not target.startswith("/dev/") and flags and int(flags[1], 8) & 3:
                made.append(target)
    return made


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def status(url: str) -> int:
    """Of a GET; 0 without an answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """That the pods' user can read, wherever it lies."""
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(0o755)
    return tmp_path


@pytest.fixture
def programs(folder: Path) -> dict[str, str]:
    """The control plane, Envoy and the module, where the pods' user reaches them."""
    envoy = next(Path(os.environ["WEIR_TOOLS_DIR"]).glob("lib/python*/site-packages/envoy/_bin/envoy"))
    files = {"weir": Path(os.environ["WEIR_BINARY"]), "envoy": envoy, "module": Path(os.environ["WEIR_WASM"])}
    return {name: _reachable(path.resolve(), folder) for name, path in files.items()}


def _reachable(path: Path, folder: Path) -> str:
    """Itself, or a copy if it lies in somebody's home."""
    if all(parent.stat().st_mode & 0o001 for parent in path.parents):
        return str(path)
    return shutil.copy(path, folder)


@pytest.fixture
def database() -> Iterator[str]:
    """One of its own."""
    url = os.environ["WEIR_TEST_DATABASE_URL"]
    name = f"install_{os.getpid()}"
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_pods_run_as_restricted_as_they_say_and_answer_their_probes(folder, programs, database):
    weir, envoy, module = programs["weir"], programs["envoy"], programs["module"]
    control_plane = Container("weir-control-plane", folder, database)
    (control_plane.mount("master-keys") / "keys").write_text(MASTER_KEY)
    gateway = Container("weir-envoy", folder, database)
    bootstrap: str = found(CASE, "ConfigMap", "weir-envoy")["data"]["bootstrap.yaml"]
    with control_plane.running(weir, WEIR_MODULE_FILE=module):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            eventually(lambda probe=probe: control_plane.probe(probe) == 200, within_s=60, what=probe)
        assert status(control_plane.url("metrics", "/metrics")) == 200
        assert status(control_plane.url("http", "/metrics")) == 404

        # As NOTES.txt says.
        command = [weir, "gateway", "create", "--name", "weir", "--sds"]
        token = subprocess.run(command, env=control_plane.environment(), check=True, capture_output=True, text=True, timeout=60).stdout
        (gateway.mount("token") / "token.yaml").write_text(token)
        grpc = control_plane.ports["grpc"]
        bootstrap = re.sub(rf'"weir-control-plane.weir.svc", port_value: {grpc[0]}', f'"127.0.0.1", port_value: {grpc[1]}', bootstrap)
        admin = _free_port()
        bootstrap = bootstrap.replace("19000", str(admin))
        (gateway.mount("bootstrap") / "bootstrap.yaml").write_text(gateway.here(bootstrap))
        with gateway.running(envoy):
            for probe in ("startupProbe", "readinessProbe"):
                eventually(lambda probe=probe: gateway.probe(probe) == 200, within_s=60, what=probe)
            # The filters are there, and ask the control plane.
            eventually(lambda: status(gateway.url("http", "/v1/models")) == 401, within_s=120, what="a gateway that asks for keys")
            assert status(gateway.url("health", "/stats/prometheus")) == 200
            # Nothing else of the admin interface is told there.
            for path in ("/", "/config_dump", "/quitquitquit", "/ready/../config_dump"):
                assert status(gateway.url("health", path)) == 404, path
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/server_info", timeout=5) as answer:
                assert json.load(answer)["node"]["id"] == "weir-envoy-0"


def test_a_database_that_is_away_is_waited_for(folder, programs):
    """The pod is not ready, and not restarted either by its start."""
    control_plane = Container("weir-control-plane", folder, f"postgres://weir:weir@127.0.0.1:{_free_port()}/weir")
    (control_plane.mount("master-keys") / "keys").write_text(MASTER_KEY)
    with control_plane.running(programs["weir"], WEIR_MODULE_FILE=programs["module"]):
        eventually(lambda: "WARN" in control_plane.log.read_text(), within_s=30, what="a warning about the database")
        assert control_plane.probe("readinessProbe") != 200


def test_what_is_wrong_with_the_master_keys_is_said(folder):
    control_plane = Container("weir-control-plane", folder, "postgres://weir@127.0.0.1:1/weir")
    for content, told in ((None, "cannot be read"), ("", "of no use"), ("short", "of no use")):
        keys = control_plane.mount("master-keys") / "keys"
        if content is not None:
            keys.write_text(content)
        ended = subprocess.run(
            [os.environ["WEIR_BINARY"], "serve"], env=control_plane.environment(WEIR_MODULE_FILE=os.environ["WEIR_WASM"]),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert ended.returncode != 0 and told in ended.stderr and str(keys) in ended.stderr, ended.stderr


def environment_of(container: dict[str, Any]) -> set[str]:
    return {one["name"] for one in container["env"] if one["name"].startswith("WEIR_")}


def test_an_envoy_is_drained_by_a_container_beside_it(folder, programs):
    """Its arguments are ones that the program takes, it waits to be ended, and says so if there is nothing to drain."""
    [_, container] = found(CASE, "Deployment", "weir-envoy")["spec"]["template"]["spec"]["containers"]
    arguments = [argument.replace("19000", str(_free_port())) for argument in container["args"]]
    process = subprocess.Popen([programs["weir"], *arguments], stderr=subprocess.PIPE, text=True)
    # It has a handler for the signal: by default nothing does.
    eventually(lambda: _handles_sigterm(process.pid), within_s=30, what="a program that waits for its end")
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1 and "does not answer" in told, told


def _handles_sigterm(pid: int) -> bool:
    caught = re.search(r"SigCgt:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_every_setting_of_the_manifests_is_one_that_the_program_has():
    known = subprocess.run([os.environ["WEIR_BINARY"], "serve", "--help"], capture_output=True, text=True, timeout=60).stdout
    for case, name in (("trial", "weir-control-plane"), ("production", "weir-control-plane")):
        [container] = found(case, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        names = environment_of(container)
        assert len(names) > 8
        assert [name for name in names if f"env: {name}" not in known] == []
