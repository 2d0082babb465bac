"""How the records of one extract belong together: claims, what belongs to them, changes and the errors they led to.

A record may come before its claim, so an unknown claim is judged at the end of the file. Kept are references of bounded
length, about 100 bytes a claim, and the number of every row that waits. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.validation.extract.layout import CLAIMS
from gateway.validation.extract.rows import Record


class LinkFault(NamedTuple):
    """A record that does not belong: its row, and the number of the field that should say where to."""

    code: str
    row: int
    field: int


class Links:
    """Collects references row by row. Housing and council tax benefit number their claims independently."""

    def __init__(self) -> None:
        self._housing: set[bytes] = set()
        self._council_tax: set[bytes] = set()
        self._changes: set[bytes] = set()
        self._unclaimed: dict[bytes, tuple[list[int], bytes]] = {}
        self._unchanged: dict[bytes, list[int]] = {}

    def add(self, record: Record | tuple[str, bytes, bytes, bytes], row: int) -> LinkFault | None:
        """Take in one record; the fault is that of a claim whose reference an earlier claim had."""
        kind, housing, council_tax, change = record
        if kind in CLAIMS:
            return self._add_claim(housing, council_tax, row)
        if kind == "G":
            return None
        if housing not in self._housing and council_tax not in self._council_tax and (housing or council_tax):
            self._unclaimed.setdefault(b"%b,%b" % (housing, council_tax), ([], housing))[0].append(row)
        if kind == "T":
            self._changes.add(change)
        elif kind == "E" and change and change not in self._changes:
            self._unchanged.setdefault(change, []).append(row)
        return None

    def _add_claim(self, housing: bytes, council_tax: bytes, row: int) -> LinkFault | None:
        field = 0
        if council_tax:
            if council_tax in self._council_tax:
                field = 3
            else:
                self._council_tax.add(housing if council_tax == housing else council_tax)
        if housing:
            if housing in self._housing:
                field = 2
            else:
                self._housing.add(housing)
        return LinkFault("extract-duplicate-claim", row, field) if field else None

    def plain(self) -> dict[str, str]:
        """For another process that reads the rows before these: references as text, one character a byte; no rows.

        A line feed ends each: no reference has one, and a long text is written and read at once.
        """
        pairs = [(housing, keys[len(housing) + 1 :]) for keys, (_rows, housing) in self._unclaimed.items()]
        return {
            "housing": _text(self._housing),
            "council_tax": _text(self._council_tax),
            "changes": _text(self._changes),
            "unchanged": _text(self._unchanged),
            "unclaimed_housing": _text(housing for housing, _ in pairs),
            "unclaimed_council_tax": _text(council_tax for _, council_tax in pairs),
        }

    def join(self, later: Mapping[str, str]) -> bool:
        """Take in the `plain` form of the rows that come after these; False where a claim came in both.

        From then on a row that `loose_ends` names means nothing; that there is one does.
        """
        refs = {name: text.encode("latin-1").split(b"\n")[:-1] for name, text in later.items()}
        if not (self._housing.isdisjoint(refs["housing"]) and self._council_tax.isdisjoint(refs["council_tax"])):
            return False
        self._housing.update(refs["housing"])
        self._council_tax.update(refs["council_tax"])
        self._changes.update(refs["changes"])
        self._unchanged |= {change: [0] for change in refs["unchanged"]}
        for housing, council_tax in zip(refs["unclaimed_housing"], refs["unclaimed_council_tax"], strict=True):
            self._unclaimed[b"%b,%b" % (housing, council_tax)] = ([0], housing)
        return True

    def loose_ends(self) -> Iterator[LinkFault]:
        """After the last row: every record of a claim or change that never came, in the order of rows."""
        faults = [
            LinkFault("extract-orphan", row, 2 if housing else 3)
            for keys, (rows, housing) in self._unclaimed.items()
            if not self._claimed(housing, keys[len(housing) + 1 :])
            for row in rows
        ]
        faults.extend(
            LinkFault("extract-unknown-change", row, 320)
            for change, rows in self._unchanged.items()
            if change not in self._changes
            for row in rows
        )
        return iter(sorted(faults, key=lambda fault: fault.row))

    def _claimed(self, housing: bytes, council_tax: bytes) -> bool:
        return housing in self._housing or council_tax in self._council_tax


def _text(references: Iterable[bytes]) -> str:
    return b"\n".join([*references, b""]).decode("latin-1")
