"""The site that a command works on, as named by --home or GATEWAY_HOME, else the machine's own, and what commands need that act on it.

Raises SiteMissing where none is named or none is there, ConfigurationInvalid where its configuration has faults.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.administration.site.settings import load
from gateway.cli import output
from gateway.domain.decision import Decision
from gateway.errors import SiteMissing
from gateway.logs import Logger, configure
from gateway.settings.authorities import Authorities, listed
from gateway.settings.home import MACHINES_OWN, Home
from gateway.settings.model import Settings

if TYPE_CHECKING:
    from gateway.administration.site.reload import TakeOver

_ROLE: Final = "command"

_WHY: Final = "Why; it goes into the audit chain with your login name."
reason_option: Final[Callable[[Any], Any]] = click.option("--reason", required=True, metavar="TEXT", help=_WHY)


def reason_or(default: str) -> Callable[[Any], Any]:
    """`--reason` for what is no decision about a file: it need not be given."""
    return click.option("--reason", default=default, show_default=True, metavar="TEXT", help=_WHY)


def home_of(ctx: click.Context) -> Home:
    """The home that was named, its path absolute, else the machine's; whether there is a site in it is not looked at."""
    named = ctx.find_root().obj
    if isinstance(named, Path):
        return Home(named.absolute())
    if not MACHINES_OWN.is_dir():
        raise SiteMissing("No site is named.")
    return Home(MACHINES_OWN)


def settings_of(ctx: click.Context) -> Settings:
    """The settings of the site that was named; from here on, new files are closed as that site's are."""
    settings = load(home_of(ctx))
    os.umask(settings.umask)
    return settings


def settings_if_named(ctx: click.Context) -> Settings | None:
    """The settings of the site that was named, else of the machine's if whoever asks may read them, else None."""
    if ctx.find_root().obj is None and not os.access(Home(MACHINES_OWN).gateway_toml, os.R_OK):
        return None
    return settings_of(ctx)


def settings_if_any(ctx: click.Context) -> Settings | None:
    """The settings of the site that was named, None where none was, or none is there."""
    try:
        return settings_if_named(ctx)
    except SiteMissing:
        return None


def authorities_of(ctx: click.Context) -> Authorities:
    """The table of authorities, with the site's own rows where there is one."""
    settings = settings_if_any(ctx)
    return listed() if settings is None else settings.authorities


def log_of(settings: Settings) -> Logger:
    """Where a command that changes something logs it: to stderr, and only errors where a person reads along."""
    level = "error" if sys.stderr.isatty() else settings.logs.level
    stream, said = sys.stderr.buffer, settings.logs.format
    return configure(settings.site.code, _ROLE, node=settings.node.name, stream=stream, format=said, level=level)


def decision_of(
    ctx: click.Context, settings: Settings, reason: str | None = None, about: str = "", *, dry_run: bool = False
) -> Decision:
    """Who decides, and why. From here to the end of the command what is refused or fails is recorded, with what it is `about`."""
    from gateway.administration.requests import actors  # noqa: PLC0415  # slow to import

    decision = actors.decision(reason)
    if not dry_run:
        ctx.with_resource(actors.attempt(settings, log_of(settings), act_of(ctx), about, decision))
    return decision


def act_of(ctx: click.Context) -> str:
    """The command as events name it: `keys rotate`."""
    return ctx.command_path.removeprefix("gateway ")


def say_missing(missing: Sequence[str], waits: str = "It waits in custody until `gateway run`.") -> None:
    """Which roles do not run, and what that means for what was just handed over."""
    if missing:
        output.say(f"Not running: {', '.join(missing)}. {waits}")


def say_taken_over(done: TakeOver) -> None:
    """Whether the gateway that runs has taken a change over, and what to do where it has not."""
    from gateway.administration.site.reload import TakenOver  # noqa: PLC0415  # slow to import

    match done.taken:
        case TakenOver.SERVICES:
            output.say("Now: `systemctl restart gateway.target`.")
        case TakenOver.ROLES_ALONE:
            output.say(f"These roles run by themselves, and have to be started anew now: {', '.join(done.roles)}.")
        case TakenOver.AT_START:
            output.say("The gateway does not run: it takes the change over when it starts.")
        case TakenOver.AT_ONCE:
            output.say("The gateway that runs has taken the change over.")


def say_change(change: Sequence[str] | None, code: str) -> None:
    """What changes in a partner's file, as a diff on stderr; nothing for a new partner."""
    if change is not None:
        output.say("\n".join(change) if change else f"The card changes nothing about partner {code}.")
