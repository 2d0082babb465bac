"""What a copy of the site has to know, and what nobody knows after a restoration from one. Reads only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, or_, select

from gateway.domain.identity import from_text
from gateway.domain.states import Direction, State
from gateway.ledger.queries.events import last_details
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer

RESTORED: Final = "ledger.restored"


def last_loss(connection: Connection, site: str) -> float | None:
    """When the site stopped working before it was restored last (seconds since 1970); None where it never was."""
    found = last_details(connection, [RESTORED], [site]).get(site)
    return None if found is None else from_text(str(found[1]["stopped"]))


def about_to_be_delivered(connection: Connection) -> list[Transfer]:
    """Opened transfers, of which the ledger does not know whether they were delivered."""
    query = select(TRANSFERS).where(TRANSFERS.c.direction == str(Direction.IN), TRANSFERS.c.state == str(State.OPENED))
    return [Transfer._make(row) for row in connection.execute(query.order_by(TRANSFERS.c.key))]


def dropped_since(connection: Connection, moment: float) -> list[tuple[str, str, str, str]]:
    """Flow, partner, name and SHA-256 of the files that were admitted since, or that may lie in spool/outbound yet."""
    query = select(TRANSFERS.c.flow, TRANSFERS.c.partner, TRANSFERS.c.name, TRANSFERS.c.sha256).where(
        TRANSFERS.c.direction == str(Direction.OUT),
        or_(TRANSFERS.c.created >= moment, TRANSFERS.c.spool_file.is_not(None)),
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]
