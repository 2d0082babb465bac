"""Who asks something of a site, and why; and the site's surroundings while it is done.

Raises UsageWrong for a reason that says nothing, NotPermitted where this user may not change the site's state. The chain
is the record of what was decided.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import assembly
from gateway.administration.access import ROLE, permitted
from gateway.administration.requests.asking import reason_text
from gateway.daemon.roles import Role
from gateway.daemon.wake_ups import wake
from gateway.logs import Logger, safe_text
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decision


@contextmanager
def stage_context(settings: Settings, log: Logger) -> Iterator[StageContext]:
    """The site's surroundings for one request; every role is woken at the end."""
    with permitted():
        context = assembly.stage_context(settings, ROLE, log, lambda: False)
    try:
        yield context
    finally:
        context.ledger.close()
    wake_roles(settings)


def wake_roles(settings: Settings) -> None:
    """Tell every role that runs to look now."""
    for role in Role:
        wake(settings.home.run, role)


def decision(reason: str, actor: str | None = None) -> Decision:
    """A person's decision, its reason masked and on one line; the actor is whoever runs this process, unless named."""
    return Decision(login_name() if actor is None else actor, reason_text(reason))


def login_name() -> str:
    """The login name of whoever asks: behind sudo, the one who called it."""
    named = os.environ.get("SUDO_USER")
    if named and os.geteuid() == 0:
        return safe_text(named)[:64]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
