"""Bytes on disk against the ledger: what rows speak of is there, of the right size, and nothing else lies beside it.

Nothing is raised for what is found wrong: it is a Fault. The listing comes by argument, so that this module opens no
file; `digest` is None, or reads a file where contents are to be compared too. A gateway at work adds and removes files
between the listing and the reading of the rows: look again, and report what is wrong each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Final

from sqlalchemy import Connection, select

from gateway.domain.receipt import evidence_name, queue_name
from gateway.domain.states import Direction, State
from gateway.ledger.audit import statements
from gateway.ledger.audit.chain import EVERY, Fault
from gateway.ledger.tables import CONSIGNMENTS, FILE, QUARANTINE, RECEIPTS, TRANSFERS
from gateway.ledger.units import Consignment, Parcel, Quarantined, Receipt, Transfer, required


class Area(StrEnum):
    """The directories below HOME/state whose files rows speak of."""

    CUSTODY = "custody"
    SEALED_OUT = "sealed/out"
    SEALED_IN = "sealed/in"
    QUARANTINE = "quarantine"
    INFECTED = "infected"
    EVIDENCE = "evidence"
    STATEMENTS = "evidence/statements"


@dataclass(frozen=True)
class Listing:
    """What lies on the disk of a site: for each area its files, by their path below it, with their sizes in bytes."""

    files: Mapping[Area, Mapping[str, int]]
    digest: Callable[[Area, str], str | None] | None = None
    site: str = ""


@dataclass(frozen=True)
class Findings:
    """What is wrong, and what merely lies about: left by a crash, and removed when the gateway starts."""

    faults: list[Fault] = field(default_factory=list)
    left_over: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Expected:
    """A file that a row speaks of, in one of these places; `needed` unless it may be gone as well."""

    subject: str
    places: Mapping[Area, str]
    size: int | None
    sha256: str | None
    needed: bool = True


_TIDIED: Final = (Area.CUSTODY, Area.QUARANTINE, Area.INFECTED)
"""Areas of which a start removes what no row speaks of; elsewhere it stays where it is, and means no harm."""


def check_files(connection: Connection, listing: Listing) -> Findings:
    """Every file that the ledger speaks of, and every file that it does not."""
    findings = Findings()
    known: dict[Area, set[str]] = {area: set() for area in Area}
    for expected in chain(_expected(connection), _expected_statements(connection, listing.site)):
        for area, name in expected.places.items():
            known[area].add(name)
        findings.faults.extend(_compare(expected, listing))
    for area in _TIDIED:
        for name in sorted(listing.files.get(area, {}).keys() - known[area]):
            findings.left_over.append(Fault("file", f"{area}/{name}", "no row of the ledger speaks of it"))
    return findings


def _compare(expected: _Expected, listing: Listing) -> Iterator[Fault]:
    found = [(area, name) for area, name in expected.places.items() if name in listing.files.get(area, {})]
    if not found:
        if expected.needed:
            area, name = next(iter(expected.places.items()))
            yield Fault("file", expected.subject, f"its file {area}/{name} is not there")
        return
    area, name = found[0]
    place = f"{area}/{name}"
    size = listing.files[area][name]
    if expected.size is not None and size != expected.size:
        yield Fault("file", expected.subject, f"its file {place} has {size} bytes, not {expected.size}")
    elif listing.digest is not None and expected.sha256 is not None:
        digest = listing.digest(area, name)
        if digest is not None and digest != expected.sha256:
            yield Fault("file", expected.subject, f"its file {place} has other content than was recorded")


def _expected(connection: Connection) -> Iterator[_Expected]:
    query = select(TRANSFERS).where(TRANSFERS.c.custody.is_(True), TRANSFERS.c.direction == str(Direction.OUT))
    for row in map(Transfer._make, connection.execution_options(yield_per=EVERY).execute(query)):
        yield _Expected(f"transfer {row.id}", {Area.CUSTODY: row.id}, row.size, row.sha256)
    yield from _expected_consignments(connection)
    yield from _expected_receipts(connection)
    for kept in map(Quarantined._make, connection.execute(select(QUARANTINE))):
        subject = f"quarantine {kept.id}"
        places = {Area.INFECTED: kept.id} if kept.kind == FILE else {Area.QUARANTINE: f"{kept.id}.sealed"}
        # Of a link or a directory nothing could be kept; a discarded file may outlive its row by a crash.
        if kept.discarded is None:
            yield _Expected(subject, places, kept.size, kept.sha256, needed=kept.size > 0)


def _expected_consignments(connection: Connection) -> Iterator[_Expected]:
    under_way = {
        Direction.OUT: (Area.SEALED_OUT, [State.SEALED, State.SENT]),
        Direction.IN: (Area.SEALED_IN, [State.LANDED, State.OPENED, State.HELD]),
    }
    for direction, (area, states) in under_way.items():
        query = select(CONSIGNMENTS).where(
            CONSIGNMENTS.c.direction == str(direction), CONSIGNMENTS.c.state.in_(map(str, states))
        )
        for row in map(Consignment._make, connection.execution_options(yield_per=EVERY).execute(query)):
            yield _sealed(f"consignment {row.id}", {area: f"{row.partner}/{row.id}.pgp"}, row)


def _expected_receipts(connection: Connection) -> Iterator[_Expected]:
    evidence: dict[str, Receipt] = {}
    query = select(RECEIPTS).order_by(RECEIPTS.c.key)
    for row in map(Receipt._make, connection.execution_options(yield_per=EVERY).execute(query)):
        subject = f"receipt {row.consignment}"
        if row.direction == Direction.OUT:
            if row.state == State.SEALED:
                name = queue_name(row.consignment, row.level, row.key)
                yield _sealed(subject, {Area.SEALED_OUT: f"{row.partner}/{name}"}, row)
        elif row.state in (State.LANDED, State.HELD):
            yield _sealed(subject, {Area.SEALED_IN: f"{row.partner}/{row.consignment}.receipt.pgp"}, row)
        elif row.state == State.ACCEPTED:
            # The same answer may come again, and then the newest is the one that is kept.
            evidence[f"{row.partner}/{evidence_name(row.consignment, row.level, required(row.sealed_sha256))}"] = row
    for name, row in evidence.items():
        # A crash between the ledger's commit and the rename leaves it where it was read.
        there = f"{row.partner}/{row.consignment}.receipt.pgp"
        yield _sealed(f"receipt {row.consignment}", {Area.EVIDENCE: name, Area.SEALED_IN: there}, row)


def _expected_statements(connection: Connection, site: str) -> Iterator[_Expected]:
    for subject, name, sha256, needed in statements.files(connection, site):
        yield _Expected(subject, {Area.STATEMENTS: name}, None, sha256, needed)


def _sealed(subject: str, places: Mapping[Area, str], row: Parcel) -> _Expected:
    return _Expected(subject, places, row.sealed_size, row.sealed_sha256)
