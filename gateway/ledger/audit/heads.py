"""Heads of chains: those of ours that partners hold, against our chain; and those of theirs that we hold, against each other.

Nothing is raised for what is found wrong: it is a Fault. A chain that was cut, rolled back or made anew with right hashes
is found here and nowhere else: what partners hold is out of reach of whoever edits the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from gateway.domain.states import Direction
from gateway.ledger.audit.chain import EVERY, Fault, loaded, told
from gateway.ledger.audit.statements import check_kept, heads_kept, heads_made
from gateway.ledger.chain import GENESIS, Head
from gateway.ledger.commitment import ERASED
from gateway.ledger.engine import driver_of
from gateway.ledger.queries.restorations import was_lost
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, LANES, RECEIPTS
from gateway.ledger.units import Consignment, Receipt, required


@dataclass(frozen=True)
class Claimed:
    """A head of our chain that somebody says it has seen; `source` says where that is recorded, `said` whose it is."""

    sequence: int
    sha256: str
    source: str
    said: str = "a partner holds"


def check_heads(connection: Connection, claimed: Iterable[Claimed] = ()) -> Iterator[Fault]:
    """The heads that we published, those that partners sent back, those in `claimed`, and the partners' own."""
    named = (_compare_all(connection, heads) for heads in (_published(connection), _sent_back(connection), claimed))
    others = _opened(connection), _accepted(connection), _partners_own(connection), check_kept(connection)
    yield from told("head", *named, *others)


def compare_heads(connection: Connection, claimed: Iterable[Claimed]) -> Iterator[Fault]:
    """Those heads alone that somebody claims to have seen of our chain."""
    yield from told("head", _compare_all(connection, claimed))


def _compare_all(connection: Connection, heads: Iterable[Claimed]) -> Iterator[Fault]:
    for head in heads:
        yield from _compare(connection, head)


def _compare(connection: Connection, head: Claimed) -> Iterator[Fault]:
    if head.sequence == 0:
        ours: str | None = GENESIS
    else:
        found = (
            driver_of(connection).execute("SELECT sha256 FROM events WHERE sequence = ?", (head.sequence,)).fetchone()
        )
        ours = None if found is None else found[0]
    if ours is None and was_lost(connection, head.sequence):
        return  # the chain tells of a restoration in which it was lost
    if ours is None:
        message = f"{head.said} event {head.sequence} of our chain, which it does not have: its tail was cut, or it is an old copy"
        yield Fault("head", head.source, message)
    elif ours != head.sha256:
        yield Fault("head", head.source, f"{head.said} another event {head.sequence} than our chain has")


def _published(connection: Connection) -> Iterator[Claimed]:
    query = select(CONSIGNMENTS.c.id, CONSIGNMENTS.c.head_sequence, CONSIGNMENTS.c.head_sha256).where(
        CONSIGNMENTS.c.direction == str(Direction.OUT), CONSIGNMENTS.c.head_sequence.is_not(None)
    )
    for identity, sequence, sha256 in connection.execute(query, execution_options={"yield_per": EVERY}):
        yield Claimed(sequence, sha256, f"consignment {identity}", "it names")
    for row, body in _bodies(connection, Direction.OUT):
        if head := head_in(body, "audit_head"):
            yield Claimed(head.sequence, head.sha256, f"receipt {row.consignment}", "it names")
    for stated, source in heads_made(connection):
        yield Claimed(stated.sequence, stated.sha256, source, "it names")


def _sent_back(connection: Connection) -> Iterator[Claimed]:
    for row, body in _bodies(connection, Direction.IN):
        if head := head_in(body, "seen_head"):
            yield Claimed(head.sequence, head.sha256, f"receipt {row.consignment} from {row.partner}")


def _bodies(connection: Connection, direction: Direction) -> Iterator[tuple[Receipt, dict[str, Any]]]:
    """Receipts that have their text, and it; of those whose text was erased, the heads that the event of their coming has."""
    query = select(RECEIPTS).where(
        RECEIPTS.c.direction == str(direction), RECEIPTS.c.body.is_not(None) | RECEIPTS.c.salt.startswith(ERASED)
    )
    rows = connection.execute(query.order_by(RECEIPTS.c.key), execution_options={"yield_per": EVERY})
    for row in map(Receipt._make, rows):
        if body := body_of(connection, row):
            yield row, body


def body_of(connection: Connection, row: Receipt) -> dict[str, Any]:
    """What a receipt says; of one whose text was erased, the heads that the event of its coming has."""
    return loaded(row.body) if row.body is not None else _remembered(connection, row)


