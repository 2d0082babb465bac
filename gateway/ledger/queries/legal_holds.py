"""What people keep beyond its time: legal holds, and what each one covers. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from gateway.ledger.tables import CONSIGNMENTS, HOLDS, QUARANTINE, TRANSFERS
from gateway.ledger.units import LegalHold

PARTNER = "partner"
"""The kind of a hold on everything of one partner."""


@dataclass(frozen=True)
class Held:
    """What legal holds cover: all of some partners, and some partners' units by partner and id, whatever kind they are of."""

    partners: frozenset[str]
    units: frozenset[tuple[str, str]]
    names: frozenset[tuple[str, str, str]]
    """Flow, partner and name of the transfers: what lies in the spool has no id."""

    def covers(self, partner: str | None, *ids: str | None) -> bool:
        """Whether something of a partner, known by any of these ids, is held."""
        return partner is not None and (partner in self.partners or any((partner, each) in self.units for each in ids))


def active(connection: Connection) -> list[LegalHold]:
    """The holds that nobody has ended, in the order in which they were placed."""
    query = select(HOLDS).where(HOLDS.c.released.is_(None)).order_by(HOLDS.c.key)
    return [LegalHold._make(row) for row in connection.execute(query)]


def held(connection: Connection) -> Held:
    """What the active holds cover: a transfer with what carries it, a consignment with what it carries, and receipts of both."""
    holds = active(connection)
    units, names = set[tuple[str, str]](), set[tuple[str, str, str]]()
    for each in holds:
        if each.kind == PARTNER:
            continue
        units.add((each.partner, each.unit))
        here = TRANSFERS.c.partner == each.partner
        mine = TRANSFERS.c.id == each.unit if each.kind == "transfer" else TRANSFERS.c.consignment == each.unit
        for row in connection.execute(
            select(TRANSFERS.c.id, TRANSFERS.c.consignment, TRANSFERS.c.flow, TRANSFERS.c.name).where(here, mine)
        ):
            units |= {(each.partner, found) for found in (row.id, row.consignment) if found is not None}
            if row.name:  # of one that was erased before, nothing in the spool is known
                names.add((row.flow, each.partner, row.name))
    return Held(frozenset(each.unit for each in holds if each.kind == PARTNER), frozenset(units), frozenset(names))


def about(connection: Connection, partner: str, *ids: str | None) -> list[LegalHold]:
    """The active holds that keep something of a partner, known by any of these ids."""
    found = []
    for each in active(connection):
        if each.partner != partner:
            continue
        carried = each.kind == "consignment" and each.unit in ids
        carries = each.kind == "transfer" and _consignment_of(connection, each) in ids
        if each.kind == PARTNER or each.unit in ids or carried or carries:
            found.append(each)
    return found


def _consignment_of(connection: Connection, hold: LegalHold) -> str:
    query = select(TRANSFERS.c.consignment).where(TRANSFERS.c.partner == hold.partner, TRANSFERS.c.id == hold.unit)
    return connection.execute(query).scalar() or hold.unit


def is_known(connection: Connection, partner: str) -> bool:
    """Whether the ledger has anything of a partner: one that was removed from the configuration has left its rows."""
    tables = (TRANSFERS, CONSIGNMENTS, QUARANTINE)
    return any(
        connection.execute(select(each.c.partner).where(each.c.partner == partner).limit(1)).first() for each in tables
    )
