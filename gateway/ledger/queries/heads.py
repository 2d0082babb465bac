"""Heads of chains as the site has them: ours as we sent them and as partners confirmed them, and partners' own. Reads only.

A page begins after a row's key, and looks through windows of the table (docs/adr/0069-lists-of-any-depth.md): so it costs the same however
deep it is, and whatever the partner.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from gateway.domain.states import Direction
from gateway.ledger.audit.heads import body_of, head_in
from gateway.ledger.chain import GENESIS, Head
from gateway.ledger.commitment import ERASED
from gateway.ledger.queries.restorations import was_lost
from gateway.ledger.store import event_digest
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.ledger.units import Consignment, Receipt

_WINDOW: Final = 5_000
_WINDOWS: Final = 4


class Which(StrEnum):
    """Whose heads, and where they are named."""

    CONFIRMED = "confirmed"
    """Ours, in partners' signed receipts."""
    PUBLISHED = "published"
    """Ours, in the consignments that we signed."""
    THEIRS = "theirs"
    """Partners', in the consignments that came."""
    RECEIPTS = "receipts"
    """Partners', in their receipts."""

    @property
    def ours(self) -> bool:
        return self in (Which.CONFIRMED, Which.PUBLISHED)


class NamedHead(NamedTuple):
    """A head, by whom and in what it is named, when that came or was made (seconds since 1970); and of ours, whether the chain has it."""

    partner: str
    head: Head
    source: str
    consignment: str
    at: float
    holds: bool | None


def page(
    connection: Connection, which: Which, limit: int, partner: str | None = None, before: int | None = None
) -> tuple[list[NamedHead], int | None]:
    """At most `limit` heads, the newest first, and the key before which the next page begins; None at the list's end."""
    receipts = which in (Which.CONFIRMED, Which.RECEIPTS)
    table = RECEIPTS if receipts else CONSIGNMENTS
    direction = Direction.OUT if which is Which.PUBLISHED else Direction.IN
    top = before if before is not None else (connection.execute(select(func.max(table.c.key))).scalar() or 0) + 1
    found: list[NamedHead] = []
    for _ in range(_WINDOWS):
        low = max(top - _WINDOW, 0)
        # As an expression: an index of directions would read half the table.
        query = select(table).where(
            table.c.key < top, table.c.key >= low, table.c.direction.concat("") == str(direction)
        )
        if receipts:
            query = query.where(RECEIPTS.c.body.is_not(None) | RECEIPTS.c.salt.startswith(ERASED))
        if partner is not None:
            query = query.where(table.c.partner.concat("") == partner)
        for row in connection.execute(query.order_by(table.c.key.desc())):
            named = _of_receipt(connection, which, row) if receipts else _of_consignment(connection, which, row)
            if named is not None:
                found.append(named)
            if len(found) == limit:
                return found, row.key if row.key > 1 else None
        top = low
        if not low:
            return found, None
    return found, top


def _of_receipt(connection: Connection, which: Which, row: Any) -> NamedHead | None:
    receipt = Receipt._make(row)
    head = head_in(body_of(connection, receipt), "seen_head" if which.ours else "audit_head")
    return (
        None
        if head is None
        else _named(connection, which, receipt.partner, head, "receipt", receipt.consignment, receipt.created)
    )


def _of_consignment(connection: Connection, which: Which, row: Any) -> NamedHead | None:
    each = Consignment._make(row)
    if each.head_sequence is None or each.head_sha256 is None:
        return None
    head = Head(each.head_sequence, each.head_sha256)
    return _named(connection, which, each.partner, head, "consignment", each.id, each.created)


def _named(
    connection: Connection, which: Which, partner: str, head: Head, source: str, consignment: str, at: float
) -> NamedHead:
    holds = None
    if which.ours:
        known = event_digest(connection, head.sequence) if head.sequence else GENESIS
        holds = known == head.sha256 or (known is None and was_lost(connection, head.sequence))
    return NamedHead(partner, head, source, consignment, at, holds)
