"""What an extract amounts to, without a word about any person. Raises NotFound, and what its reader raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.calendar import month_in
from gateway.domain.extract_name import authorities_named
from gateway.errors import NotFound
from gateway.logs import safe_text
from gateway.settings.authorities import Authorities
from gateway.settings.resources import resource
from gateway.validation.extract.layout import RECORD_TYPES
from gateway.validation.extract.summary import TOTALS, summarise


@dataclass(frozen=True)
class ExtractSummary:
    """Counts and money (pence) of an extract; `month` and `authorities` are what its name says, a name None where no table
    knows the code.
    """

    month: str | None
    authorities: Mapping[str, str | None]
    columns: int
    records: int
    unread: int
    counts: Mapping[str, int]
    in_payment: Mapping[str, int]
    totals_pence: Mapping[str, int]


def summary(known: Authorities, file: Path) -> ExtractSummary:
    """Sum a file up."""
    if not file.is_file():
        raise NotFound(f"There is no file {safe_text(str(file))}.")
    found, month = summarise(resource("schemas"), file), month_in(file.name)
    rows = {code: known.find(code) for code in authorities_named(file.name)}
    return ExtractSummary(
        month=None if month is None else str(month),
        authorities={code: None if row is None else row.name for code, row in rows.items()},
        columns=found.columns,
        records=found.records,
        unread=found.unread,
        counts={kind: found.counts[kind] for kind in RECORD_TYPES},
        in_payment={benefit: found.in_payment[benefit] for benefit in ("hb", "ctb")},
        totals_pence={name: found.totals[name] for name in TOTALS.values()},
    )
