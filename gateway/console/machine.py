"""What of a site's health the console may see beside the ledger: which roles run, the disk, the last audit. Spool and landing are closed to it."""

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


def look(settings: Settings) -> Machine:
    """The site's machine now, as far as the console sees it."""
    home = settings.home
    channels = noted(home.run)
    return Machine(
        processes={name: holder(home.run, name) for name in ("gateway", *roles_of(settings))},
        noted_stopped=noted_stopped(home),
        passed_over=None,
        written_late=None,
        late_ending="",
        disk=Disk(shutil.disk_usage(home.ledger.parent).free, settings.limits.min_free_bytes),
        audit=last_audit(home),
        restored=home.restored.exists(),
        untold=tuple(
            name
            for name in settings.notify.channels
            if name in channels and channels[name].failures >= settings.link.alarm_failures
        ),
        shut_out=noted_shut_out(home),
        held_up=held_up_roles(settings),
        shared_away=away(settings),
        away=away_from(settings),
    )
