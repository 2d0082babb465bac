"""What a node needs to work on its lanes: a store and a state that can be written to, roles that go on, and a clock that is right."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from gateway.daemon.pulse import StillPulse, read_pulse
from gateway.daemon.stage_loop import UNABLE
from gateway.domain.manifest import CLOCK_LEEWAY
from gateway.errors import DiskFull, GatewayError, NodeClock, RoleStill, StoreUnreachable
from gateway.ledger import nodes
from gateway.ledger.store import Connection
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


def require_right_clock(connection: Connection, here: float) -> None:
    """NodeClock where partners would refuse `here`, this moment of the machine's, by the database's clock, which alone counts (ADR 0085)."""
    ahead = here - nodes.now(connection)
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
        wait, nothing = self._settings.node.lease_seconds / 6, self._settings.home.state / _NOTHING
        for _ in range(2):
            with suppress(TimeoutError):
                _asked(lambda: next(iter(self._payloads.names(nothing)), None)).result(wait)
                return
        raise StoreUnreachable(f"the store has not answered within {2 * wait:.0f} seconds")


def _asked(ask: Callable[[], object]) -> Future[object]:
    """The answer to a question, from a thread that nobody has to wait for: the end of an executor would."""
    answer: Future[object] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except GatewayError as error:
            answer.set_exception(error)
        finally:
            answer.cancel()  # without an answer: what nobody expected ends whoever waits

    threading.Thread(target=run, name="store-asked", daemon=True).start()
    return answer
