"""Bytes on disk against the ledger: what rows speak of is there, of the right size, and nothing else lies beside it.

Nothing is raised for what is found wrong: it is a Fault. The listing comes by argument, so that this module opens no
file; `digest` is None, or reads a file where contents are to be compared too. A gateway at work adds and removes files
between the listing and the reading of the rows: look again, and report what is wrong each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, or_, select

from gateway.domain.disposal import file_name
from gateway.domain.receipt import evidence_name, queue_name
from gateway.domain.states import Direction, State
from gateway.ledger.audit import statements
from gateway.ledger.audit.chain import EVERY, Fault, to_the_end
from gateway.ledger.commitment import ERASED
from gateway.ledger.queries.retention import certificates
from gateway.ledger.tables import CONSIGNMENTS, FILE, QUARANTINE, RECEIPTS, TRANSFERS
from gateway.ledger.units import Consignment, Parcel, Quarantined, Receipt, Transfer


class Area(StrEnum):
    """The directories below HOME/state whose files rows speak of."""

    CUSTODY = "custody"
    SEALED_OUT = "sealed/out"
    SEALED_IN = "sealed/in"
    QUARANTINE = "quarantine"
    INFECTED = "infected"
    EVIDENCE = "evidence"
    STATEMENTS = "evidence/statements"
    DISPOSALS = "evidence/disposals"


@dataclass(frozen=True)
class Listing:
    """What lies on the disk of a site: for each area its files, by their path below it, with their sizes in bytes, None where a store
    has it that tells digests alone. Into the areas in `unseen` whoever looks may not look: nothing is said of what belongs there.
    """

    files: Mapping[Area, Mapping[str, int | None]]
    digest: Callable[[Area, str], str | None] | None = None
    site: str = ""
    unseen: frozenset[Area] = frozenset()


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
"""Areas of which a start removes what no row speaks of, and time what the store has of it."""

_QUEUES: Final = (Area.SEALED_OUT, Area.SEALED_IN)
"""Areas of which the store is cleared within days. On this machine's own disk what no row speaks of stays there, and means no harm."""

_PROOF: Final = (Area.EVIDENCE, Area.STATEMENTS, Area.DISPOSALS)
"""Areas in which nothing lies that the ledger does not speak of."""

_TEMPORARY: Final = ".gateway-"
"""How the names of files begin that are still being written, or that a crash left then (`storage.durable`)."""


def check_files(connection: Connection, listing: Listing) -> Findings:
    """Every file that the ledger speaks of, and every file that it does not."""
    findings = Findings()
    known: dict[Area, set[str]] = {area: set() for area in Area}
    unread: list[Fault] = []
    for part in (
        _expected_custody(connection),
        _expected_quarantine(connection),
        _expected_consignments(connection),
        _expected_receipts(connection),
        _expected_statements(connection, listing.site),
        _expected_certificates(connection),
    ):
        with to_the_end("file", unread):
            for expected in part:
                for area, name in expected.places.items():
                    known[area].add(name)
                findings.faults.extend(_compare(expected, listing))
    findings.faults.extend(unread)
    if not unread:
        for area in (*_TIDIED, *_PROOF):
            _tell_unknown(findings, listing, area, known[area])
        for area in _QUEUES:
            stored = {name: size for name, size in listing.files.get(area, {}).items() if size is None}
            _tell_unknown(findings, replace(listing, files={area: stored}), area, known[area])
    return findings


def _tell_unknown(findings: Findings, listing: Listing, area: Area, known: set[str]) -> None:
    for name in sorted(listing.files.get(area, {}).keys() - known):
        if area is Area.EVIDENCE and name.startswith(("statements/", "disposals/")):
            continue  # areas of their own
        usual = area in (*_TIDIED, *_QUEUES) or _left_by_a_crash(listing, area, name)
        fault = Fault("file", f"{area}/{name}", "no row of the ledger speaks of it")
        (findings.left_over if usual else findings.faults).append(fault)


def _left_by_a_crash(listing: Listing, area: Area, name: str) -> bool:
    """What a crash may leave: a file that was being written; or a statement of this site, which lies in its place before the
    chain speaks of it. Its head is compared with the chain like every other.
    """
    owner, _, own = name.rpartition("/")
    if own.startswith(_TEMPORARY):
        return True
    digest = (
        listing.digest(area, name) if area is Area.STATEMENTS and owner == listing.site and listing.digest else None
    )
    return digest is not None and own.endswith(f".{digest[:16]}.asc")


