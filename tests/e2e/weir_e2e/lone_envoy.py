"""An Envoy beside that of `make run`, on the same bootstrap, on the example that needs no control plane, or on one of its owner's."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from .system import REPOSITORY
from .waiting import eventually

# Nothing listens there, and nothing may without being root.
NOBODY_HOME = "127.0.0.1:1"
TOKEN_FILE = "token.json"


@dataclass(frozen=True)
class LoneEnvoy:
    """A running Envoy."""

    url: str
    admin: httpx.Client
    log: Path

    def show(self, token: str) -> None:
        """From now on it shows this token to its control plane: the file is replaced, as an operator would."""
        new = self.log.parent / "token.new"
        write_token(new, token)
        new.replace(self.log.parent / TOKEN_FILE)


def write_token(path: Path, token: str) -> None:
    """Writes the file from which an Envoy reads its gateway's token."""
    secret = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "weir_gateway_token",
        "generic_secret": {"secret": {"inline_string": token}},
    }
    path.write_text(json.dumps({"resources": [secret]}))


@contextlib.contextmanager
def lone_envoy(
    node: str, token: str, control_plane: str = NOBODY_HOME, edits: dict[str, str] | None = None
) -> Iterator[LoneEnvoy]:
    """Starts an Envoy that shows this token to that control plane, and ends it. `edits` replaces words in its file."""
    with _folder() as folder:
        token_file = folder / TOKEN_FILE
        write_token(token_file, token)
        host, port = control_plane.split(":")
        values = {
            "WEIR_XDS_ADDRESS": host,
            "WEIR_XDS_PORT": port,
            "WEIR_TOKEN_SDS_FILE": str(token_file),
            "WEIR_NODE_ID": node,
            "WEIR_NODE_CLUSTER": "e2e",
            "WEIR_ENVOY_MAX_HEAP_BYTES": "2147483648",
        }
        with _running(folder, "bootstrap.yaml", values, edits or {}) as envoy:
            yield envoy


@contextlib.contextmanager
def static_envoy(key: str, credentials: dict[str, str], provider: str, edits: dict[str, str]) -> Iterator[LoneEnvoy]:
    """Starts an Envoy on the example that needs no control plane: one key, credentials by the name of their variable, and
    the address of who plays both providers.
    """
    host, port = provider.split(":")
    values = {
        "WEIR_MODULE_FILE": os.environ.get("WEIR_WASM", str(REPOSITORY / "target/weir.wasm")),
        "WEIR_KEY_SHA256": hashlib.sha256(key.encode()).hexdigest(),
        **{f"WEIR_{name}_HOST": host for name in ("OPENAI", "ANTHROPIC")},
        **{f"WEIR_{name}_PORT": port for name in ("OPENAI", "ANTHROPIC")},
    }
    with _folder() as folder, _running(folder, "static.yaml", values, edits, credentials) as envoy:
        yield envoy


@contextlib.contextmanager
def own_envoy(bootstrap: str) -> Iterator[LoneEnvoy]:
    """Starts an Envoy on a bootstrap of its owner's, with its first listener on a port of any number."""
    with _folder() as folder:
        template = folder / "own.yaml"
        template.write_text(bootstrap)
        with _running(folder, str(template), {}, {}) as envoy:
            yield envoy


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="weir-e2e-envoy-") as name:
        yield Path(name)


@contextlib.contextmanager
def _running(
    folder: Path, template: str, values: dict[str, str], edits: dict[str, str], environment: dict[str, str] | None = None
) -> Iterator[LoneEnvoy]:
    process, log = _start(folder, template, values, edits, environment or {}), folder / "envoy.log"
    try:
        # Compiling the filters keeps its main thread busy for seconds on a machine that is busy itself.
        with httpx.Client(base_url=_admin_url(folder, process), timeout=60) as admin:
            yield LoneEnvoy(_gateway_url(admin), admin, log)
    except BaseException:
        print(log.read_text(errors="replace")[-20_000:])
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _start(
    folder: Path, template: str, values: dict[str, str], edits: dict[str, str], environment: dict[str, str]
) -> "subprocess.Popen[bytes]":
    own = {"WEIR_GATEWAY_ADDRESS": "127.0.0.1", "WEIR_GATEWAY_PORT": "0", "WEIR_ENVOY_ADMIN_PORT": "0"}
    text = (REPOSITORY / "envoy" / template).read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    filled = re.sub(r"\$\{(\w+)}", lambda match: (own | values)[match[1]], "\n".join(lines))
    for words, others in edits.items():
        assert filled.count(words) == 1, f"{template} says {words!r} {filled.count(words)} times"
        filled = filled.replace(words, others)
    bootstrap = folder / "envoy.yaml"
    bootstrap.write_text(filled)
    binary = next(Path(sys.prefix).glob("lib/python*/site-packages/envoy/_bin/envoy"))
    with (folder / "envoy.log").open("wb") as log:
        return subprocess.Popen(
            [
                os.fspath(binary),
                *("--config-path", os.fspath(bootstrap)),
                *("--admin-address-path", os.fspath(folder / "admin")),
                *("--concurrency", "1", "--disable-hot-restart"),
                # What the filters say of usage is information.
                *("--log-level", "warning", "--component-log-level", "wasm:info"),
            ],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _admin_url(folder: Path, process: "subprocess.Popen[bytes]") -> str:
    def address() -> str:
        log = (folder / "envoy.log").read_text(errors="replace")
        if process.poll() is not None:
            raise RuntimeError(f"Envoy ended with {process.returncode}:\n{log[-3000:]}")
        path = folder / "admin"
        return path.read_text().strip() if path.exists() else ""

    return f"http://{eventually(address, within_s=20, what='an admin address of Envoy')}"


def _gateway_url(admin: httpx.Client) -> str:
    def address() -> str | None:
        if admin.get("/ready").status_code != 200:
            return None
        listeners = admin.get("/listeners", params={"format": "json"}).json().get("listener_statuses", [])
        for listener in listeners:
            # An internal one has none.
            if socket := listener["local_address"].get("socket_address"):
                return f"http://{socket['address']}:{socket['port_value']}"
        return None

    return eventually(address, within_s=60, what="Envoy's listener")
