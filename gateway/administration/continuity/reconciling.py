"""Work that was done by hand while continuity was invoked, compared with what the gateway carried: what may be done twice.

The list is a CSV file with a line of headings, `reference` or `name` among them; other columns are left alone. Raises UsageWrong for a file
that is none, or where nobody knows from when on to compare.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.administration.access import reading
from gateway.domain.continuity import Carried, carried
from gateway.domain.identity import from_text, to_text
from gateway.errors import UsageWrong
from gateway.ledger.queries import continuity
from gateway.ledger.store import Connection
from gateway.ledger.units import Transfer
from gateway.settings.model import Settings

_MAX_BYTES: Final = 32 << 20
_COLUMNS: Final = ("reference", "name")


@dataclass(frozen=True)
class Reconciled:
    """A line of the list and a transfer that is about it, or none: the contract of `reconcile --json` and `--csv`. `line` counts
    from 1, the headings' line.
    """

    line: int
    reference: str
    name: str
    carried: str
    transfer: str | None = None
    direction: str | None = None
    partner: str | None = None
    flow: str | None = None
    state: str | None = None
    created: str | None = None


@dataclass(frozen=True)
class _Line:
    number: int
    reference: str
    name: str


def reconcile(settings: Settings, file: Path, since: float | None) -> list[Reconciled]:
    """Each line of the list with what was carried since then (seconds since 1970), by default since continuity was invoked last."""
    lines = list(_lines(file))
    with reading(settings) as connection:
        moment = since if since is not None else _last_invoked(connection)
        found: defaultdict[str, dict[str, Transfer]] = defaultdict(dict)
        words = sorted({word for line in lines for word in (line.reference, line.name) if word})
        for row in continuity.about(connection, words, moment):
            for word in filter(None, (row.reference, row.name)):
                found[word][f"{row.direction} {row.partner} {row.id}"] = row
    return [each for line in lines for each in _of(line, found[line.reference] | found[line.name])]


def _last_invoked(connection: Connection) -> float:
    at = continuity.last_invoked(connection)
    if at is None:
        raise UsageWrong("Continuity was never invoked here: say with --since from when on to compare.")
    return from_text(at)


def _of(line: _Line, rows: dict[str, Transfer]) -> Iterator[Reconciled]:
    if not rows:
        yield Reconciled(line.number, line.reference, line.name, str(Carried.HAND))
    for row in sorted(rows.values(), key=lambda each: each.key):
        yield Reconciled(
            line.number,
            line.reference,
            line.name,
            str(carried(row.state)),
            row.id,
            str(row.direction),
            row.partner,
            row.flow,
            str(row.state),
            to_text(row.created),
        )


def _lines(file: Path) -> Iterator[_Line]:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise UsageWrong(f"{file} has more than 32 MiB: is that the list?")
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        headings = [each.strip().casefold() for each in next(rows, [])]
        if not set(_COLUMNS) & set(headings):
            raise UsageWrong(
                f"{file} needs a first line of headings, with `reference` or `name` among them, and commas between."
            )
        for cells in rows:
            line = _Line(rows.line_num, *(_cell(headings, cells, name) for name in _COLUMNS))
            if line.reference or line.name:
                yield line
    except OSError as error:
        raise UsageWrong(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageWrong(f"{file} is not UTF-8 text: save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise UsageWrong(f"{file} is not CSV: {error}.") from error


def _cell(headings: Sequence[str], cells: Sequence[str], name: str) -> str:
    at = headings.index(name) if name in headings else len(cells)
    return cells[at].strip() if at < len(cells) else ""
