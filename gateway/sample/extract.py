"""Made-up Single Housing Benefit Extracts: every record type, lifelike proportions, the specimen NINO prefix QQ.

Made whole for demonstrations and tests, or streamed for files of any size. Raises KeyError for a defect it does not list, and
ValueError for fewer rows than one record of each type needs. The extract names its authority in its file name alone.
"""

from __future__ import annotations

import random as randomness
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from gateway.sample.answers import Match
from gateway.sample.contract import Sample
from gateway.sample.extract_defects import DEFECTS
from gateway.sample.extract_records import Household, HouseholdMaker
from gateway.validation.extract.layout import load_layouts

LEAST_ROWS: Final = 20
_POOL: Final = 400
"""Households made for a streamed file; they come back under other references."""
_BATCH: Final = 256 * 1024
_ANSWERING: Final = 5_000_000
"""Where the references of claims that resolve a match begin: beyond those of all others."""
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


class ExtractSampler:
    """A `Sampler` for extracts of about `rows` rows after the first, in the variant that has `columns` columns."""

    flow: Final = "extract"
    one_for_all: Final = True

    def __init__(self, schema_root: Path, rows: int = 300, columns: int = 316) -> None:
        if rows < LEAST_ROWS:
            raise ValueError(f"an extract with every record type has at least {LEAST_ROWS} rows")
        self._rows = rows
        headers = {len(variant.fields): variant.header for variant in reversed(load_layouts(schema_root).variants)}
        self._columns = tuple(int(number) for number in headers[columns])

    @property
    def defects(self) -> Mapping[str, str]:
        return MappingProxyType({name: defect.code for name, defect in DEFECTS.items()})

    def make(
        self,
        *,
        sender: str,
        recipient: str,  # noqa: ARG002 - the protocol's: an extract always goes to DWP
        index: int,
        random: randomness.Random,
        today: date,
        defect: str | None = None,
    ) -> Sample:
        """One extract as the authority `sender` would name it, of two thirds to four thirds of `rows` rows."""
        spoil = DEFECTS[defect].spoil if defect is not None else None
        rows = random.randint(max(LEAST_ROWS, self._rows * 2 // 3), max(LEAST_ROWS, self._rows * 4 // 3))
        lines = [self._header(), *self._lines(rows, random, today, pool=None)]
        if spoil is not None:
            spoil(lines, {number: column for column, number in enumerate(self._columns)})
        return Sample(self.name(sender, index, random, today), b"".join(lines), defect)

    def answer(
        self, matches: Sequence[Match], *, sender: str, index: int, random: randomness.Random, today: date
    ) -> Sample:
        """An extract as `make` makes them, whose R records have the outcomes of these matches and of no others."""
        rows = random.randint(max(LEAST_ROWS, self._rows * 2 // 3), max(LEAST_ROWS, self._rows * 4 // 3))
        lines = [self._header(), *self._lines(rows, random, today, pool=None, resolves_any=False)]
        maker = HouseholdMaker(self._columns, random, today, resolves_any=False)
        for number, match in enumerate(matches):
            lines += maker.make("D", resolves=match).lines(_ANSWERING + number)
        return Sample(self.name(sender, index, random, today), b"".join(lines), None)

    def name(self, authority: str, index: int, random: randomness.Random, today: date) -> str:
        """A name as such files are seen to have, with the month of the reference date: `hb9991_SHBE_555086k May 2013.csv`."""
        reference = reference_date(today)
        serial = f"{random.randrange(100_000, 900_000) + index:06d}{random.choice('abcdefghjk')}"
        return f"hb{authority}_SHBE_{serial} {_MONTHS[reference.month - 1]} {reference.year}.csv"

    def write(self, out: BinaryIO, rows: int, *, random: randomness.Random, today: date) -> int:
        """Stream a valid extract of exactly `rows` rows after the first; gives back how many bytes that were."""
        size = out.write(self._header())
        batch: list[bytes] = []
        waiting = 0
        for line in self._lines(rows, random, today, pool=_POOL):
            batch.append(line)
            waiting += len(line)
            if waiting > _BATCH:
                size += out.write(b"".join(batch))
                batch.clear()
                waiting = 0
        return size + out.write(b"".join(batch))

    def _header(self) -> bytes:
        return ",".join(str(number) for number in self._columns).encode() + b"\r\n"

    def _lines(
        self, rows: int, random: randomness.Random, today: date, pool: int | None, *, resolves_any: bool = True
    ) -> Iterator[bytes]:
        """The G record, then households, and claims without anything else where a whole household would be too many."""
        maker = HouseholdMaker(self._columns, random, today, resolves_any=resolves_any)
        first = [maker.make("D", complete=True), maker.make("A"), maker.make("C")]
        alone = maker.make("A")
        alone = Household(alone.rows[:1], alone.with_housing, alone.with_council_tax)
        kept = [maker.make() for _ in range(pool)] if pool is not None else []
        yield maker.management_information()
        left = rows - 1
        serial = random.randrange(1000)
        while left:
            household = first.pop(0) if first else random.choice(kept) if kept else maker.make()
            serial += 1
            if len(household.rows) > left:
                household = alone
            yield from household.lines(serial)
            left -= len(household.rows)


def reference_date(today: date) -> date:
    """The second Thursday of the month, which an extract is about."""
    first = today.replace(day=1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 7)
