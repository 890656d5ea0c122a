"""Envoy dies under load, or is asked to end."""

import threading
import time
from collections import Counter

import httpx

from weir_e2e.deployment import Deployment
from weir_e2e.load import Asked, Client, Load
from weir_e2e.provider import ok
from weir_e2e.sse import ask, events, path_of, said_in_stream
from weir_e2e.waiting import eventually, wait_for_a_minute_with

CLIENTS = 8
# Records of the last moments before a kill may be lost: 200 ms until they are delivered, and the delivery itself.
WINDOW_S = 1.0
LIMIT = 200


def test_a_killed_envoy_comes_back_and_loses_a_second_of_records_at_most(seen):
    with Deployment() as own:
        world = own.world()
        upstream = world.upstream("openai")
        world.model("m", upstream)
        limited = world.key(requests_per_minute=LIMIT)
        clients = [Client("free", world.key().secret, "m") for _ in range(CLIENTS // 2)]
        clients += [Client("limited", limited.secret, "m") for _ in range(CLIENTS // 2)]
        own.admin.settle()
        # The limit is counted by the minute: what is leased before the kill and after it should meet in one.
        wait_for_a_minute_with(25)
        with Load(own.run["gateway_url"], clients, every_s=0.05) as load:
            eventually(lambda: len(load.asked(lambda one: one.status == 200)) > 100, within_s=10, what="answers")
            killed = own.system.kill("envoy")
            killed_at = time.monotonic()

            def serves_again() -> bool:
                return any(one.status == 200 and one.began > killed_at for one in load.asked())

            eventually(serves_again, within_s=60, what="an answer after the kill")
            back_s = time.monotonic() - killed_at
            # The limit is used up, so that whether a restart gave anything twice is seen.
            exhausted = "429 rate_limit_exceeded"
            eventually(lambda: refused_since(load, killed_at, exhausted), within_s=60, what="the limit reached")
        assert own.system.pid("envoy") != killed
        late = {one.request_id for one in load.asked() if killed_at - WINDOW_S < one.ended < killed_at + 0.1}
        tally = own.settled_tally(world, load, may_be_lost=late)
        seen("Envoy killed", f"{tally} (all in the last {WINDOW_S:.0f} s before it); back after {back_s:.1f} s")
        assert tally.doubled == 0
        # Connections break while it is away, and while it has no configuration yet it says so. Nothing else is refused.
        assert set(tally.refused) <= {"503 gateway_not_ready", exhausted}, tally
        # A lease that died with Envoy counts as spent: fewer than the limit, never more.
        passed = Counter(minute_of(one) for one in load.asked() if one.client == "limited" and one.status == 200)
        assert all(count <= LIMIT for minute, count in passed.items() if minute is not None), passed
        broken = [one for one in load.asked() if one.status == 0]
        assert all(one.began < killed_at + back_s for one in broken), broken[-3:]


def minute_of(one: Asked) -> int | None:
    """The minute of a request; none where it lies over the end of one."""
    began, ended = (int((time.time() - time.monotonic() + at) // 60) for at in (one.began, one.ended))
    return began if began == ended else None


def refused_since(load: Load, since: float, refusal: str) -> bool:
    """Whether a request that began after `since` was refused like this."""
    return any(f"{one.status} {one.code}" == refusal and one.began > since for one in load.asked())


def test_what_is_answered_before_an_orderly_end_is_all_in_the_ledger(seen):
    with Deployment() as own:
        world = own.world()
        world.model("m", world.upstream("openai"))
        # Ends about two seconds after it began, and after everything was asked to end.
        world.model("slow", world.upstream("openai", ok(chunks=10, delay_ms=200)))
        clients = [Client("free", world.key().secret, "m") for _ in range(CLIENTS)]
        waiting = world.http()
        with Load(own.run["gateway_url"], clients, every_s=0.03) as load:
            eventually(lambda: len(load.asked(lambda one: one.status == 200)) > 100, within_s=15, what="answers")
            slow = SlowStream(waiting, "slow")
            own.terminate()
            ended_at = time.monotonic()
        slow_id = slow.end()
        said = own.system.output()
        assert "lost" not in said and "cut off" not in said, said[-2000:]
        # The database went with the rest; a second run has the first one's data.
        own.start()
        ledger = own.ledger(world.tenant_id)
        tally = load.tally(ledger)
        seen("SIGTERM under load", tally)
        assert not tally.refused, tally
        assert not tally.lost_ids
        assert ledger[slow_id] == 1
        assert tally.doubled == 0
        # Nothing was recorded that nobody asked for, beside what was under way when connections were closed.
        assert tally.stored == tally.answered + 1
        failed = [one for one in load.asked() if one.status == 0]
        assert all("ConnectError" in one.failure or one.ended < ended_at for one in failed), failed[:3]


class SlowStream:
    """A stream that takes seconds, read in the background."""

    def __init__(self, http: httpx.Client, model: str):
        self.request_id: str | None = None
        self.error: BaseException | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(http, model))
        self._thread.start()
        assert self._begun.wait(15), "the stream does not begin"
        assert self.error is None, self.error

    def _read(self, http: httpx.Client, model: str) -> None:
        try:
            with http.stream("POST", path_of("openai"), json=ask("openai", model, stream=True)) as response:
                assert response.status_code == 200
                self.request_id = response.headers["x-weir-request-id"]
                self._begun.set()
                said_in_stream("openai", events(response.iter_lines()))
        except BaseException as error:
            self.error = error
            self._begun.set()

    @property
    def under_way(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def end(self) -> str:
        """The id of the request, once the stream has ended as it should."""
        self._thread.join(20)
        assert not self.under_way, "the stream does not end"
        assert self.error is None, self.error
        assert self.request_id
        return self.request_id
