"""`gateway authorities`: is there such an authority, and under which codes?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from gateway.administration.site.authorities import AuthorityView, meant, search
from gateway.cli import output
from gateway.cli.site import authorities_of
from gateway.cli.tables import Column, show
from gateway.domain.calendar import day_of
from gateway.errors import AuthorityUnlisted

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
@click.argument("words", metavar="[find] [TEXT]", nargs=-1)
@output.as_csv
@output.as_json
@click.pass_context
def authorities(ctx: click.Context, words: tuple[str, ...], *, as_csv: bool, as_json: bool) -> None:
    """Look up local authorities by a part of the name, or by the beginning of a code; all of them without TEXT.

    Those that were merged are listed too, with the last day of their code and the authority that stands for it today. No
    site is needed; with one, the rows of its config/authorities.tsv count. Exit status 65 if there is none.

    \b
    Example:
      gateway authorities find tower hamlets
      gateway authorities 4220 --json
    """
    text = " ".join(words[1:] if words[:1] == ("find",) else words)
    known = authorities_of(ctx)
    found = search(known, text, day_of(time.time()))
    if as_json:
        output.show_json([_data(each) for each in found])
    elif as_csv:
        output.show_csv(AuthorityView, found)
    elif found:
        show(_COLUMNS, [_cells(each) for each in found])
    if not found:
        output.say(f"No authority is called so{meant(known, text)}")
        ctx.exit(AuthorityUnlisted.exit_status)


def _data(each: AuthorityView) -> Mapping[str, Any]:
    names = {"since": "from"}
    return {names.get(name, name): value for name, value in vars(each).items() if name != "current_name"}


def _cells(each: AuthorityView) -> tuple[str, ...]:
    return (
        each.ons,
        each.billing or "-",
        each.name,
        each.kind,
        each.since or "",
        each.until or "",
        "" if each.current_name is None else f"{each.current} {each.current_name}",
    )
