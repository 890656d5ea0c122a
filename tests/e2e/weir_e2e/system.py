"""The system under test: what `make run` starts, started and ended as a user would."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from .waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[3]

# Nothing of the machine may change what is tested: neither a provider's key nor another run's ports.
FOREIGN = re.compile(r"^(OPENAI|ANTHROPIC|WEIR)_|^DATABASE_URL$|_API_KEY$")

START_S = 120
STOP_S = 30


def weir_dev() -> list[str]:
    """The command that starts the parts."""
    return [os.environ.get("WEIR_DEV_BINARY", str(REPOSITORY / "target/debug/weir-dev"))]


class System:
    """A running `weir-dev run`, on free ports, with a state folder of its own, and with these settings beside."""

    def __init__(self, **environment: str) -> None:
        # Postgres runs as `nobody` when the tests run as root, so the folder must be open to look into; the files in it
        # that hold secrets are closed by those who write them.
        self.state = Path(tempfile.mkdtemp(prefix="weir-e2e-", dir="/tmp"))
        self.state.chmod(0o755)
        self.log = self.state / "weir-dev.log"
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self.run: dict[str, Any] = {}

    def start(self) -> None:
        """Starts everything and waits until it serves."""
        environment = {name: value for name, value in os.environ.items() if not FOREIGN.search(name)}
        # Where the built parts are is the build's business, and passes.
        environment |= {name: os.environ[name] for name in ("WEIR_BINARY", "WEIR_WASM") if name in os.environ}
        environment["WEIR_TOOLS_DIR"] = sys.prefix
        environment["WEIR_STATE_DIR"] = str(self.state)
        for port in ("GATEWAY", "ADMIN", "XDS", "ENVOY_ADMIN", "DEMO_PROVIDER", "POSTGRES"):
            environment[f"WEIR_{port}_PORT"] = "0"
        environment |= self.environment
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*weir_dev(), "run"], cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.run = eventually(self._ready, within_s=START_S, every_s=0.1, what="run.json")

    def _ready(self) -> dict[str, Any] | None:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"weir-dev ended with {self.process.returncode}:\n{self.output()[-4000:]}")
        # It appears at once and whole, but a reader should not have to trust that.
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return json.loads((self.state / "run.json").read_text())
        return None

    def stop(self) -> list[str]:
        """Ends it as Ctrl-C does. Answers everything that is wrong with how it ended."""
        if self.process is None:
            return []
        wrong = []
        family = self.processes()
        if self.process.poll() is not None:
            wrong.append(f"weir-dev had ended before, with {self.process.returncode}")
        else:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(STOP_S)
            if code != 0:
                wrong.append(f"weir-dev ended with {code}")
        except subprocess.TimeoutExpired:
            wrong.append(f"weir-dev did not end within {STOP_S} s after SIGINT")
            self.process.kill()
            self.process.wait()
        _, left = psutil.wait_procs(family, timeout=2)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                wrong.append(f"left running: {process.pid} {' '.join(process.cmdline())[:200]}")
                process.kill()
        if (self.state / "run.json").exists():
            wrong.append("run.json is still there")
        return wrong

    def forget(self) -> None:
        """Removes the state folder."""
        shutil.rmtree(self.state, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Every process of this run: descendants, and those that left their parent but not their folder."""
        assert self.process is not None
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            found = {child.pid: child for child in psutil.Process(self.process.pid).children(recursive=True)}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.pid != self.process.pid and any(str(self.state) in word for word in process.cmdline()):
                    found[process.pid] = process
        return list(found.values())

    def pid(self, name: str) -> int:
        """The process that plays a part now: `envoy`, `control_plane`, `provider` or `postgres`."""

        def running() -> int | None:
            return json.loads((self.state / "run.json").read_text())["pids"][name]

        return eventually(running, what=f"a process id of {name}")

    @contextlib.contextmanager
    def paused(self, name: str):
        """Stops a part in its tracks for a while."""
        process = psutil.Process(self.pid(name))
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    def kill(self, name: str) -> int:
        """Kills a part without warning; answers the pid that it had."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextlib.contextmanager
    def away(self, name: str, with_signal: signal.Signals = signal.SIGKILL):
        """Ends a part and keeps it down for a while: who would start it again is stopped in its tracks meanwhile."""
        assert self.process is not None
        part, supervisor = psutil.Process(self.pid(name)), psutil.Process(self.process.pid)
        family = [part, *part.children(recursive=True)]
        supervisor.suspend()
        try:
            part.send_signal(with_signal)

            def gone() -> bool:
                return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)

            eventually(gone, within_s=20, what=f"the end of {name}")
            yield
        finally:
            supervisor.resume()

    def output(self) -> str:
        """What `make run` has printed so far."""
        return self.log.read_text(errors="replace")

    def logs(self) -> dict[Path, str]:
        """Every log in the state folder."""
        return {path: path.read_text(errors="replace") for path in self.state.rglob("*.log")}
