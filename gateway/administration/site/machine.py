"""What of a site's health is not in its ledger: its processes, its disk, and what lies in its spool. Changes nothing."""

from __future__ import annotations

import shutil

from gateway.administration.notify.noted import noted
from gateway.administration.site.audit_record import last_audit
from gateway.administration.site.held_up import away_from, held_up_roles
from gateway.administration.views.health_fields import Disk, Machine
from gateway.daemon.lock import holder
from gateway.daemon.roles import roles_of
from gateway.daemon.stopped_partners import noted_shut_out, noted_stopped
from gateway.settings.model import Settings
from gateway.settings.shared_place import away
from gateway.spool.passed_over import forgotten
from gateway.spool.returns import WRITTEN_LATE, letters
from gateway.stages.itinerary import Role
from gateway.stages.landing_quota import landing_usage


def look(settings: Settings, now: float) -> Machine:
    """The site's machine at a moment."""
    home = settings.home
    return Machine(
        processes={name: holder(home.run, name) for name in ("gateway", *roles_of(settings))},
        noted_stopped=noted_stopped(home),
        passed_over=_forgotten(settings, now),
        written_late=_written_late(settings),
        late_ending=WRITTEN_LATE,
        disk=Disk(shutil.disk_usage(home.state).free, settings.limits.min_free_bytes),
        audit=last_audit(home),
        restored=home.restored.exists(),
        untold=_untold(settings),
        shut_out=noted_shut_out(home),
        held_up=held_up_roles(settings),
        shared_away=away(settings),
        away=away_from(settings),
        landings={
            code: lies for code in settings.codes if (lies := landing_usage(home.landing_in(code))) and lies.files
        },
    )


def roles_that_do_not_run(settings: Settings) -> list[str]:
    """The names of the roles that nobody runs now."""
    return [role.value for role in Role if holder(settings.home.run, role) is None]


def _untold(settings: Settings) -> tuple[str, ...]:
    """Channels that have failed as often in a row as is an alarm."""
    channels = noted(settings.home.run)
    most = settings.link.alarm_failures
    return tuple(name for name in settings.notify.channels if name in channels and channels[name].failures >= most)


def _forgotten(settings: Settings, now: float) -> int | None:
    """How many files in the spool were passed over for more than a day; None where this user may not look."""
    home = settings.home
    try:
        return sum(forgotten((home.outbound, home.outcomes), settings.spool.passed_over, now).values())
    except OSError:
        return None


def _written_late(settings: Settings) -> int | None:
    """How many files were written to after they were taken, and lie in spool/returned yet; None where this user may not look."""
    try:
        return letters(settings.home.returned, WRITTEN_LATE)
    except OSError:
        return None
