"""`gateway authorities`, and what `init` and `partner add` ask of the table: is there such an authority, under which codes?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from gateway.cli import output
from gateway.cli.site import settings_of
from gateway.cli.tables import Column, show
from gateway.domain.calendar import day_of
from gateway.errors import AuthorityUnlisted, CardRefused, SiteMissing
from gateway.settings.authorities import Authorities, Authority, listed
from gateway.settings.model import Settings, SiteKind, kind_of

_COLUMNS = (
    Column("ONS"),
    Column("BILLING"),
    Column("NAME", gives_way=True),
    Column("KIND", wide=True),
    Column("FROM"),
    Column("UNTIL"),
    Column("SUCCESSOR"),
)


@click.command()
@click.argument("text", metavar="[TEXT]", default="")
@output.as_json
@click.pass_context
def authorities(ctx: click.Context, text: str, *, as_json: bool) -> None:
    """Look up local authorities by a part of the name, or by the beginning of a code; all of them without TEXT.

    Those that were merged are listed too, with the last day of their code and the authority that stands for it today. No
    site is needed; with one, the rows of its config/authorities.tsv count. Exit status 65 if there is none.

    \b
    Example:
      gateway authorities "tower hamlets"
      gateway authorities 4220 --json
    """
    known, today = _known(ctx), day_of(time.time())
    found = known.search(text)
    if as_json:
        output.show_json([_data(row, known.successor(row.ons, today)) for row in found])
    elif found:
        show(_COLUMNS, [_cells(row, known.successor(row.ons, today)) for row in found])
    if not found:
        output.say(f"No authority is called so{_meant(known, text)}")
        ctx.exit(AuthorityUnlisted.exit_status)


def require_listed(known: Authorities, code: str, *, unlisted: bool) -> None:
    """AuthorityUnlisted for a code that names no authority, unless whoever gives it knows that."""
    if unlisted or kind_of(code) is not SiteKind.LA or known.find(code) is not None:
        return
    raise AuthorityUnlisted(f"{code} is the code of no authority that is known here{_meant(known, code)}")


def require_another(settings: Settings, code: str) -> None:
    """CardRefused where the authority of the code is this site's or a partner's already, under its other code."""
    aliases = settings.authorities.aliases
    if code != settings.site.code and aliases(code, settings.site.code):
        raise CardRefused(f"{code} is this site's own authority: the site is known as {settings.site.code}.")
    for other in settings.partners:
        if code != other and aliases(code, other):
            raise CardRefused(
                f"{code} is the authority of the partner {other} under its other code: one authority is one partner."
            )


def warn_of_successor(known: Authorities, code: str) -> None:
    """Say on stderr that another code stands for this one today."""
    row, successor = known.find(code), known.successor(code, day_of(time.time()))
    if row is not None and successor is not None:
        output.say(
            f"warning: {code} ({row.name}) ended on {row.until}; {successor.ons} ({successor.name}) stands for it now."
        )


def _known(ctx: click.Context) -> Authorities:
    if ctx.find_root().obj is None:
        return listed()
    try:
        return settings_of(ctx).authorities
    except SiteMissing:
        return listed()


def _meant(known: Authorities, text: str) -> str:
    """The end of the sentence: what looks like it, if anything does."""
    near = [f"{row.ons} ({row.name})" for row in known.near(text)]
    return f"; did you mean {' or '.join(near)}?" if near else "."


def _data(row: Authority, successor: Authority | None) -> Mapping[str, Any]:
    return {
        "ons": row.ons,
        "billing": row.billing,
        "name": row.name,
        "kind": row.kind,
        "from": None if row.since is None else row.since.isoformat(),
        "until": None if row.until is None else row.until.isoformat(),
        "successor": row.successor,
        "current": successor.ons if successor is not None else row.ons,
    }


def _cells(row: Authority, successor: Authority | None) -> tuple[str, ...]:
    return (
        row.ons,
        row.billing or "-",
        row.name,
        row.kind,
        "" if row.since is None else row.since.isoformat(),
        "" if row.until is None else row.until.isoformat(),
        "" if successor is None else f"{successor.ons} {successor.name}",
    )
