"""Incidents and forms, as the ledger has them. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.domain.incidents import FormKind, IncidentState
from gateway.ledger.check_units import Form, Incident
from gateway.ledger.queries.checks import MOST, newest, row_of
from gateway.ledger.tables import FORMS, INCIDENTS


def find_incident(connection: Connection, identity: str) -> Incident:
    """The incident of that id; NotFound where there is none."""
    return Incident._make(row_of(connection, INCIDENTS, identity, "incident"))


def incident_of_check(connection: Connection, check: str) -> Incident | None:
    """The incident that a check ended in; None where it did not, or its time is over."""
    row = connection.execute(select(INCIDENTS).where(INCIDENTS.c.check_id == check).limit(1)).first()
    return None if row is None else Incident._make(row)


def incidents(
    connection: Connection, *, closed: bool = False, before: int | None = None, most: int = MOST
) -> list[Incident]:
    """Incidents, the newest first: the open ones, or all; `before` a key, for a further page."""
    query = newest(INCIDENTS, before, most)
    query = query if closed else query.where(INCIDENTS.c.state == str(IncidentState.OPEN))
    return [Incident._make(row) for row in connection.execute(query)]


def opened_between(connection: Connection, start: float, end: float) -> list[Incident]:
    """The incidents that were opened from one moment up to another, in order."""
    query = select(INCIDENTS).where(INCIDENTS.c.created >= start, INCIDENTS.c.created < end)
    return [Incident._make(row) for row in connection.execute(query.order_by(INCIDENTS.c.key))]


def find_form(connection: Connection, identity: str) -> Form:
    """The form of that id; NotFound where there is none."""
    return Form._make(row_of(connection, FORMS, identity, "form"))


def forms(
    connection: Connection,
    kind: FormKind | None = None,
    user: str | None = None,
    before: int | None = None,
    most: int = MOST,
) -> list[Form]:
    """Forms, the newest first: of one kind or all, of one person or all; `before` a key, for a further page."""
    query = newest(FORMS, before, most)
    query = query if kind is None else query.where(FORMS.c.kind == str(kind))
    query = query if user is None else query.where(FORMS.c.user == user)
    return [Form._make(row) for row in connection.execute(query)]
