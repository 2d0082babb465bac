"""`gateway extract`: what an extract amounts to, and the exceptions of a file that travelled; without a word about any person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli import output, reading, tables, words
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.calendar import month_in
from gateway.domain.extract_name import authorities_named
from gateway.errors import NotFound, SiteMissing
from gateway.ledger.queries.facts import exceptions_in
from gateway.logs import safe_text
from gateway.settings.authorities import listed as listed_authorities
from gateway.settings.resources import resource
from gateway.spool.exception_lists import ExceptionLists, ListKey, from_csv, to_csv
from gateway.stages.decisions import find_transfer
from gateway.validation.extract.layout import RECORD_TYPES
from gateway.validation.extract.summary import TOTALS, Summary, summarise

_KINDS: Final = {
    "D": "claims",
    "A": "claim activity without payment",
    "C": "closed claims",
    "T": "changes of circumstances",
    "E": "payment errors",
    "G": "management information",
    "P": "revisions and appeals",
    "R": "overpayment activity and referral outcomes",
    "S": "dependants and non-dependants",
}


_LISTED: Final = (Column("ROW", right=True), Column("FIELD"), Column("CODE"), Column("WHAT IS WRONG", gives_way=True))


@click.group()
def extract() -> None:
    """Look at extracts, and at the exceptions of files."""


@extract.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@output.as_json
@click.pass_context
def summary(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Count an extract's records, its claims in payment and its money. No name, number or claim is shown.

    Whether the file would be accepted, `gateway validate extract FILE` says.

    \b
    Example:
      gateway extract summary "hb9991_SHBE_555086k May 2013.csv"
    """
    if not file.is_file():
        raise NotFound(f"There is no file {safe_text(str(file))}.")
    found = summarise(resource("schemas"), file)
    month, authorities = month_in(file.name), _authorities(ctx, file.name)
    if as_json:
        output.show_json(_data(file, found, None if month is None else str(month), authorities))
        return
    rows = [(f"{kind}  {_KINDS[kind]}", f"{found.counts[kind]:,}") for kind in RECORD_TYPES]
    rows += [("all records", f"{found.records:,}")]
    rows += [(f"{benefit.upper()} claims in payment", f"{found.in_payment[benefit]:,}") for benefit in ("hb", "ctb")]
    rows += [(_words(name), _pounds(found.totals[name])) for name in TOTALS.values()]
    tables.show((Column("EXTRACT"), Column("TOTAL", right=True)), rows)
    whose = " and ".join(f"{code} ({name or 'not in the table of authorities'})" for code, name in authorities.items())
    output.say(f"{found.columns} columns; by its name: month {month or 'none'}, authority {whose or 'none'}")
    if found.unread:
        output.say(f"{found.unread} rows could not be read and are not counted by type: see `gateway validate extract`")


@extract.command()
@click.argument("identity", metavar="ID")
@click.option("--csv", "as_csv", is_flag=True, help="Print the list as it lies beside the file.")
@output.as_json
@click.pass_context
def exceptions(ctx: click.Context, identity: str, *, as_csv: bool, as_json: bool) -> None:
    """List what is wrong with single records of the file that the transfer ID carried, by row and field, never a value.

    Files of other flows may have exceptions too: then ROW is the number of the record, and FIELD its element. The same list
    lies beside the receipt where the file was sent, and beside the file where it was delivered.

    \b
    Example:
      gateway --home /srv/gateway extract exceptions 019ab5f0
      gateway --home /srv/gateway extract exceptions 019ab5f0 --csv > exceptions.csv
    """
    settings = settings_of(ctx)
    with reading.opened(settings) as ledger, ledger.read() as connection:
        row = find_transfer(connection, identity)
    counts = exceptions_in(row.facts)
    content = None
    if counts is not None:
        with reading.permitted():
            content = ExceptionLists(settings.home.exceptions).read(ListKey(row.direction, row.partner, row.id))
        if content is None:
            raise NotFound(
                f"The list of the {counts[0]} exceptions of transfer {row.id} is not in {settings.home.exceptions}."
            )
    listed = [] if content is None else from_csv(content)
    if as_json:
        output.show_json([each._asdict() for each in listed])
    elif as_csv:
        click.echo(to_csv(listed), nl=False)
    else:
        if listed:
            tables.show(_LISTED, [(str(each.row), each.field, each.code, each.message) for each in listed])
        output.say(f"{safe_text(row.name)}: {'no exceptions' if counts is None else words.exceptions(*counts)}")


def _authorities(ctx: click.Context, name: str) -> dict[str, str | None]:
    """The authorities that a file's name says, by their codes; the name of one that no table knows is None."""
    try:
        known = listed_authorities() if ctx.find_root().obj is None else settings_of(ctx).authorities
    except SiteMissing:
        known = listed_authorities()
    found = {code: known.find(code) for code in authorities_named(name)}
    return {code: None if row is None else row.name for code, row in found.items()}


def _data(file: Path, found: Summary, month: str | None, authorities: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "file": str(file),
        "month": month,
        "authority": next(iter(authorities), None),
        "authorities": [{"code": code, "name": name} for code, name in authorities.items()],
        "columns": found.columns,
        "records": found.records,
        "unread": found.unread,
        "counts": {kind: found.counts[kind] for kind in RECORD_TYPES},
        "in_payment": {benefit: found.in_payment[benefit] for benefit in ("hb", "ctb")},
        "totals_pence": {name: found.totals[name] for name in TOTALS.values()},
    }


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return " ".join(word.upper() if word in ("hb", "ctb") else word for word in text.split(" "))


def _pounds(pence: int) -> str:
    sign = "-" if pence < 0 else ""
    return f"{sign}£{abs(pence) // 100:,}.{abs(pence) % 100:02d}"