def _remembered(connection: Connection, row: Receipt) -> dict[str, Any]:
    query = "SELECT detail FROM events WHERE sequence = ? AND event = 'receipt.accepted'"
    found = driver_of(connection).execute(query, (row.event,)).fetchone()
    detail = loaded(None if found is None else found[0])
    heads = {"audit_head": detail.get("head"), "seen_head": detail.get("seen")}
    return {
        name: dict(zip(("sequence", "sha256"), head, strict=False))
        for name, head in heads.items()
        if isinstance(head, list)
    }


def head_in(body: dict[str, Any], name: str) -> Head | None:
    """A head that a receipt names, None where it names none."""
    head = body.get(name)
    if not isinstance(head, dict):
        return None
    sequence, sha256 = head.get("sequence"), head.get("sha256")
    return Head(sequence, sha256) if isinstance(sequence, int) and isinstance(sha256, str) else None


def _opened(connection: Connection) -> Iterator[Fault]:
    """The heads that consignments hold against the events that took them down when they came."""
    opened = (
        select(CONSIGNMENTS.c.id, CONSIGNMENTS.c.head_sequence, CONSIGNMENTS.c.head_sha256, EVENTS.c.detail)
        .join(EVENTS, (EVENTS.c.subject == CONSIGNMENTS.c.id) & (EVENTS.c.partner == CONSIGNMENTS.c.partner))
        .where(CONSIGNMENTS.c.direction == str(Direction.IN), EVENTS.c.event == "consignment.opened")
    )
    for row in connection.execute(opened, execution_options={"yield_per": EVERY}):
        if loaded(row.detail).get("head") != [row.head_sequence, row.head_sha256]:
            yield Fault("head", f"consignment {row.id}", "the partner's head is not the one that came with it")


def _accepted(connection: Connection) -> Iterator[Fault]:
    """The same of receipts."""
    driver = driver_of(connection)
    for receipt, body in _bodies(connection, Direction.IN):
        named = driver.execute("SELECT event, detail FROM events WHERE sequence = ?", (receipt.event,)).fetchone()
        if named is None or named[0] != "receipt.accepted":
            continue
        detail = loaded(named[1])
        for word, part in (("head", "audit_head"), ("seen", "seen_head")):
            head = head_in(body, part)
            if detail.get(word) != (None if head is None else [head.sequence, head.sha256]):
                yield Fault("head", f"receipt {receipt.consignment}", f"its {part} is not the one that came with it")


def heads_of(connection: Connection, partner: str | None = None) -> Iterator[tuple[str, Head, str]]:
    """Heads of partners' chains that this site holds: partner, head, and where it lies."""
    query = select(CONSIGNMENTS).where(
        CONSIGNMENTS.c.direction == str(Direction.IN),
        CONSIGNMENTS.c.head_sequence.is_not(None),
        CONSIGNMENTS.c.head_sha256.is_not(
            None
        ),  # half a head is what somebody made of the row, and the rows' check tells it
    )
    if partner is not None:
        query = query.where(CONSIGNMENTS.c.partner == partner)
    rows = connection.execute(query.order_by(CONSIGNMENTS.c.key), execution_options={"yield_per": EVERY})
    for named in map(Consignment._make, rows):
        head = Head(required(named.head_sequence), required(named.head_sha256))
        yield named.partner, head, f"consignment {named.id}"
    for row, body in _bodies(connection, Direction.IN):
        if partner in (None, row.partner) and (shown := head_in(body, "audit_head")):
            yield row.partner, shown, f"receipt {row.consignment}"
    yield from heads_kept(connection, partner)


def _partners_own(connection: Connection) -> Iterator[Fault]:
    """A partner that shows two different events of one number has changed its chain."""
    known: dict[tuple[str, int], str] = {}
    for partner, head, source in heads_of(connection):
        before = known.setdefault((partner, head.sequence), head.sha256)
        if before != head.sha256:
            message = f"{partner} has shown two different events {head.sequence} of its chain: ask them to verify it"
            yield Fault("partner", source, message)
    lanes = select(LANES.c.partner, LANES.c.seen_sequence, LANES.c.seen_sha256).where(
        LANES.c.seen_sequence.is_not(None)
    )
    for partner, sequence, sha256 in connection.execute(lanes).all():
        if known.get((partner, sequence)) != sha256:
            yield Fault("head", f"lane {partner}", "the newest head of the partner is not one that came from it")
