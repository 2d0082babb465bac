"""Made-up households as an extract records them: one claim and what belongs to it.

A household is kept without its references and its claimant's National Insurance number, so that the maker of a huge file can
use it again under other ones. Raises nothing.
"""

from __future__ import annotations

import random as randomness
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from gateway.sample import people
from gateway.sample.answers import Match

CHANGE_MARK: Final = b"\x01"
"""Stands where the identifier of the household's change belongs."""
_INCOMES: Final = range(82, 114)
_TENANCIES: Final = ("1", "1", "1", "2", "3", "3", "4", "5", "6", "7", "8", "9")
_ETHNIC_GROUPS: Final = (*(str(group) for group in range(1, 16)), "99")
_BANDS: Final = "AAABBBCCDE"


@dataclass(frozen=True)
class Household:
    """Rows without their first four fields: the record type, and everything after field 4 with its leading comma."""

    rows: tuple[tuple[bytes, bytes], ...]
    with_housing: bool
    with_council_tax: bool

    def lines(self, serial: int) -> Iterator[bytes]:
        """The rows under references made from `serial`, each ending with CR LF."""
        housing = b"%08d" % (10_000_000 + serial) if self.with_housing else b""
        council_tax = b"%08d" % (50_000_000 + serial) if self.with_council_tax else b""
        who = b",%b,%b,%b" % (housing, council_tax, nino(serial))
        change = b"T%09d" % serial
        for kind, tail in self.rows:
            yield kind + who + (tail.replace(CHANGE_MARK, change) if kind in b"TE" else tail) + b"\r\n"


