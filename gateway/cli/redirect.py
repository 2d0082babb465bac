"""`gateway redirect ID` and `gateway redirect unpack`: what reached the wrong authority goes to the right one, and is opened there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from gateway.administration.documents import redirects
from gateway.administration.documents.redirects import Unpacked
from gateway.administration.requests import redirecting as requests
from gateway.administration.requests.redirecting import Passed
from gateway.cli import output
from gateway.cli.site import decision_of, log_of, say_missing, settings_if_named, settings_of
from gateway.domain.redirect import Holding, Opened, Why
from gateway.logs import safe_text

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
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, about=identity, dry_run=dry_run)
    wanted = requests.order(to, reason, opened, note, given, decision)
    done = requests.redirect(settings, log_of(settings), identity, wanted, dry_run=dry_run)
    if as_json:
        output.show_json({**asdict(done.passed), "dry_run": dry_run})
        return
    _tell(done.passed, given=given is not None, dry_run=dry_run)
    if not dry_run:
        say_missing(done.missing)


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
    done = redirects.unpack(settings_if_named(ctx), file, directory)
    if as_json:
        output.show_json(_data(done))
        return
    click.echo(str(done.path))
    original = done.original
    output.say(f"{original.flow}, {len(original.content)} bytes, SHA-256 {original.sha256}")
    for holding in done.holdings:
        output.say(f"  {_told(holding)}")


def _data(done: Unpacked) -> Mapping[str, Any]:
    return {
        "file": str(done.path),
        "flow": done.original.flow,
        "name": done.original.name,
        "size": len(done.original.content),
        "sha256": done.original.sha256,
        "transfer": done.holdings[0].transfer,
        "history": done.holdings,
    }


def _told(holding: Holding) -> str:
    why = f"{holding.reason}: {holding.explanation}" if holding.explanation else holding.reason
    return (
        f"{holding.holder} had it from {holding.received_from} on {holding.received} as transfer {holding.transfer}, "
        f"opened: {holding.opened}; passed on to {holding.passed_to} on {holding.passed} ({safe_text(why)})"
    )
