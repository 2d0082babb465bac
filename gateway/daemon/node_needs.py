"""What a node needs to work on its lanes: a store and a state that can be written to, roles that go on, and a clock that is right."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from gateway.daemon.pulse import StillPulse, read_pulse
from gateway.daemon.stage_loop import UNABLE
from gateway.domain.manifest import CLOCK_LEEWAY
from gateway.errors import DiskFull, GatewayError, NodeClock, RoleStill, StoreUnreachable
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role
from gateway.storage.durable import try_writing
from gateway.storage.payloads import Payloads

_NOTHING: Final = "reached"
"""A directory of the state in which nothing is kept: to ask for it is to ask whether the store answers."""
_TRIAL: Final = ".node-trial"
_TRY_SECONDS: Final = 30.0
"""How often the node tries to write: a bucket has its price for each object. Where that failed, each heartbeat tries again."""
_ROOM: Final = 16 << 20


def require_right_clock(here: float, there: float) -> None:
    """NodeClock for a moment of this machine that partners would refuse, by the database's clock, which alone counts (ADR 0085)."""
    ahead = here - there
    if abs(ahead) > CLOCK_LEEWAY:
        way = "ahead of" if ahead > 0 else "behind"
        raise NodeClock(f"this machine's clock is {abs(ahead) / 60:.0f} minutes {way} the database's")


class Needs:
    """What a node needs to work on its lanes: a store and a state that can be written to, and roles that go on. `monotonic` gives seconds that
    never go back.
    """

    def __init__(self, settings: Settings, payloads: Payloads, monotonic: Callable[[], float]) -> None:
        self._settings, self._payloads, self._monotonic = settings, payloads, monotonic
        self._pulses = {role: StillPulse(settings.home.run, role) for role in Role}
        self._tried = -_TRY_SECONDS

    def look(self) -> None:
        """Raises RoleStill, StoreUnreachable, StoreFull, DiskFull and DiskFailed."""
        home, node, now = self._settings.home, self._settings.node, self._monotonic()
        for role, pulse in self._pulses.items():
            still = pulse.look(now, longest=2 * node.heartbeat_seconds)
            if still > node.role_seconds + self._settings.daemon.rescan_seconds:
                raise RoleStill(f"{role} has made no step for {still:.0f} seconds")
            said = read_pulse(home.run, role)
            if said is not None and (unable := said.deferred.get(UNABLE)) is not None:
                raise RoleStill(f"{role} cannot work: {unable.code}")
        self._ask_store()
        if now - self._tried < _TRY_SECONDS:
            return
        space = os.statvfs(home.state)
        if space.f_bavail * space.f_frsize < _ROOM:
            raise DiskFull(f"the disk of state has less than {_ROOM >> 20} MiB left")
        try_writing(home.run / _TRIAL)
        self._payloads.try_writing(node.name)
        self._tried = now

    def _ask_store(self) -> None:
        """Ask the store for nothing: StoreUnreachable where it does not answer twice within a third of the lease. One request may hang without
        the node being gone for it.
        """
        wait = self._settings.node.lease_seconds / 6
        for _ in range(2):
            answered = _Asked(lambda: next(iter(self._payloads.names(self._settings.home.state / _NOTHING)), None))
            if answered.within(wait):
                return
        raise StoreUnreachable(f"the store has not answered within {2 * wait:.0f} seconds")


class _Asked:
    """A question to the store, in a thread that nobody waits for longer than they want."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._error: GatewayError | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, args=(ask,), name="store-asked", daemon=True).start()

    def within(self, seconds: float) -> bool:
        """False where there is no answer yet; raises what the store raised."""
        if not self._done.wait(seconds):
            return False
        if self._error is not None:
            raise self._error
        return True

    def _run(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except GatewayError as error:
            self._error = error
        finally:
            self._done.set()
