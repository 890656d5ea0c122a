"""A system of a test's own, which the test may break."""

import os
import signal
from collections import Counter
from types import TracebackType
from typing import Any

import httpx
import psycopg

from .admin import Admin
from .load import Tally
from .provider import FakeProvider
from .system import System
from .waiting import eventually
from .world import World


class Deployment:
    """What `make run` starts. Ending it is a test too: nothing may be left running."""

    def __init__(self, **environment: str):
        self.system = System(**environment)

    def __enter__(self) -> "Deployment":
        try:
            self.start()
        except BaseException:
            self.system.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        wrong = self.system.stop()
        if error or wrong:
            print(f"\nlogs are kept in {self.system.state}")
        else:
            self.system.forget()
        assert error or not wrong, wrong

    def start(self) -> None:
        """Starts everything, also once more on the same data."""
        self.system.start()
        self.run: dict[str, Any] = self.system.run
        self.admin = Admin(self.run["console_url"], self.run["admin_email"], self.run["admin_password"])
        self.fake = FakeProvider(self.run["demo_provider_url"])

    def terminate(self) -> None:
        """Ends everything as a service manager would, with SIGTERM, and waits for it."""
        assert self.system.process is not None
        os.kill(self.system.process.pid, signal.SIGTERM)
        assert self.system.process.wait(30) == 0, self.system.output()[-4000:]

    def world(self, **tenant: Any) -> World:
        """A tenant."""
        return World(self.admin, self.fake, self.run["gateway_url"], **tenant)

    def envoy(self) -> httpx.Client:
        """Envoy's admin interface."""
        return httpx.Client(base_url=self.run["envoy_admin_url"], timeout=10)

    def stats(self, pattern: str) -> dict[str, int]:
        """Envoy's counters and gauges whose names match."""
        with self.envoy() as http:
            lines = http.get("/stats", params={"filter": pattern}).text.splitlines()
        return {name: int(value) for name, _, value in (line.partition(": ") for line in lines) if value.isdecimal()}

    def metric(self, name: str) -> float:
        """The sum of a metric of the control plane over its labels; 0 if it was never counted."""
        text = httpx.get(f"{self.run['console_url']}/metrics", timeout=10).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def ledger(self, tenant_id: str) -> Counter[str]:
        """How often each request of a tenant is in the ledger."""
        with psycopg.connect(self.run["database_url"], connect_timeout=5) as connection:
            rows = connection.execute("SELECT request_id::text FROM usage_records WHERE tenant_id = %s", [tenant_id])
            return Counter(request_id for (request_id,) in rows)

    def settled_tally(self, world: World, load: Any, may_be_lost: set[str] = frozenset()) -> Tally:
        """The counts of a load, once the ledger has every record that it must have."""

        def complete() -> Tally | None:
            tally = load.tally(self.ledger(world.tenant_id))
            return tally if tally.lost_ids <= may_be_lost else None

        try:
            return eventually(complete, within_s=20, every_s=0.2, what="every answered request in the ledger")
        except AssertionError:
            tally = load.tally(self.ledger(world.tenant_id))
            raise AssertionError(f"lost: {sorted(tally.lost_ids - may_be_lost)}; {tally}") from None
