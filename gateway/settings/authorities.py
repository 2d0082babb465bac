"""The local authorities, from a table: which codes name one and the same, and who took over from whom, and when.

Two systems of codes are in use for one authority, the nine characters of the Office for National Statistics and the four
digits of a billing authority. Boundaries move and authorities merge; then a code has a successor from a day on. Whoever
compares the codes of two authorities asks `Authorities.same` or `Authorities.aliases` (docs/authorities.md says which).

`parse` raises nothing and gives faults; `listed` raises ConfigurationInvalid where the installation's own table is broken.
A code that is not in the table names an authority of its own: it equals itself and nothing else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from gateway.errors import ConfigurationInvalid
from gateway.settings.faults import Fault
from gateway.settings.resources import resource

COLUMNS: Final = ("ons", "billing", "name", "from", "until", "successor")
TABLE: Final = "authorities/authorities.tsv"
"""Where the table lies in the directory of schemas."""

KINDS: Final = MappingProxyType(
    {
        "E06": "unitary authority",
        "E07": "district",
        "E08": "metropolitan district",
        "E09": "London borough",
        "W06": "Welsh authority",
        "S12": "Scottish council",
    }
)
"""What the first three characters of an ONS code say."""

_ONS: Final = re.compile(rf"(?:{'|'.join(KINDS)})[0-9]{{6}}", re.ASCII)
_BILLING: Final = re.compile(r"[0-9]{4}", re.ASCII)
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,120}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NEAR: Final = 3


@dataclass(frozen=True)
class Authority:
    """One code of the ONS with what it names. `billing` is None where it is not known, `since` where it is before 2009.

    `until` is the last day of the code, and `successor` the ONS code that has stood for the place since the day after; both
    are None while the code is in force.
    """

    ons: str
    billing: str | None
    name: str
    since: date | None = None
    until: date | None = None
    successor: str | None = None

    @property
    def kind(self) -> str:
        return KINDS[self.ons[:3]]

    @property
    def body(self) -> str:
        """What stays when boundaries move and the ONS gives a new code: the four digits, where they are known."""
        return self.billing or self.ons

    def in_force(self, on: date) -> bool:
        return (self.since is None or self.since <= on) and (self.until is None or on <= self.until)


@dataclass(frozen=True)
class Authorities:
    """The table. `added` is the text of the site's own rows, which a reader in a process of its own needs as well."""

    rows: tuple[Authority, ...]
    added: str = ""

    @cached_property
    def _by_code(self) -> Mapping[str, Authority]:
        """By either code; four digits that several ONS codes had one after the other lead to the latest."""
        rows = sorted(self.rows, key=_beginning)
        return {code: row for row in rows for code in (row.ons, row.billing) if code is not None}

    def find(self, code: str) -> Authority | None:
        return self._by_code.get(code)

    def successor(self, code: str, on: date) -> Authority | None:
        """Who stands for the code on that day, at the end of all mergers; None where the code itself still does."""
        row = self.find(code)
        last = None if row is None else self._standing(row, on)
        return None if last is row else last

    def aliases(self, one: str, other: str) -> bool:
        """Whether they are codes of one authority, whatever the day. An authority and the one that took it over are two."""
        return self._body(one) == self._body(other)

    def same(self, one: str, other: str, on: date) -> bool:
        """Whether they name one authority on that day: its codes, and those of the authorities that it has taken over."""
        return self._body(one, on) == self._body(other, on)

    def search(self, text: str) -> tuple[Authority, ...]:
        """Those whose name has the text in it, or one of whose codes begins with it."""
        wanted = text.casefold().strip()
        return tuple(
            row
            for row in self.rows
            if wanted in row.name.casefold()
            or row.ons.casefold().startswith(wanted)
            or (row.billing or "").startswith(wanted)
        )

    def near(self, text: str) -> tuple[Authority, ...]:
        """A few whose codes or names look like the text, the most alike first."""
        known = {_letters(spelt): row for row in self.rows for spelt in (row.billing or "", row.ons, row.name)}
        close = difflib.get_close_matches(_letters(text), [name for name in known if name], n=_NEAR, cutoff=0.7)
        return tuple(dict.fromkeys(known[name] for name in close))

    def _body(self, code: str, on: date | None = None) -> str:
        row = self.find(code)
        if row is None:
            return code
        return (row if on is None else self._standing(row, on)).body

    def _standing(self, row: Authority, on: date) -> Authority:
        # It ends: a successor's days come after those of the one before it, or `parse` names it as a fault.
        while row.until is not None and row.until < on and row.successor is not None:
            row = self._by_code[row.successor]
        return row


