"""An incident suspends at once, its trail only grows, and it closes with an outcome; forms go into the ledger and out on paper."""

from __future__ import annotations

import io
from collections.abc import Callable

import pikepdf
import pytest
from sqlalchemy import update

from gateway.administration.looking import checking, forms, investigating
from gateway.administration.people import roster
from gateway.domain.incidents import FIELDS, FormKind, IncidentKind, IncidentOutcome, IncidentState
from gateway.domain.people import PersonState
from gateway.errors import CheckMisplaced, ImpossibleMove, NotFound, OwnCheck, PersonUnknown, RightMissing, UsageWrong
from gateway.ledger.queries.events import events_of
from gateway.ledger.queries.incidents import incidents
from gateway.ledger.tables import INCIDENTS
from tests.unit.administration.looking.conftest import WHO, Office


def test_an_incident_suspends_at_once_and_keeps_a_trail_until_it_closes(office: Office) -> None:
    opened = investigating.open_incident(
        office.ledger, "sup1", IncidentKind.DISCLOSURE, "sent to a wrong fax", about="op1"
    )
    with office.ledger.read() as connection:
        assert roster.find(connection, "op1").state is PersonState.SUSPENDED
    investigating.add_entry(office.ledger, "sup1", opened.id, "called the recipient")
    investigating.add_entry(office.ledger, "co1", opened.id, "paper destroyed")
    with office.ledger.read() as connection:
        found = investigating.incident(connection, "sup1", opened.id)
        assert [(each.user, each.text) for each in found.entries] == [
            ("sup1", "called the recipient"),
            ("co1", "paper destroyed"),
        ]
    closed = investigating.close(
        office.ledger, "sup1", opened.id, IncidentOutcome.MISTAKE, "trained again", central=True
    )
    assert (closed.state, closed.outcome, closed.central) == (IncidentState.CLOSED, IncidentOutcome.MISTAKE, True)
    acts: tuple[Callable[[], object], ...] = (
        lambda: investigating.add_entry(office.ledger, "sup1", opened.id, "one thing more"),
        lambda: investigating.close(office.ledger, "sup1", opened.id, IncidentOutcome.MISUSE, "on second thoughts"),
    )
    for act in acts:
        with pytest.raises(CheckMisplaced):
            act()
    with office.ledger.read() as connection:
        assert roster.find(connection, "op1").state is PersonState.SUSPENDED
        said = [event.event for event in events_of(connection, [opened.id])]
    assert said == ["incident.opened", "incident.noted", "incident.noted", "incident.closed"]


def test_an_incident_about_nobody_or_about_somebody_who_is_suspended_already(office: Office) -> None:
    nobody = investigating.open_incident(office.ledger, "sup1", IncidentKind.LOSS, "a medium is missing")
    assert nobody.user is None
    roster.suspend(office.ledger, "op1", WHO)
    investigating.open_incident(office.ledger, "sup1", IncidentKind.OTHER, "a second matter", about="op1")
    with pytest.raises(PersonUnknown):
        investigating.open_incident(office.ledger, "sup1", IncidentKind.OTHER, "about a stranger", about="stranger")
    with office.ledger.read() as connection:
        assert len(incidents(connection)) == 2


def test_nobody_works_on_an_incident_about_themselves(office: Office) -> None:
    found = investigating.open_incident(office.ledger, "sup1", IncidentKind.OTHER, "left a screen open", about="co1")
    roster.resume(office.ledger, "co1", WHO)
    acts: tuple[Callable[[], object], ...] = (
        lambda: investigating.add_entry(office.ledger, "co1", found.id, "it was nothing"),
        lambda: investigating.close(office.ledger, "co1", found.id, IncidentOutcome.UNFOUNDED, "it was nothing"),
    )
    for act in acts:
        with pytest.raises(OwnCheck):
            act()
    with office.ledger.read() as connection, pytest.raises(OwnCheck):
        investigating.incident(connection, "co1", found.id)
    values = {"state": "closed", "closed": 1.0, "closed_by": "co1", "outcome": "unfounded"}
    with pytest.raises(ImpossibleMove), office.ledger.write() as transaction:
        transaction.connection.execute(update(INCIDENTS).values(**values))


@pytest.mark.parametrize("user", ["op1", "sp1", "adm1", "aud1", "nobody"])
def test_incidents_are_for_who_works_on_them(office: Office, user: str) -> None:
    found = investigating.open_incident(office.ledger, "sup1", IncidentKind.OTHER, "says the test")
    acts: tuple[Callable[[], object], ...] = (
        lambda: investigating.open_incident(office.ledger, user, IncidentKind.OTHER, "says the test"),
        lambda: investigating.add_entry(office.ledger, user, found.id, "says the test"),
        lambda: investigating.close(office.ledger, user, found.id, IncidentOutcome.MISTAKE, "says the test"),
    )
    for act in acts:
        with pytest.raises(RightMissing):
            act()


def test_figures_count_what_was_opened_and_drawn(office: Office) -> None:
    start = office.now
    investigating.open_incident(office.ledger, "sup1", IncidentKind.LOSS, "a medium is missing", central=True)
    check = office.check("op1")
    checking.acknowledge(office.ledger, "op1", check)
    checking.explain(office.ledger, "op1", check, "no papers")
    _, opened = checking.decide(office.ledger, "co1", check, supported=False, finding="none there")
    assert opened is not None
    investigating.close(office.ledger, "sup1", opened.id, IncidentOutcome.MISUSE, "proved")
    with office.ledger.read() as connection:
        found = investigating.figures(connection, start, office.now)
        before = investigating.figures(connection, 0.0, start)
    assert (found.incidents, found.open, found.central) == (2, 1, 1)
    assert (found.checks, found.decided, found.unsupported) == (1, 1, 1)
    assert found.kinds == {"loss": 1, "access": 1}
    assert found.outcomes == {"misuse": 1}
    assert sum(found.months.values()) == 2
    assert (before.incidents, before.checks) == (0, 0)


@pytest.mark.parametrize("kind", FormKind)
def test_a_form_goes_into_the_ledger_and_out_on_paper(office: Office, kind: FormKind) -> None:
    given = {field.name: f"says {field.name}" for field in FIELDS[kind] if field.required}
    form = forms.fill_in(office.ledger, "op1", kind, {**given, **{f.name: " " for f in FIELDS[kind] if not f.required}})
    assert form.filled == given
    with office.ledger.read() as connection:
        assert forms.forms(connection, "op1", kind) == [form]
        assert forms.forms(connection, "op2", kind) == []
        assert forms.forms(connection, "sup1") == [form]
        with pikepdf.open(io.BytesIO(forms.pdf(connection, "op1", form.id))) as paper:
            assert "LAST" in str(paper.docinfo["/Title"])
        assert forms.pdf(connection, "op1", form.id) == forms.pdf(connection, "sup1", form.id)
        with pytest.raises(NotFound):
            forms.pdf(connection, "op2", form.id)
        details = [event.detail for event in events_of(connection, [form.id])]
    assert len(details) == 1
    assert "says" not in details[0]


def test_a_form_that_lacks_something_is_not_taken(office: Office) -> None:
    with pytest.raises(UsageWrong):
        forms.fill_in(office.ledger, "op1", FormKind.DATA_QUERY, {"case": "HBE-1"})
    with pytest.raises(RightMissing):
        forms.fill_in(office.ledger, "sp1", FormKind.SYSTEM_FAULT, dict.fromkeys(("when", "what", "doing"), "words"))
