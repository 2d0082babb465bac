"""What is the matter with a site and is no event of its chain: roles, disk, stopped partners, the last audit. Looks only, raises nothing.

The chain cannot say these things: a role that is gone writes no event, and the supervisor has no ledger.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator

from gateway.administration.site.audit_record import last_audit
from gateway.daemon.lock import holder
from gateway.daemon.pulse import StillPulse, held_up
from gateway.daemon.roles import NOTIFY, roles_of
from gateway.daemon.stopped_partners import noted_stopped
from gateway.daemon.supervisor import NAME as SUPERVISOR
from gateway.events import Event
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role


class Matters:
    """Looks again and again; a role counts as gone when two looks miss it, since a restart takes a moment. `monotonic` gives seconds that
    never go back.
    """

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._still = {str(role): StillPulse(settings.home.run, role) for role in Role}
        self._roles = [role for role in roles_of(settings) if role != NOTIFY]  # which is who looks
        self._missing: frozenset[str] = frozenset()

    def look(self) -> frozenset[tuple[str, str]]:
        """What is the matter: an event's name, and the role or the partner that it is about, or ''."""
        return frozenset((str(event), about) for event, about in self._found())

    def _found(self) -> Iterator[tuple[Event, str]]:
        settings, home = self._settings, self._settings.home
        now = self._monotonic()
        missing = frozenset(role for role in self._roles if holder(home.run, role) is None)
        if settings.accounts.split or holder(home.run, SUPERVISOR) is not None:
            yield from ((Event.ROLE_DIED, role) for role in missing & self._missing)
        self._missing = missing
        for role, still in self._still.items():
            if still.look(now, longest=60.0) > settings.daemon.still_seconds and role not in missing:
                yield Event.ROLE_STUCK, role
        yield from ((Event.ROLE_HELD_UP, role) for role in self._still.keys() - missing if held_up(home.run, role))
        faulty = {code for code, each in settings.stopped.items() if each.faults}
        # Whoever is suspended is so by a person's decision, which is an event.
        yield from ((Event.PARTNER_STOPPED, code) for code in faulty | (noted_stopped(home) - settings.stopped.keys()))
        if shutil.disk_usage(home.state).free < settings.limits.min_free_bytes:
            yield Event.INTAKE_STOPPED, ""
        audit = last_audit(home)
        if audit is not None and (audit.faults or audit.verified is None):
            yield Event.CHAIN_BROKEN, ""
