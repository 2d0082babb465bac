"""Writing incidents, forms, and that a report was printed. Every step is an event, without words of a person (`ledger.checks`).

An incident suspends whom it is about, in the same transaction. Raises OwnCheck, CheckMisplaced and ReportPrinted; whoever writes past
this module meets the constraints of the tables, as ImpossibleMove.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import update

from gateway.domain.decision import Decision
from gateway.domain.incidents import FormKind, IncidentKind, IncidentOutcome, IncidentState
from gateway.domain.people import PersonState
from gateway.errors import CheckMisplaced, ImpossibleMove, OwnCheck, ReportPrinted
from gateway.ledger import people
from gateway.ledger.check_units import Form, Incident
from gateway.ledger.queries.checks import is_printed
from gateway.ledger.queries.incidents import find_form, find_incident
from gateway.ledger.store import Transaction
from gateway.ledger.tables import FORMS, INCIDENTS, PRINTINGS

INCIDENT: Final = "incident"
FORM: Final = "form"
REPORT: Final = "printing"
"""What the events are about; their subject is the row's id, of a printing DAY.COPY."""


def open_incident(
    transaction: Transaction,
    identity: str,
    kind: IncidentKind,
    by: str,
    description: str,
    *,
    about: str | None = None,
    check: str | None = None,
    central: bool = False,
) -> Incident:
    """A new incident. Whom it is about is suspended at once; PersonUnknown where there is no such person."""
    row = {"id": identity, "kind": str(kind), "check_id": check, "user": about, "opened_by": by, "central": central}
    said = {"description": description, "trail": "[]", "state": str(IncidentState.OPEN)}
    transaction.insert(INCIDENTS, [{**row, **said}])
    told = [str(kind), check, central]
    transaction.record("incident.opened", INCIDENT, identity, actor=by, user=about, incident=[*told])
    if about is not None and people.require_person(transaction, about).state is PersonState.ACTIVE:
        people.suspend(transaction, about, Decision(by, f"incident {identity}"))
    return find_incident(transaction.connection, identity)


def add_entry(transaction: Transaction, incident: Incident, by: str, text: str) -> Incident:
    """One more line of the audit trail."""
    current = _open(transaction, incident, by)
    trail = orjson.dumps([*map(tuple, current.entries), (transaction.now, by, text)]).decode()
    _set(transaction, current, trail=trail)
    transaction.record("incident.noted", INCIDENT, current.id, actor=by)
    return find_incident(transaction.connection, current.id)


def close(
    transaction: Transaction,
    incident: Incident,
    by: str,
    outcome: IncidentOutcome,
    conclusion: str,
    *,
    central: bool = False,
) -> Incident:
    """What came of it. `central`, where it was reported centrally meanwhile. Whom it is about stays suspended, until somebody
    resumes the rights.
    """
    current = _open(transaction, incident, by)
    _set(
        transaction,
        current,
        state=str(IncidentState.CLOSED),
        outcome=str(outcome),
        conclusion=conclusion,
        closed=transaction.now,
        closed_by=by,
        central=central or current.central,
    )
    transaction.record("incident.closed", INCIDENT, current.id, actor=by, outcome=str(outcome))
    return find_incident(transaction.connection, current.id)


def fill_in(transaction: Transaction, identity: str, kind: FormKind, by: str, fields: Mapping[str, str]) -> Form:
    """A form, as somebody filled it in."""
    row = {"id": identity, "kind": str(kind), "user": by, "fields": orjson.dumps(dict(fields)).decode()}
    transaction.insert(FORMS, [row])
    transaction.record("form.filled", FORM, identity, actor=by, kinds=[str(kind)])
    return find_form(transaction.connection, identity)


def note_printing(
    transaction: Transaction, day: str, copy: int, by: str, *, count: int, sha256: str, reason: str
) -> None:
    """That a copy of a day's report is printed, before it is. ReportPrinted where copy 1 was printed; CheckMisplaced where a later
    copy comes before it.
    """
    if copy == 1 and is_printed(transaction.connection, day):
        raise ReportPrinted(f"the report of {day} was printed before")
    if copy > 1 and not is_printed(transaction.connection, day):
        raise CheckMisplaced(f"the report of {day} was not printed yet")
    identity = f"{day}.{copy}"
    row = {"id": identity, "day": day, "copy": copy, "user": by, "checks": count, "sha256": sha256, "reason": reason}
    transaction.insert(PRINTINGS, [row])
    event = "report.printed" if copy == 1 else "report.reprinted"
    transaction.record(event, REPORT, identity, actor=by, day=day, count=count, sha256=sha256)


def _open(transaction: Transaction, incident: Incident, by: str) -> Incident:
    """The incident as it is now, for somebody else than whom it is about; CheckMisplaced where it is closed."""
    current = find_incident(transaction.connection, incident.id)
    if by == current.user:
        raise OwnCheck("nobody works on an incident that is about themselves")
    if current.state is not IncidentState.OPEN:
        raise CheckMisplaced("the incident is closed")
    return current


def _set(transaction: Transaction, incident: Incident, **values: Any) -> None:
    written = transaction.connection.execute(
        update(INCIDENTS)
        .where(INCIDENTS.c.key == incident.key, INCIDENTS.c.state == str(IncidentState.OPEN))
        .values(updated=transaction.now, **values)
    )
    if written.rowcount != 1:
        raise ImpossibleMove(f"incident {incident.id} is closed")
