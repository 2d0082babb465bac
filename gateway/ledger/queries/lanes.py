"""The ways to partners. Reads only."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, select

from gateway.ledger.tables import LANES
from gateway.ledger.units import Lane

_ALL: Final[Select[Any]] = select(LANES)


def all_lanes(connection: Connection) -> dict[str, Lane]:
    """Every lane that was used so far, by partner."""
    return {row.partner: Lane._make(row) for row in connection.execute(_ALL)}


def known_partners(connection: Connection) -> set[str]:
    """Every partner that anything was ever exchanged with, those no longer configured included."""
    return set(connection.execute(select(LANES.c.partner)).scalars())
