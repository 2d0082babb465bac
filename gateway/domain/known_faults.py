"""The board of known faults: what a fault is, how the board follows from what was done to it, and the document that carries it.

`write` makes the document of the flow `faults` (docs/formats/faults.md), and `of_facts` takes the board back from what a
validator told about one. `text_of` and `id_of` raise ValueError for what may not stand on a board that everybody reads;
nothing else raises. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import orjson

from gateway.domain.characters import called, unsafe
from gateway.domain.identity import from_text
from gateway.domain.xml_lines import Office, XmlLines
from gateway.logs import mask

FLOW: Final = "faults"
NAMESPACE: Final = "urn:gateway:faults:1.0"
MAX_FAULTS: Final = 100
MAX_TEXT: Final = 250
"""Both as the schema has them."""
NO_WORKAROUND: Final = "None known."
CLOSED_DAYS: Final = 30
"""Days that a closed fault stays on the board, so that everybody hears that it is mended."""

_ID: Final = re.compile(r"[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*", re.ASCII)
_LONGEST_ID: Final = 20
_DAY: Final = 86400.0


class FaultState(StrEnum):
    """Whether a fault is still there."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class KnownFault:
    """One fault: what it is known by, what is wrong, since when, and what to do meanwhile."""

    id: str
    what: str
    since: date
    workaround: str = NO_WORKAROUND
    state: FaultState = FaultState.OPEN


@dataclass(frozen=True)
class Board:
    """The whole board at one moment. `issue` counts what was ever done to it; `issued` is the last of that, in seconds
    since 1970.
    """

    issue: int
    issued: float
    faults: tuple[KnownFault, ...]

    @property
    def open(self) -> tuple[KnownFault, ...]:
        return tuple(fault for fault in self.faults if fault.state is FaultState.OPEN)

    def find(self, identity: str) -> KnownFault | None:
        return next((fault for fault in self.faults if fault.id == identity), None)


EMPTY: Final = Board(0, 0.0, ())


@dataclass(frozen=True)
class Change:
    """One thing done to the board, at `at`: the fault as it is from then on."""

    at: float
    fault: KnownFault


def board(changes: Iterable[Change], now: float) -> Board:
    """The board that these changes made, in their order; what was closed long ago is no longer on it."""
    issue, issued = 0, 0.0
    faults: dict[str, Change] = {}
    for change in changes:
        issue, issued = issue + 1, max(issued, change.at)  # a clock that is put back makes no older issue
        faults[change.fault.id] = change
    kept = (
        change.fault
        for change in faults.values()
        if change.fault.state is FaultState.OPEN or now - change.at < CLOSED_DAYS * _DAY
    )
    return Board(issue, issued, tuple(sorted(kept, key=lambda fault: (fault.since, fault.id))))


def newest(boards: Iterable[Board]) -> Board | None:
    """The board that counts: the one issued last, whatever order they came in.

    The moment goes before the number: a number that is far too high, or the numbers of a restored ledger, would else hide
    every later board, and a moment lies ahead by a day at most.
    """
    return max(boards, key=lambda each: (each.issued, each.issue), default=None)


def write(shown: Board, message_id: str, office: Office, created: datetime, authority: str) -> bytes:
    """The document for one authority; `created` is in UTC."""
    xml = XmlLines()
    with xml.element("Header"):
        xml.header(message_id, office, created, authority)
        xml.leaf("Issue", str(shown.issue))
        xml.leaf("IssuedAt", f"{datetime.fromtimestamp(shown.issued, created.tzinfo):%Y-%m-%dT%H:%M:%SZ}")
    for fault in shown.faults:
        with xml.element("KnownFault"):
            xml.leaf("FaultId", fault.id)
            xml.leaf("FaultState", fault.state)
            xml.leaf("Since", fault.since.isoformat())
            xml.leaf("What", fault.what)
            xml.leaf("Workaround", fault.workaround)
    with xml.element("Trailer"):
        xml.leaf("FaultCount", str(len(shown.faults)))
    return xml.document("FaultBoard", NAMESPACE)


def of_facts(facts: Mapping[str, str]) -> Board | None:
    """The board that a validator found in a document; None where these are not such facts."""
    if "issue" not in facts or "issued" not in facts:
        return None
    columns = [orjson.loads(facts.get(name, "[]")) for name in ("fault", "what", "since", "workaround", "fault_state")]
    faults = tuple(
        KnownFault(identity, what, date.fromisoformat(since), workaround, FaultState(state))
        for identity, what, since, workaround, state in zip(*columns, strict=True)
    )
    return Board(int(facts["issue"]), from_text(facts["issued"]), faults)


def closed(fault: KnownFault) -> KnownFault:
    """The same fault, mended."""
    return replace(fault, state=FaultState.CLOSED)


def text_fault(text: str) -> str | None:
    """What keeps a sentence off the board, to stand after a colon: it goes to everybody, so it may name nobody."""
    return "holds something like a National Insurance number, and everybody reads it" if mask(text) != text else None


def id_fault(text: str) -> str | None:
    """What is wrong with the id of a fault, to stand after a colon."""
    if not _ID.fullmatch(text) or len(text) > _LONGEST_ID:
        return f"not capitals, digits and hyphens, beginning with a letter, at most {_LONGEST_ID}"
    return "written as a National Insurance number is" if mask(text) != text else None


def text_of(text: str) -> str:
    """A sentence as it may stand on the board."""
    plain = " ".join(text.split())
    if not plain:
        raise ValueError("The sentence is empty.")
    if len(plain) > MAX_TEXT:
        raise ValueError(f"The sentence has {len(plain)} characters; {MAX_TEXT} may stand on the board.")
    if stranger := unsafe(plain):
        raise ValueError(f"The sentence holds {called(stranger)}.")
    if fault := text_fault(plain):
        raise ValueError(f"The sentence {fault}.")
    return plain


def id_of(text: str) -> str:
    """The id of a fault, in capitals."""
    plain = text.strip().upper()
    if fault := id_fault(plain):
        raise ValueError(f"The id is {fault}.")
    return plain


def document_name(issue: int) -> str:
    """The name of the document that carries an issue."""
    return f"faults-{issue:05d}.xml"
