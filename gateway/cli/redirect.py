"""`gateway redirect ID` and `gateway redirect unpack`: what reached the wrong authority goes to the right one, and is opened there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from gateway import assembly
from gateway.cli import acting, output
from gateway.cli.site import settings_of
from gateway.daemon.lock import holder
from gateway.daemon.roles import Role
from gateway.domain.redirect import FLOW, MAX_EXPLANATION, Holding, Opened, Original, Why
from gateway.errors import ContentInvalid, FileUnsafe, NotFound, UsageWrong
from gateway.flows.catalog import FLOWS
from gateway.logs import safe_text
from gateway.settings.flow_settings import LaidSettings
from gateway.settings.model import Settings, Validation
from gateway.settings.resources import resource
from gateway.spool.names import check_name, second_name
from gateway.stages import redirecting
from gateway.stages.inspection import describe
from gateway.stages.redirecting import Order, Passed
from gateway.storage.durable import make_directory, write_new_file
from gateway.validation.contract import Report
from gateway.validation.plan import with_authorities
from gateway.validation.redirect import LIMITS, unwrap
from gateway.validation.sandbox.pool import Job, Sandbox

_SHORT: Final = "pass"


class _Redirect(click.Group):
    """A group whose first command is meant where none is named: `redirect ID` is `redirect pass ID`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [_SHORT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Redirect)
def redirect() -> None:
    r"""Pass a file that reached the wrong authority on to the right one, and open what was passed on.

    `gateway redirect ID ...` is short for `gateway redirect pass ID ...`.

    \b
    Example:
      gateway --home /srv/gateway redirect 019ab5f0 --to E09000030 --reason moved
      gateway --home /srv/gateway redirect unpack redirect-20261121-019ab5f0.xml --out /srv/inbox
    """


