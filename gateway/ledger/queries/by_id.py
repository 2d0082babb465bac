"""The one unit that a person means by an id, or by its first characters. Reads only.

Raises NotFound where nothing, or more than one thing, has an id that starts so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from gateway.errors import NotFound
from gateway.ledger.queries import records
from gateway.ledger.store import TABLES
from gateway.ledger.tables import FILE
from gateway.settings.home import Home


def find(
    connection: Connection, prefix: str, kinds: tuple[str, ...] = ("transfer", "consignment")
) -> tuple[str, Row[Any]]:
    """The one transfer or consignment whose id starts with `prefix`, and its kind."""
    found = [(kind, row) for kind in kinds for row in records.matching(connection, TABLES[kind], prefix) if prefix]
    if not found:
        raise NotFound(f"nothing has an id that starts with {prefix[:40]!r}")
    if len(found) > 1:
        raise NotFound(f"more than one id starts with {prefix[:40]!r}: give more of it")
    return found[0]


def quarantined(connection: Connection, identity: str) -> Row[Any]:
    """The one quarantined file whose id, or whose consignment's id, starts with `identity`; discarded ones count too."""
    rows = records.quarantined(connection, discarded=True)
    found = [row for row in rows if identity and row.id.startswith(identity)]
    found = found or [row for row in rows if identity and row.consignment.startswith(identity)]
    if len(found) != 1:
        many = "no quarantined file has" if not found else f"{len(found)} quarantined files have"
        raise NotFound(f"{many} an id that starts with {identity[:40]!r}")
    return found[0]


def kept_file(home: Home, row: Row[Any]) -> Path:
    """Where a quarantined file lies: sealed, or where its own content was the reason, in the vault."""
    return home.infected / row.id if row.kind == FILE else home.quarantine / f"{row.id}.sealed"
