"""Who may use the console, as the ledger has it at this moment. Reads only."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select

from gateway.domain.people import Person, PersonRole, PersonState
from gateway.ledger.tables import PEOPLE

ROLE_COLUMNS: Final = {role: role.replace("-", "_") for role in PersonRole}
"""The column that says whether somebody has a role."""

_ALL: Final[Select[Any]] = select(PEOPLE)


def find_person(connection: Connection, user: str) -> Person | None:
    """The person of that user id, whatever the state."""
    row = connection.execute(_ALL.where(PEOPLE.c.user == user)).first()
    return None if row is None else _person(row)


def people(connection: Connection) -> list[Person]:
    """Everybody, by user id, those who have left among them."""
    return [_person(row) for row in connection.execute(_ALL.order_by(PEOPLE.c.user))]


def active_with(connection: Connection, role: PersonRole) -> list[Person]:
    """The active people who have a role, by user id."""
    column = PEOPLE.c[ROLE_COLUMNS[role]]
    query = _ALL.where(column.is_(True), PEOPLE.c.state == str(PersonState.ACTIVE))
    return [_person(row) for row in connection.execute(query.order_by(PEOPLE.c.user))]


def _person(row: Row[Any]) -> Person:
    roles = frozenset(role for role, column in ROLE_COLUMNS.items() if getattr(row, column))
    return Person(
        *(row.user, row.name, row.unit, roles, row.agreement, row.training, row.state),
        *(row.changes, row.created, row.updated),
    )
