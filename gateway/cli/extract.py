"""`gateway extract`: what an extract amounts to, and the exceptions of a file that travelled; without a word about any person."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from gateway.administration.documents import extracts
from gateway.administration.documents.extracts import ExtractSummary
from gateway.administration.site.exception_lists import exceptions_of
from gateway.administration.views import words
from gateway.cli import output, tables
from gateway.cli.site import authorities_of, settings_of
from gateway.cli.tables import Column
from gateway.logs import safe_text

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
    found = extracts.summary(authorities_of(ctx), file)
    if as_json:
        output.show_json(_data(file, found))
        return
    rows = [(f"{kind}  {_KINDS[kind]}", f"{count:,}") for kind, count in found.counts.items()]
    rows += [("all records", f"{found.records:,}")]
    rows += [(f"{benefit.upper()} claims in payment", f"{count:,}") for benefit, count in found.in_payment.items()]
    rows += [(_words(name), _pounds(pence)) for name, pence in found.totals_pence.items()]
    tables.show((Column("EXTRACT"), Column("TOTAL", right=True)), rows)
    named = found.authorities.items()
    whose = " and ".join(f"{code} ({name or 'not in the table of authorities'})" for code, name in named)
    output.say(f"{found.columns} columns; by its name: month {found.month or 'none'}, authority {whose or 'none'}")
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
    found = exceptions_of(settings_of(ctx), identity)
    if as_json:
        output.show_json([each._asdict() for each in found.listed])
    elif as_csv:
        click.echo(found.csv, nl=False)
    else:
        if found.listed:
            tables.show(_LISTED, [(str(each.row), each.field, each.code, each.message) for each in found.listed])
        counts = found.counts
        said = "no exceptions" if counts is None else words.exceptions(counts.count, counts.records)
        output.say(f"{safe_text(found.name)}: {said}")


def _data(file: Path, found: ExtractSummary) -> dict[str, Any]:
    return {
        "file": str(file),
        "month": found.month,
        "authority": next(iter(found.authorities), None),
        **vars(found),
        "authorities": [{"code": code, "name": name} for code, name in found.authorities.items()],
    }


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return " ".join(word.upper() if word in ("hb", "ctb") else word for word in text.split(" "))


def _pounds(pence: int) -> str:
    sign = "-" if pence < 0 else ""
    return f"{sign}£{abs(pence) // 100:,}.{abs(pence) % 100:02d}"
