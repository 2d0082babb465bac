"""Openings of payloads, management checks and printed reports, as the ledger has them. Reads only."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Table, exists, literal_column, select

from gateway.domain.checks import CheckState, Quarter
from gateway.domain.identity import to_text
from gateway.errors import NotFound
from gateway.ledger.chain import GENESIS
from gateway.ledger.check_units import Check, Opening, Printing
from gateway.ledger.queries.events import last_before
from gateway.ledger.store import event_before
from gateway.ledger.tables import CHECKS, OPENINGS, PRINTINGS

MOST: Final = 500
"""Rows of one page."""
# The indexes of some rows are used where the state stands in the query as the index has it.
_DRAWN: Final = CHECKS.c.state == literal_column(f"'{CheckState.DRAWN}'")
_OUTSTANDING: Final = CHECKS.c.state != literal_column(f"'{CheckState.DECIDED}'")


def find_opening(connection: Connection, identity: str) -> Opening:
    """The opening of that id; NotFound where there is none."""
    return Opening._make(row_of(connection, OPENINGS, identity, "opening"))


def openings(
    connection: Connection,
    user: str | None = None,
    unit: str | None = None,
    before: int | None = None,
    most: int = MOST,
) -> list[Opening]:
    """The System Access Log, the newest first: all of it, somebody's, or who opened one thing; `before` a key, for a further page."""
    query = newest(OPENINGS, before, most)
    query = query if user is None else query.where(OPENINGS.c.user == user)
    query = query if unit is None else query.where(OPENINGS.c.unit == unit)
    return [Opening._make(row) for row in connection.execute(query)]


def find_check(connection: Connection, identity: str) -> Check:
    """The check of that id; NotFound where there is none."""
    return Check._make(row_of(connection, CHECKS, identity, "check"))


def to_acknowledge(connection: Connection, user: str) -> Check | None:
    """The first check that somebody has to acknowledge, None where there is none. Asked at each page: a look into a small index."""
    return _first(connection, select(CHECKS).where(_DRAWN, CHECKS.c.user == user).order_by(CHECKS.c.key).limit(1))


def outstanding(connection: Connection, user: str | None = None) -> list[Check]:
    """Checks that are not decided, the oldest first; of one opener, or of all."""
    query = select(CHECKS).where(_OUTSTANDING).order_by(CHECKS.c.key)
    return _checks(connection, query if user is None else query.where(CHECKS.c.user == user))


def every_check(connection: Connection, before: int | None = None, most: int = MOST) -> list[Check]:
    """Checks of every state, the newest first; `before` a key, for a further page."""
    return _checks(connection, newest(CHECKS, before, most))


def drawn_between(connection: Connection, start: float, end: float) -> list[Check]:
    """The checks that were drawn from one moment up to another, in order."""
    query = select(CHECKS).where(CHECKS.c.created >= start, CHECKS.c.created < end)
    return _checks(connection, query.order_by(CHECKS.c.key))


def decided_in(connection: Connection, quarter: Quarter) -> list[Check]:
    """The checks that were decided in a quarter, in order."""
    decided = CHECKS.c.decided
    query = select(CHECKS).where(decided.is_not(None), decided >= quarter.start, decided < quarter.following.start)
    return _checks(connection, query.order_by(CHECKS.c.key))


def key_of(connection: Connection, quarter: Quarter) -> str:
    """The digest of the chain's last event before the end of a quarter."""
    last = last_before(connection, to_text(quarter.following.start))
    return event_before(connection, last + 1).sha256 if last else GENESIS


def printings(connection: Connection, day: str | None = None) -> list[Printing]:
    """The printed copies of a day's report, or of all days, in order."""
    query = select(PRINTINGS).order_by(PRINTINGS.c.day, PRINTINGS.c.copy)
    query = query if day is None else query.where(PRINTINGS.c.day == day)
    return [Printing._make(row) for row in connection.execute(query)]


def is_printed(connection: Connection, day: str) -> bool:
    """Whether a day's report was printed."""
    return bool(connection.execute(select(exists().where(PRINTINGS.c.day == day))).scalar())


def newest(table: Table, before: int | None, most: int) -> Select[Any]:
    """The newest rows of a table first: so many of them, and those before a key where one is given."""
    query = select(table).order_by(table.c.key.desc()).limit(most)
    return query if before is None else query.where(table.c.key < before)


def row_of(connection: Connection, table: Table, identity: str, noun: str) -> Row[Any]:
    """The row of that id; NotFound where there is none."""
    row = connection.execute(select(table).where(table.c.id == identity)).first()
    if row is None:
        raise NotFound(f"there is no {noun} {identity[:40]!r}")
    return row


def _first(connection: Connection, query: Select[Any]) -> Check | None:
    row = connection.execute(query).first()
    return None if row is None else Check._make(row)


def _checks(connection: Connection, query: Select[Any]) -> list[Check]:
    return [Check._make(row) for row in connection.execute(query)]