def nino(serial: int) -> bytes:
    """A number of the specimen prefix; every fiftieth claimant has the placeholder for a missing one."""
    if serial % 50 == 49:
        return b"XX999%03dA" % (serial % 1000)
    return b"%b%06d%c" % (
        people.specimen_prefix().encode(),
        serial * 7919 % 1_000_000,
        b"ABCD"[serial // 1_000_000 % 4],
    )


class HouseholdMaker:
    """Makes households for the columns of one variant. `columns` are the field numbers in their order.

    With `resolves_any` some R records have the outcome of a match that nobody sent.
    """

    def __init__(
        self, columns: tuple[int, ...], random: randomness.Random, today: date, *, resolves_any: bool = True
    ) -> None:
        self._resolves_any = resolves_any
        self._columns = columns[4:]
        self._random = random
        self._today = today

    def make(self, kind: str = "", *, complete: bool = False, resolves: Match | None = None) -> Household:
        """A household whose claim is of type D, A or C; a complete one has a record of every type that a claim can have.

        With `resolves` it has an R record with the outcome of that match.
        """
        kind = kind or self._random.choices("DAC", (80, 8, 12))[0]
        benefits = self._random.random()
        with_housing, with_council_tax = benefits > 0.15, benefits < 0.8
        children = self._random.choices((0, 1, 2, 3), (55, 18, 17, 10))[0] if kind == "D" else 0
        others = self._random.choices((0, 1), (85, 15))[0] if kind == "D" else 0
        if complete:
            children, others = max(children, 1), 1
        rows = [self._row(kind, self._claim(kind, children, others, with_housing, with_council_tax))]
        rows.extend(self._row("S", self._child(number)) for number in range(children))
        rows.extend(self._row("S", self._non_dependant()) for _ in range(others))
        if complete or self._happens(0.4):
            rows.append(self._row("T", self._change()))
            if complete or self._happens(0.25):
                rows.append(self._row("E", self._payment_error()))
        if complete or self._happens(0.1) or resolves is not None:
            rows.append(self._row("R", self._overpayment_activity(resolves)))
        if complete or self._happens(0.05):
            rows.append(self._row("P", self._appeal()))
        return Household(tuple(rows), with_housing, with_council_tax)

    def management_information(self) -> bytes:
        """The G record, which belongs to no claim."""
        fields = {274: "4", 275: f"{self._random.randint(100, 900) / 10:.1f}", 276: "0", 277: "0"}
        return b"G,,," + self._row("G", fields)[1] + b"\r\n"

    def _row(self, kind: str, fields: dict[int, str]) -> tuple[bytes, bytes]:
        return kind.encode(), ("," + ",".join([fields.get(number, "") for number in self._columns])).encode()

    def _happens(self, share: float) -> bool:
        return self._random.random() < share

    def _day(self, newest: int, oldest: int) -> str:
        """A day between `newest` and `oldest` days ago, as the extract writes it."""
        return (self._today - timedelta(days=self._random.randint(newest, oldest))).strftime("%d/%m/%Y")

    def _pence(self, low: int, high: int) -> str:
        return str(self._random.randrange(low * 100, high * 100, 5))

    def _claim(self, kind: str, children: int, others: int, housing: bool, council_tax: bool) -> dict[int, str]:  # noqa: FBT001 - four facts of one household
        pick = self._random.choice
        fields = {
            8: self._day(18 * 366, 90 * 365),
            9: pick(_TENANCIES),
            11: people.postcode(self._random),
            12: pick("1234"),
            33: pick("1112") if housing and kind == "D" else "0",
            34: pick("1112") if council_tax and kind == "D" else "0",
            177: pick("MF"),
            221: pick("123"),
            222: pick("01"),
            247: pick(_ETHNIC_GROUPS),
        }
        for present, numbers in ((housing, (35, 220, 269)), (council_tax, (36, 229, 272))):
            if present:
                fields.update(dict.fromkeys(numbers, self._day(30, 2000)))
        if kind == "C":
            closed = self._day(0, 30)
            fields |= {202: closed, 210: "3"} if housing else {203: closed, 211: "3"}
        return fields | (self._entitlement(children, others, housing, council_tax) if kind == "D" else {})

    def _entitlement(self, children: int, others: int, housing: bool, council_tax: bool) -> dict[int, str]:  # noqa: FBT001 - as above
        pick = self._random.choice
        fields = dict.fromkeys((*_INCOMES, *range(115, 123), 123), "0")
        fields |= {
            13: str(children),
            14: str(others),
            41: self._day(20, 1900) if housing else "",
            43: self._pence(20, 180) if housing else "0",
            44: self._pence(3, 30) if council_tax else "0",
            45: pick("124"),
            56: pick(_BANDS),
            57: self._pence(60, 260),
            58: self._pence(10, 40),
            59: "N",
            73: self._pence(50, 250),
            75: self._pence(0, 6000),
            181: self._pence(60, 260),
            182: "1",
            208: f"Locality {self._random.randint(1, 9)}",
            241: pick(("", "", "16.0", "24.5", "37")),
            245: self._pence(80, 720),
            290: self._day(0, 14),
            pick((82, 89, 96, 99, 105, 292, 294)): self._pence(40, 120),
            84: self._pence(20, 34) if children else "0",
            115: "1" if children else "0",
        }
        if self._happens(0.35):
            partner = {
                123: "1",
                124: self._day(400, 9000),
                126: f"{people.specimen_prefix()}{self._random.randrange(10**6):06d}C",
            }
            fields |= partner | {130: "N", 131: "0", 178: self._day(20 * 366, 80 * 365), 213: pick("MF")}
        return fields

    def _child(self, number: int) -> dict[int, str]:
        born = self._day(30, 17 * 365)
        return {308: "1", 309: str(number + 1), 310: self._day(10, 1500), 315: born}

    def _non_dependant(self) -> dict[int, str]:
        return {16: "1", 17: self._pence(7, 48), 214: self._pence(0, 350), 308: "2", 310: self._day(10, 1500)}

    def _change(self) -> dict[int, str]:
        before, after = self._pence(40, 140), self._pence(30, 130)
        days = {number: self._day(5, 60) for number in (251, 253, 255)}
        return {50: before, 248: after, 250: self._random.choice("123456"), 254: "2", 320: CHANGE_MARK.decode()} | days

    def _payment_error(self) -> dict[int, str]:
        when = {339: self._day(120, 400), 340: self._day(20, 110)}
        return {320: CHANGE_MARK.decode(), 336: "HB", 337: self._pence(20, 900), 338: "1", 341: "C"} | when

    def _overpayment_activity(self, resolves: Match | None) -> dict[int, str]:
        fields = {171: self._day(20, 60), 172: "3", 173: "2", 174: "N", 175: self._day(1, 19), 176: "1"}
        if self._happens(0.5):
            match = {316: f"RMS{self._random.randrange(10**7):07d}", 317: "HBTC003", 318: self._day(61, 120)}
            fields |= match | {319: "2"} if self._resolves_any else {}
        if resolves is not None:
            rule = resolves.rule.partition("/")[0]
            fields |= {316: resolves.rms, 317: rule, 318: resolves.matched.strftime("%d/%m/%Y"), 319: "2"}
        return fields

    def _appeal(self) -> dict[int, str]:
        return {
            259: self._day(90, 150),
            260: self._day(60, 89),
            261: self._day(30, 59),
            262: "1",
            263: self._day(1, 29),
        }
