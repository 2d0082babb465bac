"""`gateway extract summary`: what an extract amounts to, without a word about any person."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from gateway.cli import output, tables
from gateway.cli.tables import Column
from gateway.errors import NotFound
from gateway.logs import safe_text
from gateway.settings.resources import resource
from gateway.transfer.calendar import month_in
from gateway.validation.extract_layout import RECORD_TYPES
from gateway.validation.extract_summary import TOTALS, Summary, summarise

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


@click.group()
def extract() -> None:
    """Look at extracts, as files."""


@extract.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@output.as_json
def summary(file: Path, *, as_json: bool) -> None:
    """Count an extract's records, its claims in payment and its money. No name, number or claim is shown.

    Whether the file would be accepted, `gateway validate extract FILE` says.

    \b
    Example:
      gateway extract summary "hb9991_SHBE_555086k May 2013.csv"
    """
    if not file.is_file():
        raise NotFound(f"There is no file {safe_text(str(file))}.")
    found = summarise(resource("schemas"), file)
    month = month_in(file.name)
    if as_json:
        output.show_json(_data(file, found, None if month is None else str(month)))
        return
    rows = [(f"{kind}  {_KINDS[kind]}", f"{found.counts[kind]:,}") for kind in RECORD_TYPES]
    rows += [("all records", f"{found.records:,}")]
    rows += [(f"{benefit.upper()} claims in payment", f"{found.in_payment[benefit]:,}") for benefit in ("hb", "ctb")]
    rows += [(_words(name), _pounds(found.totals[name])) for name in TOTALS.values()]
    tables.show((Column("EXTRACT"), Column("TOTAL", right=True)), rows)
    output.say(f"{found.columns} columns; month by its name: {month or 'none'}")
    if found.unread:
        output.say(f"{found.unread} rows could not be read and are not counted by type: see `gateway validate extract`")


def _data(file: Path, found: Summary, month: str | None) -> dict[str, Any]:
    return {
        "file": str(file),
        "month": month,
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
