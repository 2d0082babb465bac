"""Incidents (LAST 4): opening one suspends whom it is about, its audit trail has every action, it closes with an outcome; and figures.

Needs the ledger, the domain and the settings alone. Raises RightMissing, OwnCheck, CheckMisplaced, PersonUnknown, UsageWrong, NotFound,
and what the ledger raises.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.administration.looking.acting import Random, identity, require_right, words
from gateway.domain.identity import to_text
from gateway.domain.incidents import IncidentKind, IncidentOutcome, IncidentState
from gateway.domain.people import Right
from gateway.errors import OwnCheck
from gateway.ledger import incidents
from gateway.ledger.check_units import Incident
from gateway.ledger.queries import incidents as queries
from gateway.ledger.queries.checks import drawn_between
from gateway.ledger.queries.incidents import find_incident
from gateway.ledger.store import Connection, Ledger


@dataclass(frozen=True)
class IncidentView:
    """An incident without words of people: the contract of `gateway incidents --json`. Times are RFC 3339, UTC; `entries` counts the
    lines of the audit trail.
    """

    id: str
    kind: str
    state: str
    user: str | None
    opened: str
    opened_by: str
    central: bool
    entries: int
    closed: str | None
    closed_by: str | None
    outcome: str | None


@dataclass(frozen=True)
class Figures:
    """What happened in a time, to find weak spots: incidents by kind, by outcome and by month (`2026-11`), how many are open, how many
    were reported centrally; checks that were drawn, decided, and not supported.
    """

    incidents: int
    open: int
    central: int
    kinds: Mapping[str, int]
    outcomes: Mapping[str, int]
    months: Mapping[str, int]
    checks: int
    decided: int
    unsupported: int


def open_incident(
    ledger: Ledger,
    user: str,
    kind: IncidentKind,
    description: str,
    *,
    about: str | None = None,
    central: bool = False,
    random: Random = os.urandom,
) -> Incident:
    """A new incident; `about` is suspended in the same moment, sessions and all."""
    told = words(description, "description")
    with ledger.write() as transaction:
        require_right(transaction.connection, user, Right.INCIDENT)
        new = identity(transaction, random)
        return incidents.open_incident(transaction, new, kind, user, told, about=about, central=central)


def add_entry(ledger: Ledger, user: str, incident: str, text: str) -> Incident:
    """What was done about it: a line of the audit trail, with who and when. Lines are not taken back."""
    told = words(text, "entry")
    with ledger.write() as transaction:
        require_right(transaction.connection, user, Right.INCIDENT)
        return incidents.add_entry(transaction, find_incident(transaction.connection, incident), user, told)


def close(
    ledger: Ledger, user: str, incident: str, outcome: IncidentOutcome, conclusion: str, *, central: bool = False
) -> Incident:
    """What came of it. The rights of whom it is about stay suspended: giving them back is a decision about people."""
    told = words(conclusion, "conclusion")
    with ledger.write() as transaction:
        require_right(transaction.connection, user, Right.INCIDENT)
        found = find_incident(transaction.connection, incident)
        return incidents.close(transaction, found, user, outcome, told, central=central)


def incident(connection: Connection, user: str, identity: str) -> Incident:
    """One incident with its words and its trail, for who works on incidents; not for whom it is about."""
    require_right(connection, user, Right.INCIDENT)
    found = find_incident(connection, identity)
    if found.user == user:
        raise OwnCheck("nobody works on an incident that is about themselves")
    return found


def listed(connection: Connection, *, closed: bool = False) -> list[IncidentView]:
    """Incidents, the newest first: the open ones, or all."""
    return [shown(each) for each in queries.incidents(connection, closed=closed)]


def figures(connection: Connection, start: float, end: float) -> Figures:
    """What was opened and drawn from one moment up to another."""
    found = queries.opened_between(connection, start, end)
    drawn = drawn_between(connection, start, end)
    return Figures(
        incidents=len(found),
        open=sum(each.state is IncidentState.OPEN for each in found),
        central=sum(each.central for each in found),
        kinds=Counter(str(each.kind) for each in found),
        outcomes=Counter(str(each.outcome) for each in found if each.outcome is not None),
        months=Counter(to_text(each.created)[:7] for each in found),
        checks=len(drawn),
        decided=sum(each.decided is not None for each in drawn),
        unsupported=sum(each.supported is False for each in drawn),
    )


def shown(incident: Incident) -> IncidentView:
    """An incident without words of people."""
    return IncidentView(
        id=incident.id,
        kind=str(incident.kind),
        state=str(incident.state),
        user=incident.user,
        opened=to_text(incident.created),
        opened_by=incident.opened_by,
        central=incident.central,
        entries=len(incident.entries),
        closed=None if incident.closed is None else to_text(incident.closed),
        closed_by=incident.closed_by,
        outcome=None if incident.outcome is None else str(incident.outcome),
    )
