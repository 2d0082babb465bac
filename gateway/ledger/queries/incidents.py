"""Incidents and forms, as the ledger has them. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.domain.incidents import FormKind, IncidentState
from gateway.ledger.check_units import Form, Incident
from gateway.ledger.queries.checks import row_of
from gateway.ledger.tables import FORMS, INCIDENTS


def find_incident(connection: Connection, identity: str) -> Incident:
    """The incident of that id; NotFound where there is none."""
    return Incident._make(row_of(connection, INCIDENTS, identity, "incident"))


def incidents(connection: Connection, *, closed: bool = False, most: int = 500) -> list[Incident]:
    """Incidents, the newest first: the open ones, or all."""
    query = select(INCIDENTS).order_by(INCIDENTS.c.key.desc()).limit(most)
    query = query if closed else query.where(INCIDENTS.c.state == str(IncidentState.OPEN))
    return [Incident._make(row) for row in connection.execute(query)]


def opened_between(connection: Connection, start: float, end: float) -> list[Incident]:
    """The incidents that were opened from one moment up to another, in order."""
    query = select(INCIDENTS).where(INCIDENTS.c.created >= start, INCIDENTS.c.created < end)
    return [Incident._make(row) for row in connection.execute(query.order_by(INCIDENTS.c.key))]


def find_form(connection: Connection, identity: str) -> Form:
    """The form of that id; NotFound where there is none."""
    return Form._make(row_of(connection, FORMS, identity, "form"))


def forms(connection: Connection, kind: FormKind | None = None, most: int = 500) -> list[Form]:
    """Forms, the newest first: of one kind, or all."""
    query = select(FORMS).order_by(FORMS.c.key.desc()).limit(most)
    query = query if kind is None else query.where(FORMS.c.kind == str(kind))
    return [Form._make(row) for row in connection.execute(query)]