def _compare(expected: _Expected, listing: Listing) -> Iterator[Fault]:
    found = [(area, name) for area, name in expected.places.items() if name in listing.files.get(area, {})]
    if not found:
        if expected.needed and listing.unseen.isdisjoint(expected.places):
            area, name = next(iter(expected.places.items()))
            yield Fault("file", expected.subject, f"its file {area}/{name} is not there")
        return
    odd = [message for place in found if (message := _difference(expected, listing, *place)) is not None]
    if len(odd) == len(found):  # a crash may leave an older one in its place, and the right one in the other
        yield Fault("file", expected.subject, odd[0])


def _difference(expected: _Expected, listing: Listing, area: Area, name: str) -> str | None:
    size = listing.files[area][name]
    if size is not None and expected.size is not None and size != expected.size:
        return f"its file {area}/{name} has {size} bytes, not {expected.size}"
    if listing.digest is not None and expected.sha256 is not None:
        digest = listing.digest(area, name)
        if digest is not None and digest != expected.sha256:
            return f"its file {area}/{name} has other content than was recorded"
    return None


def _expected_custody(connection: Connection) -> Iterator[_Expected]:
    query = select(TRANSFERS).where(TRANSFERS.c.custody.is_(True), TRANSFERS.c.direction == str(Direction.OUT))
    for row in map(Transfer._make, connection.execute(query, execution_options={"yield_per": EVERY})):
        yield _Expected(f"transfer {row.id}", {Area.CUSTODY: row.id}, row.size, row.sha256)


def _expected_quarantine(connection: Connection) -> Iterator[_Expected]:
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
            CONSIGNMENTS.c.direction == str(direction),
            CONSIGNMENTS.c.state.in_(map(str, states)),
            # What ended without a receipt is not sent again, and was removed.
            or_(CONSIGNMENTS.c.state != str(State.SENT), CONSIGNMENTS.c.expires.is_not(None)),
        )
        for row in map(Consignment._make, connection.execute(query, execution_options={"yield_per": EVERY})):
            yield _sealed(f"consignment {row.id}", {area: f"{row.partner}/{row.id}.pgp"}, row)


def _expected_receipts(connection: Connection) -> Iterator[_Expected]:
    evidence: dict[str, Receipt] = {}
    query = select(RECEIPTS).order_by(RECEIPTS.c.key)
    for row in map(Receipt._make, connection.execute(query, execution_options={"yield_per": EVERY})):
        subject = f"receipt {row.consignment}"
        if row.direction == Direction.OUT:
            if row.state == State.SEALED:
                name = queue_name(row.consignment, row.level, row.key)
                yield _sealed(subject, {Area.SEALED_OUT: f"{row.partner}/{name}"}, row)
        elif row.state in (State.LANDED, State.HELD):
            yield _sealed(subject, {Area.SEALED_IN: f"{row.partner}/{row.consignment}.receipt.pgp"}, row)
        elif row.state == State.ACCEPTED and row.sealed_sha256 is not None:  # without it, the check of the rows says so
            # The same answer may come again, and then the newest is the one that is kept.
            evidence[f"{row.partner}/{evidence_name(row.consignment, row.level, row.sealed_sha256)}"] = row
    for name, row in evidence.items():
        # A crash between the ledger's commit and the rename leaves it where it was read.
        there = f"{row.partner}/{row.consignment}.receipt.pgp"
        expected = _sealed(f"receipt {row.consignment}", {Area.EVIDENCE: name, Area.SEALED_IN: there}, row)
        # Once its time is over, the row is erased and then the file is removed.
        yield replace(expected, needed=not row.salt.startswith(ERASED))


def _expected_statements(connection: Connection, site: str) -> Iterator[_Expected]:
    for subject, name, sha256, needed in statements.files(connection, site):
        yield _Expected(subject, {Area.STATEMENTS: name}, None, sha256, needed)


def _expected_certificates(connection: Connection) -> Iterator[_Expected]:
    """Certificates of disposal: their text is in the chain, and the next run writes a file that lacks."""
    for each in certificates(connection):
        name = file_name(each.day, each.sha256)
        yield _Expected(f"certificate of {each.day}", {Area.DISPOSALS: name}, None, each.sha256, needed=False)


def _sealed(subject: str, places: Mapping[Area, str], row: Parcel) -> _Expected:
    return _Expected(subject, places, row.sealed_size, row.sealed_sha256)
