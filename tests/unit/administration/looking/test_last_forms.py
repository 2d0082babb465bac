"""LAST 1, 3 and 4 on paper: what is on them, who gets them, and when there are none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pypdfium2
import pytest
from sqlalchemy import update

from gateway.administration.looking import checking, last_forms
from gateway.administration.looking.investigating import add_entry, close, open_incident
from gateway.administration.people import roster
from gateway.domain.identity import to_text
from gateway.domain.incidents import IncidentKind, IncidentOutcome
from gateway.errors import CheckMisplaced, NotFound, OwnCheck, RightMissing
from gateway.ledger.commitment import ERASED
from gateway.ledger.store import Connection
from gateway.ledger.tables import CHECKS, INCIDENTS
from tests.unit.administration.looking.conftest import CASE, WHO, Office

Form = Callable[[Connection, str, str], bytes]


def printed(office: Office, form: Form, user: str, identity: str) -> str:
    """What is on the paper, without its line breaks."""
    with office.ledger.read() as connection:
        content = form(connection, user, identity)
        assert form(connection, user, identity) == content
    with closing(pypdfium2.PdfDocument(content)) as paper:
        return " ".join(" ".join(page.get_textpage().get_text_range() for page in paper).split())


def refused(office: Office, form: Form, user: str, identity: str, error: type[Exception]) -> None:
    with office.ledger.read() as connection, pytest.raises(error):
        form(connection, user, identity)


def explained(office: Office, user: str = "op1") -> str:
    check = office.check(user)
    checking.acknowledge(office.ledger, user, check)
    checking.explain(office.ledger, user, check, "the claim form of 3 November & <b>a letter</b>")
    return check


def test_last_1_says_whose_access_it_was_and_which_papers_there_were(office: Office) -> None:
    check = office.check("op1")
    refused(office, last_forms.last_1, "op1", check, CheckMisplaced)
    check = explained(office, "op2")
    for user in ("op2", "co1", "sup1", "aud1"):
        said = printed(office, last_forms.last_1, user, check)
        for words in ("(LAST 1)", "op2, Name of op2", "Unit of op2", CASE, check, "3 November & <b>a letter</b>"):
            assert words in said, words
    for user in ("op1", "sp1", "adm1", "nobody"):
        refused(office, last_forms.last_1, user, check, NotFound)


def test_last_3_is_there_once_the_evidence_does_not_support_it_and_not_for_whom_it_is_about(office: Office) -> None:
    supported, check = explained(office, "op2"), explained(office, "op1")
    checking.decide(office.ledger, "co1", supported, supported=True, finding="the form is on file")
    refused(office, last_forms.last_3, "co1", supported, CheckMisplaced)
    refused(office, last_forms.last_3, "co1", check, CheckMisplaced)
    _, incident = checking.decide(office.ledger, "co1", check, supported=False, finding="no such letter is on file")
    assert incident is not None
    for user in ("co1", "sup1", "aud1"):
        said = printed(office, last_forms.last_3, user, check)
        for words in ("(LAST 3)", "op1, Name of op1", CASE, "no such letter is on file", "By co1", incident.id):
            assert words in said, words
    for user in ("op1", "op2", "sp1", "adm1", "nobody"):
        refused(office, last_forms.last_3, user, check, RightMissing)
    own = explained(office, "both")
    checking.decide(office.ledger, "co1", own, supported=False, finding="nothing is on file")
    roster.resume(office.ledger, "both", WHO)
    refused(office, last_forms.last_3, "both", own, OwnCheck)


def test_last_4_has_every_line_of_the_trail_and_the_outcome(office: Office) -> None:
    opened = open_incident(office.ledger, "sup1", IncidentKind.LOSS, "a medium is missing", about="both")
    add_entry(office.ledger, "co1", opened.id, "asked the courier")
    said = printed(office, last_forms.last_4, "co1", opened.id)
    for words in ("(LAST 4)", opened.id, "About: both", "a medium is missing", "co1: asked the courier", "It is open."):
        assert words in said, words
    closed = close(office.ledger, "sup1", opened.id, IncidentOutcome.MISTAKE, "it lay in the safe", central=True)
    assert closed.closed is not None
    said = printed(office, last_forms.last_4, "sup1", opened.id)
    for words in (f"mistake, by sup1, {to_text(closed.closed)}", "it lay in the safe", "Reported centrally"):
        assert words in said, words
    refused(office, last_forms.last_4, "op1", opened.id, RightMissing)
    roster.resume(office.ledger, "both", WHO)
    refused(office, last_forms.last_4, "both", opened.id, OwnCheck)


def test_what_is_erased_is_on_no_paper(office: Office) -> None:
    check = explained(office, "op2")
    opened = open_incident(office.ledger, "sup1", IncidentKind.LOSS, "a medium is missing")
    with office.ledger.write() as transaction:
        for table, identity in ((CHECKS, check), (INCIDENTS, opened.id)):
            transaction.connection.execute(update(table).where(table.c.id == identity).values(salt=f"{ERASED}0"))
    refused(office, last_forms.last_1, "op2", check, NotFound)
    refused(office, last_forms.last_4, "sup1", opened.id, NotFound)