@cache
def listed() -> Authorities:
    """The table that comes with the program."""
    path = resource("schemas") / TABLE
    found, faults = parse(path.read_text("utf-8"), TABLE)
    if faults:
        raise ConfigurationInvalid(f"The installation's own table of authorities is broken: {faults[0]}")
    return found


def extended(added: str, file: str = "") -> tuple[Authorities, tuple[Fault, ...]]:
    """The program's table with rows of a site's own, and what is wrong with them. A row of the same ONS code replaces it."""
    return parse(added, file, listed()) if added else (listed(), ())


def parse(text: str, file: str, base: Authorities | None = None) -> tuple[Authorities, tuple[Fault, ...]]:
    """A table of authorities as text, over `base` where one is given; every fault, with its line in `file`."""
    faults: list[Fault] = []
    lines: dict[str, int] = {}
    rows = {row.ons: row for row in base.rows} if base is not None else {}
    told = [
        (number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")
    ]
    if not told or tuple(told[0][1].split("\t")) != COLUMNS:
        heading = " ".join(COLUMNS)
        first = told[0][0] if told else 1
        return Authorities(tuple(rows.values())), (
            Fault(file, first, "", f"must begin with `{heading}`, tabs between"),
        )
    for number, line in told[1:]:
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            faults.append(
                Fault(file, number, "", f"must have {len(COLUMNS)} fields with tabs between, not {len(cells)}")
            )
        elif wrong := list(_cell_faults(cells)):
            faults += [Fault(file, number, column, message) for column, message in wrong]
        elif cells[0] in lines:
            faults.append(Fault(file, number, "ons", f"stands in line {lines[cells[0]]} already"))
        else:
            lines[cells[0]] = number
            rows[cells[0]] = _row(cells)
    if not faults:
        faults += [
            Fault(file, lines.get(ons, 0), f"{ons} {column}", said) for ons, column, said in _relation_faults(rows)
        ]
    return Authorities(tuple(rows[ons] for ons in sorted(rows)), "" if base is None else text), tuple(sorted(faults))


def _row(cells: list[str]) -> Authority:
    ons, billing, name, since, until, successor = cells
    return Authority(ons, billing or None, name, _day(since), _day(until), successor or None)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _cell_faults(cells: list[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with one row by itself, by column."""
    ons, billing, name, since, until, successor = cells
    if not _ONS.fullmatch(ons):
        yield "ons", f"must be a code of the ONS: {', '.join(KINDS)} and six digits"
    if billing and not _BILLING.fullmatch(billing):
        yield "billing", "must be four digits, or nothing"
    if not _NAME.fullmatch(name) or name != name.strip():
        yield "name", "must be 1 to 120 characters"
    for column, text in (("from", since), ("until", until)):
        if text and not _is_day(text):
            yield column, "must be a day such as 2023-03-31, or nothing"
            return
    if bool(until) is not bool(successor):
        yield "successor", "must be given with `until`, and only with it"
    if since and until and until < since:
        yield "until", "is before `from`"


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _relation_faults(rows: Mapping[str, Authority]) -> Iterator[tuple[str, str, str]]:
    """What is wrong between rows: the ONS code of the row, the column, and the message."""
    for row in rows.values():
        if row.until is None or row.successor is None:
            continue
        after = rows.get(row.successor)
        if after is None:
            yield row.ons, "successor", f"{row.successor} is not in the table"
        elif after.since != row.until + timedelta(days=1):
            yield row.ons, "successor", f"{row.successor} must begin on the day after `until`"
    for shared in _sharing(rows.values()):
        for before, after in pairwise(shared):
            if before.successor != after.ons:
                yield after.ons, "billing", f"is that of {before.ons} too, whose successor it is not"


def _sharing(rows: Iterable[Authority]) -> Iterator[list[Authority]]:
    """The rows of each four-digit code, the earliest first."""
    owners: dict[str, list[Authority]] = {}
    for row in rows:
        if row.billing is not None:
            owners.setdefault(row.billing, []).append(row)
    for shared in owners.values():
        yield sorted(shared, key=_beginning)


def _beginning(row: Authority) -> date:
    return row.since or date.min


def _letters(text: str) -> str:
    """What of a name or a code is compared where somebody may have misspelt it."""
    return "".join(character for character in text.casefold() if character.isalnum())
