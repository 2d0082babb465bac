"""What somebody looks for by a word or by the digest of a file: each by an index, among a million transfers. Reads only."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CompoundSelect, Connection, Select, and_, func, or_, select, union

from gateway.domain.states import Direction
from gateway.ledger.queries.facts import told_of
from gateway.ledger.queries.identities import begins, partners
from gateway.ledger.tables import CONSIGNMENTS, QUARANTINE, RECEIPTS, TRANSFERS
from gateway.ledger.units import Consignment, Quarantined, Receipt, Transfer

_TELLING: Final = ("redirect", "enquiry", "reply")
_TOLD: Final = ("reference", "original_sha256", "original_transfer")
"""The flows whose facts name what people look for, and those facts."""
_NEWEST: Final = 5_000
"""Keys: so many of the newest transfers are read for a text before all names are."""


def with_digest(connection: Connection, digest: str, most: int | None) -> list[Transfer]:
    """Transfers of files whose SHA-256 starts so, in both directions, the newest first."""
    query = select(TRANSFERS).where(TRANSFERS.c.partner.in_(_partners()), *begins(TRANSFERS.c.sha256, digest))
    return _transfers(connection, query, most)


def named(connection: Connection, text: str, most: int | None) -> list[Transfer]:
    """Transfers whose name or reference has the text in it, or that were delivered under it; the newest first."""
    by = (
        TRANSFERS.c.name.contains(text, autoescape=True),
        and_(TRANSFERS.c.reference.is_not(None), TRANSFERS.c.reference.contains(text, autoescape=True)),
        and_(TRANSFERS.c.delivered_name.is_not(None), TRANSFERS.c.delivered_name == text),
    )
    if (
        most is not None
    ):  # what many have in their names is found among the newest: then nobody reads the index of all names
        newest = select(func.max(TRANSFERS.c.key) - _NEWEST).scalar_subquery()
        found = _transfers(connection, select(TRANSFERS).where(TRANSFERS.c.key > newest, or_(*by)), most)
        if len(found) == most:
            return found
    keys = union(*(select(TRANSFERS.c.key).where(one) for one in by))
    return _transfers(connection, select(TRANSFERS).where(TRANSFERS.c.key.in_(keys)), most)


def of_reference(connection: Connection, direction: Direction, reference: str) -> list[Transfer]:
    """The transfers that were submitted under exactly this reference."""
    query = select(TRANSFERS).where(
        TRANSFERS.c.reference.is_not(None),
        TRANSFERS.c.reference == reference,
        # As an expression: the index of references is the better one.
        TRANSFERS.c.direction.concat("") == str(direction),
    )
    return _transfers(connection, query, None)


def telling_of(connection: Connection, text: str) -> list[Transfer]:
    """Redirected files by what they carry, enquiries and replies by their reference: whose facts start so; the newest first."""
    query = select(TRANSFERS).where(
        TRANSFERS.c.partner.in_(_partners()),
        TRANSFERS.c.flow.in_(_TELLING),
        TRANSFERS.c.facts.contains(f'"{text}', autoescape=True),
    )
    return [row for row in _transfers(connection, query, None) if _tells(row, text.casefold())]


def _tells(row: Transfer, text: str) -> bool:
    told = told_of(row.facts)
    return any(told.get(name, "").casefold().startswith(text) for name in _TOLD)


def _partners() -> CompoundSelect[Any]:
    """Everybody that a file went to or came from: the indices of content and flow begin with the partner."""
    return union(*(select(partners(TRANSFERS, direction).c.partner) for direction in Direction))


def _transfers(connection: Connection, query: Select[Any], most: int | None) -> list[Transfer]:
    return [Transfer._make(row) for row in connection.execute(query.order_by(TRANSFERS.c.key.desc()).limit(most))]


def sealed_as(connection: Connection, digest: str) -> list[Consignment | Receipt]:
    """Consignments and receipts whose sealed file's SHA-256 starts so."""
    consignments = select(CONSIGNMENTS).where(*begins(CONSIGNMENTS.c.sealed_sha256, digest))
    receipts = select(RECEIPTS).where(*begins(RECEIPTS.c.sealed_sha256, digest))
    return [
        *map(Consignment._make, connection.execute(consignments)),
        *map(Receipt._make, connection.execute(receipts)),
    ]


def locked_away(connection: Connection, text: str) -> list[Quarantined]:
    """Quarantined files whose id, consignment's id or SHA-256 starts so, the newest first; discarded ones too."""
    columns = (QUARANTINE.c.id, QUARANTINE.c.consignment, QUARANTINE.c.sha256)
    query = select(QUARANTINE).where(or_(*(column.startswith(text, autoescape=True) for column in columns)))
    return [Quarantined._make(row) for row in connection.execute(query.order_by(QUARANTINE.c.received.desc()))]
