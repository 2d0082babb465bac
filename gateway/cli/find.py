"""`gateway find`: what is it, and what became of it, by a word or by the bytes of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.views import search
from gateway.administration.views.search import Found, FoundFile, Hit
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.errors import UsageWrong

_NOTHING: Final = 1
_SHOWN: Final = 50
_COLUMNS: Final = (
    Column("KIND"),
    Column("ID"),
    Column("DIR", wide=True),
    Column("PARTNER"),
    Column("FLOW"),
    Column("NAME", gives_way=True),
    Column("STATE"),
    Column("FOUND BY"),
    Column("SINCE (UTC)", wide=True),
)


@click.command()
@click.argument("text", required=False, metavar="[TEXT]")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="What became of the bytes of this file, whatever it is called.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"The newest N.  [default: {_SHOWN}; with --csv and --json all]",
)
@output.as_csv
@output.as_json
@click.pass_context
def find(
    ctx: click.Context, text: str | None, path: Path | None, limit: int | None, *, as_csv: bool, as_json: bool
) -> None:
    """Find transfers, consignments, receipts and quarantined files, sent and received, and say what became of them.

    TEXT is a part of a file's name or of a reference; or the beginning of an id (from 4 characters on), or of the SHA-256
    of a file (from 8 on). With --file, the file's own bytes are looked for: as they were sent or came, as a redirected file
    carries them, as a sealed file travels, and in what was locked away. Exit status 1 if nothing is found.

    \b
    Example:
      gateway --home /srv/gateway find claims-1.xml
      gateway --home /srv/gateway find ENQ-DWP-20261128-KTRWB
      gateway --home /srv/gateway find --file letter.pdf
    """
    if (path is None) == (not (text or "").strip()):
        raise UsageWrong("Say what to look for: a TEXT, or a file with --file FILE.")
    data = as_csv or as_json
    found: Found | FoundFile
    with reading(settings_of(ctx)) as connection:
        if path is None:
            found = search.find(connection, text or "", limit if data else limit or _SHOWN)
        else:
            found = search.find_file(connection, path)
    if as_json:
        output.show_json(found.hits)
    elif as_csv:
        output.show_csv(Hit, found.hits)
    elif isinstance(found, Found):
        _list(found.hits, more=found.more)
    else:
        _tell(found)
    if not found.hits:
        ctx.exit(_NOTHING)


def _list(hits: Sequence[Hit], *, more: bool) -> None:
    if not hits:
        output.say("Nothing is called so here, has such an id or reference, or a file with such a digest.")
        return
    tables.show(_COLUMNS, [_cells(each) for each in hits])
    output.say(f"the newest {len(hits)}; --limit shows more" if more else f"{len(hits)} found")
    if len(hits) == 1:
        for said in hits[0].said:
            click.echo(tables.printable(said))


def _cells(each: Hit) -> tuple[str, ...]:
    return (
        each.kind,
        each.id,
        each.direction or "",
        each.partner,
        each.flow or "",
        each.name or "",
        each.state,
        each.by,
        tables.brief(each.created),
    )


def _tell(file: FoundFile) -> None:
    """What became of a file's bytes, in words."""
    click.echo(f"{tables.printable(file.path)}: {tables.bytes_of(file.size)}, SHA-256 {file.sha256}")
    for each in file.hits:
        click.echo()
        click.echo(tables.printable(f"{_what(each)}: {each.kind} {each.id}"))
        for said in each.said:
            click.echo(f"  {tables.printable(said)}")
    if not file.hits:
        output.say("No file of these bytes was ever taken in here, came here, or was locked away here.")


def _what(each: Hit) -> str:
    when = f" on {tables.brief(each.created)}"
    if each.kind == "quarantine":
        return f"Locked away{when}, from {each.partner}"
    way = f"to {each.partner}" if each.direction == "out" else f"from {each.partner}"
    match each.by, each.kind:
        case "sealed", "receipt":
            return f"A sealed receipt {way}{when}"
        case "sealed", _:
            return f"A sealed consignment {way}{when}"
        case "original", _:
            return f"Carried by a redirected file {way}{when}, as {each.name}"
        case _:
            return f"{each.flow} {way}{when}, as {each.name}"
