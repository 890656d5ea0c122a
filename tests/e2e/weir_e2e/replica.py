"""A control plane beside that of a system, on the same database."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from .system import System
from .waiting import eventually


class Replica:
    """How to start one: with the settings of the system's own, on other ports, and with these beside."""

    def __init__(self, system: System, folder: Path, binary: str | None = None, **environment: str):
        self.log = folder / "replica.log"
        running = _environment(system.pid("control_plane"))
        self.ports = {name: _free_port() for name in ("http", "grpc", "metrics")}
        own = {
            "WEIR_HTTP_ADDR": f"127.0.0.1:{self.ports['http']}",
            "WEIR_GRPC_ADDR": f"127.0.0.1:{self.ports['grpc']}",
            "WEIR_METRICS_ADDR": f"127.0.0.1:{self.ports['metrics']}",
        }
        self.environment = running | own | environment
        self.binary = binary or os.readlink(f"/proc/{system.pid('control_plane')}/exe")

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            command = [self.binary, "serve", *options]
            return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        process = self.start()
        try:
            yield
        except BaseException:
            print(self.log.read_text(errors="replace")[-10_000:])
            raise
        finally:
            process.terminate()
            assert process.wait(20) == 0

    def ready(self) -> str:
        """Waits until it serves; answers its URL."""
        url = f"http://127.0.0.1:{self.ports['http']}"

        def is_ready() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"{url}/ready", timeout=2).is_success
            return False

        eventually(is_ready, within_s=60, what="a second control plane that is ready")
        return url

    def refused(self, *options: str) -> str:
        """Why it does not start."""
        assert self.start(*options).wait(30) != 0
        return self.log.read_text()


def _environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(pair.decode().split("=", 1) for pair in pairs if b"=" in pair)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