@redirect.command(_SHORT)
@click.argument("identity", metavar="ID")
@click.option("--to", required=True, metavar="CODE", help="The authority that it belongs to.")
@click.option("--reason", required=True, type=click.Choice([why.value for why in Why]), help="Why it belongs there.")
@click.option("--note", metavar="TEXT", help="The same in words, without personal data; `--reason other` needs it.")
@click.option(
    "--opened",
    type=click.Choice([opened.value for opened in Opened]),
    default=Opened.BY_OFFICER.value,
    show_default=True,
    help="Who saw here what is in it; say less than the most only if you know.",
)
@click.option(
    "--file",
    "given",
    type=click.Path(path_type=Path),
    help="The file itself, where the back office has taken it away; it stays where it is.",
)
@click.option("--dry-run", is_flag=True, help="Try it, and change nothing.")
@output.as_json
@click.pass_context
def pass_on(
    ctx: click.Context,
    identity: str,
    to: str,
    reason: str,
    note: str | None,
    opened: str,
    given: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Pass the delivered transfer ID on to the authority that it belongs to. The first characters are enough.

    Its sender is told in a signed receipt that it was refused here and where it went; the right authority gets it sealed,
    byte for byte, with its history; and it is removed from spool/inbound. All of it is in the audit chain, with your login
    name. Remove from the back-office system whatever it has loaded of the file.

    \b
    Example:
      gateway --home /srv/gateway redirect pass 019ab5f0 --to E09000030 --reason address-elsewhere --opened no
    """
    order = Order(to, reason, opened, _note(note, reason), acting.actor(), given)
    with acting.stage_context(ctx) as context:
        with Sandbox({FLOW: assembly.plans(context.settings)[FLOW]}, 1) as readers:
            passed = redirecting.redirect(context, identity, order, readers, dry_run=dry_run)
        missing = [role.value for role in Role if holder(context.home.run, role) is None]
    if as_json:
        output.show_json({**asdict(passed), "dry_run": dry_run})
        return
    _tell(passed, given=given is not None, dry_run=dry_run)
    if missing and not dry_run:
        output.say(f"Not running: {', '.join(missing)}. It waits in custody until `gateway run`.")


def _note(note: str | None, reason: str) -> str | None:
    text = safe_text(" ".join((note or "").split()))
    if len(text) > MAX_EXPLANATION:
        raise UsageWrong(f"--note takes at most {MAX_EXPLANATION} characters.")
    if reason == Why.OTHER and not text:
        raise UsageWrong("--reason other needs a --note that says why.")
    return text or None


def _tell(passed: Passed, *, given: bool, dry_run: bool) -> None:
    if dry_run:
        output.say(f"{passed.transfer} could be passed on to {passed.passed_to}. Nothing was changed.")
        return
    click.echo(passed.redirect)
    output.say(f"Transfer {passed.transfer} goes on to {passed.passed_to} as transfer {passed.redirect}.")
    output.say(f"{passed.came_from} is told that it was refused here, and where it went.")
    if passed.removed is not None:
        output.say(f"{safe_text(passed.removed)} was removed from spool/inbound/{passed.flow}/{passed.came_from}.")
    if given:
        output.say("The file that you gave stays where it is: remove it, and what the back office loaded of it.")


@redirect.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "directory",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to put the original.",
)
@output.as_json
@click.pass_context
def unpack(ctx: click.Context, file: Path, directory: Path, *, as_json: bool) -> None:
    """Take the original file out of a redirect document, as it left the Department, and tell who held it.

    The document is checked like any other before it is opened, and the original's size and SHA-256 are those that the
    document gives. No file is overwritten. The exit status is 65 where the document is not right.

    \b
    Example:
      gateway redirect unpack spool/inbound/redirect/E08000004/redirect-20261121-019ab5f0.xml --out /srv/inbox
    """
    content = _content(file)
    report = _report(ctx, file)
    if not report.valid:
        raise ContentInvalid(describe(report), report.findings[0].code)
    site = _settings(ctx)
    holdings, original = unwrap(content, None if site is None else site.authorities)
    check_name(original.name)
    path = _context(directory, original, holdings[0].transfer)
    if as_json:
        output.show_json(_data(path, original, holdings))
        return
    click.echo(str(path))
    output.say(f"{original.flow}, {len(original.content)} bytes, SHA-256 {original.sha256}")
    for holding in holdings:
        output.say(f"  {_told(holding)}")


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(LIMITS.size + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {safe_text(str(file))}.") from error
    except OSError as error:
        raise FileUnsafe(f"{safe_text(str(file))} cannot be read: {error.strerror}.") from error
    return content


def _report(ctx: click.Context, file: Path) -> Report:
    """What a reader in the sandbox says of it, by the rules of the site where one was named."""
    settings = _settings(ctx)
    allowed = (Validation() if settings is None else settings.validation).test_numbers
    links = LaidSettings().links if settings is None else settings.links
    plan = FLOWS[FLOW].plan(resource("schemas"), allowed, links)
    plan = with_authorities(plan, "" if settings is None else settings.authorities.added)
    with Sandbox({FLOW: plan}, 1) as readers:
        _, result = next(iter(readers.validate([Job("document", FLOW, file)])))
    if not isinstance(result, Report):
        raise ContentInvalid(f"Reading it ended its reader: {result.reason}")
    return result


def _settings(ctx: click.Context) -> Settings | None:
    return None if ctx.find_root().obj is None else settings_of(ctx)


def _context(directory: Path, original: Original, transfer: str) -> Path:
    """Put the original there, under its name or, where another file has that, under the second name of deliveries."""
    make_directory(directory.absolute(), 0o750)
    for name in (original.name, second_name(original.name, transfer)):
        path = directory / name
        if write_new_file(path, original.content, mode=0o640) or _is_the_same(path, original):
            return path
    raise UsageWrong(f"Both of its names are taken in {safe_text(str(directory))}: choose another directory.")


def _is_the_same(path: Path, original: Original) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != len(original.content):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == original.sha256


def _data(path: Path, original: Original, holdings: tuple[Holding, ...]) -> Mapping[str, Any]:
    return {
        "file": str(path),
        "flow": original.flow,
        "name": original.name,
        "size": len(original.content),
        "sha256": original.sha256,
        "transfer": holdings[0].transfer,
        "history": [
            {**asdict(holding), "received": holding.received.isoformat(), "passed": holding.passed.isoformat()}
            for holding in holdings
        ],
    }


def _told(holding: Holding) -> str:
    why = f"{holding.reason}: {holding.explanation}" if holding.explanation else holding.reason
    return (
        f"{holding.holder} had it from {holding.received_from} on {holding.received} as transfer {holding.transfer}, "
        f"opened: {holding.opened}; passed on to {holding.passed_to} on {holding.passed} ({safe_text(why)})"
    )
