"""Commands that change something: who asks, why, and how the roles hear of it.

Raises UsageWrong for a reason that says nothing, NotPermitted where this user may not change the site's state. The chain
is the record of what was decided; the log line of it goes to stderr only where no person reads along.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from gateway import assembly
from gateway.cli import reading
from gateway.cli.site import settings_of
from gateway.daemon.roles import Role
from gateway.daemon.wake_ups import wake
from gateway.errors import UsageWrong
from gateway.logs import configure, safe_text
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decision

_LONGEST: Final = 300

reason_option: Final[Callable[[Any], Any]] = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it goes into the audit chain with your login name."
)


@contextmanager
def stage_context(ctx: click.Context) -> Iterator[StageContext]:
    """The site's surroundings for one command; every role is woken at the end."""
    settings = settings_of(ctx)
    level = "error" if sys.stderr.isatty() else settings.logs.level
    log = configure(
        settings.site.code, reading.ROLE, stream=sys.stderr.buffer, format=settings.logs.format, level=level
    )
    with reading.permitted():
        context = assembly.stage_context(settings, reading.ROLE, log, lambda: False)
    try:
        yield context
    finally:
        context.ledger.close()
    wake_roles(settings)


def wake_roles(settings: Settings) -> None:
    """Tell every role that runs to look now."""
    for role in Role:
        wake(settings.home.run, role)


def decision(reason: str) -> Decision:
    """The caller's decision, its reason masked and on one line."""
    text = " ".join(reason.split())
    if not 3 <= len(text) <= _LONGEST:
        raise UsageWrong(f"Give a --reason of 3 to {_LONGEST} characters that others will understand.")
    return Decision(actor(), safe_text(text))


def actor() -> str:
    """The login name of whoever asks: behind sudo, the one who called it."""
    named = os.environ.get("SUDO_USER")
    if named and os.geteuid() == 0:
        return safe_text(named)[:64]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
