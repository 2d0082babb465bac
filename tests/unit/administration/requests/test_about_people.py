"""Two administrators decide about somebody else, never about themselves, whatever happens in between; and links come of it once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import pyotp
import pytest

from gateway.administration.credentials import links
from gateway.administration.credentials.rows import Credential
from gateway.administration.people import roster
from gateway.administration.requests import about_people, asking
from gateway.administration.requests.about_people import Answered
from gateway.domain.decision import Decision
from gateway.domain.people import Person, PersonRole, PersonState, read_roles, roles_text
from gateway.domain.requests import Act, RequestState
from gateway.errors import ImpossibleMove, LinkRefused, Misuse, RightMissing, RolesApart, TrainingMissing, UsageWrong
from gateway.ledger import people, proposals, requests
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.settings.model import Settings
from tests.fakes.credentials import Desk
from tests.fakes.credentials import desk as made
from tests.fakes.staff import hire

WHY: Final = "the duties change"
SETTINGS: Final = cast("Settings", SimpleNamespace())
"""What takes two people wakes nobody, so nothing is read of them."""
ADMINISTRATORS: Final = ("adm1", "adm2", "adm3")
OPERATOR, SUPERVISOR, AUDITOR = PersonRole.OPERATOR, PersonRole.SUPERVISOR, PersonRole.AUDITOR


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with made(tmp_path) as opened:
        hire(opened.context.ledger, *ADMINISTRATORS, role=PersonRole.ADMINISTRATOR)
        hire(opened.context.ledger, "hb1", role=OPERATOR)
        hire(opened.context.ledger, "sup1")
        yield opened
        with opened.context.ledger.read() as connection:
            assert list(check_chain(connection)) == list(check_rows(connection)) == []


def ask(desk: Desk, roles: set[PersonRole], user: str = "hb1", actor: str = "adm1") -> str:
    return about_people.ask_for_roles(SETTINGS, desk.context.ledger, user, roles, actor, WHY)


def agree(desk: Desk, identity: str, user: str = "adm2") -> Answered:
    return about_people.agree(desk.context, identity, user, "I asked the manager")


def person(desk: Desk, user: str = "hb1") -> Person:
    with desk.context.ledger.read() as connection:
        return roster.find(connection, user)


def state(desk: Desk, identity: str) -> RequestState:
    with desk.context.ledger.read() as connection:
        return requests.find(connection, identity).state


def test_roles_change_when_another_administrator_agrees_and_both_are_in_the_chain(desk: Desk) -> None:
    identity = ask(desk, {SUPERVISOR, AUDITOR})
    assert person(desk).roles == {OPERATOR}, "nothing is done yet"
    done = agree(desk, identity).request
    assert (done.state, done.unit, done.became) == (RequestState.DONE, "hb1", "supervisor auditor")
    assert person(desk).roles == {SUPERVISOR, AUDITOR}
    ((_, subject, detail),) = desk.told("person.changed")
    assert (subject, detail["actor"], detail["second"]) == ("hb1", "adm1", "adm2")
    assert [event for event, *_ in desk.told("request.proposed", "request.agreed", "decision.refused")] == [
        "request.proposed",
        "request.agreed",
    ]


def test_nobody_asks_or_agrees_about_themselves(desk: Desk) -> None:
    with pytest.raises(RightMissing, match="themselves"):
        ask(desk, set(), "adm1", "adm1")
    about = ask(desk, set(), "adm2", "adm1")
    with pytest.raises(RightMissing, match="themselves"):
        agree(desk, about, "adm2")
    with pytest.raises(RightMissing, match="themselves"):
        asking.decline(desk.context.ledger, about, "adm2", "I stay")
    with pytest.raises(UsageWrong, match="asked for it yourself"):
        agree(desk, about, "adm1")
    assert state(desk, about) == RequestState.PROPOSED
    assert agree(desk, about, "adm3").request.state == RequestState.DONE
    with pytest.raises(RightMissing):
        ask(desk, {SUPERVISOR}, actor="adm2")


@pytest.mark.parametrize("act", about_people.ACTS)
def test_ledger_itself_refuses_who_decides_about_themselves(desk: Desk, act: Act) -> None:
    """The table's own constraint, for whoever writes past the module."""
    ledger = desk.context.ledger
    with ledger.write() as transaction:
        asked = requests.ask(transaction, "r1", act, "hb1", "adm1", WHY, argument="none")
    with pytest.raises(ImpossibleMove), ledger.write() as transaction:
        transaction.connection.exec_driver_sql("UPDATE requests SET actor = 'hb1'")
    with pytest.raises(ImpossibleMove), ledger.write() as transaction:
        transaction.connection.exec_driver_sql("UPDATE requests SET decider = 'hb1', state = 'asked'")
    with ledger.write() as transaction:
        proposals.withdraw(transaction, asked.id, Decision("adm1", WHY))


@pytest.mark.parametrize("user", ["hb1", "sup1", "nobody"])
def test_who_is_no_administrator_neither_asks_nor_agrees(desk: Desk, user: str) -> None:
    with pytest.raises(RightMissing):
        ask(desk, set(), "sup1" if user == "hb1" else "hb1", user)
    identity = ask(desk, {SUPERVISOR})
    with pytest.raises(RightMissing):
        agree(desk, identity, user)
    assert state(desk, identity) == RequestState.PROPOSED


def test_what_no_person_may_be_cannot_be_asked_for(desk: Desk) -> None:
    with pytest.raises(RolesApart):
        ask(desk, {PersonRole.ADMINISTRATOR, OPERATOR})
    with pytest.raises(UsageWrong, match="just these roles"):
        ask(desk, {OPERATOR})
    with desk.context.ledger.write() as transaction:
        people.add(transaction, "hb2", "Invented", "Benefits", (), None, None, Decision("adm1", WHY))
    with pytest.raises(TrainingMissing):
        ask(desk, {OPERATOR}, "hb2")


def test_asker_who_lost_the_right_meanwhile_refuses_the_request_with_an_answer(desk: Desk) -> None:
    identity = ask(desk, {SUPERVISOR})
    roster.suspend(desk.context.ledger, "adm1", Decision("adm3", "incident"))
    refused = agree(desk, identity).request
    assert (refused.state, refused.code, refused.decider) == (RequestState.REFUSED, "right-missing", "adm2")
    assert person(desk).roles == {OPERATOR}
    ((_, subject, detail),) = desk.told("decision.refused")
    assert (subject, detail["act"], detail["second"]) == ("hb1", "change-roles", "adm2")


def test_somebody_who_left_meanwhile_gets_no_role(desk: Desk) -> None:
    identity = ask(desk, {SUPERVISOR})
    roster.remove(desk.context.ledger, "hb1", Decision("adm3", "leaves"))
    assert agree(desk, identity).request.state == RequestState.REFUSED
    assert person(desk).roles == frozenset()


def test_suspended_person_resumes_by_two(desk: Desk) -> None:
    ledger = desk.context.ledger
    with pytest.raises(UsageWrong, match="not suspended"):
        about_people.ask_to_resume(SETTINGS, ledger, "hb1", "adm1", WHY)
    roster.suspend(ledger, "hb1", Decision("adm1", "incident"))
    identity = about_people.ask_to_resume(SETTINGS, ledger, "hb1", "adm1", WHY)
    assert person(desk).state is PersonState.SUSPENDED
    assert agree(desk, identity).request.became == "active"
    assert person(desk).state is PersonState.ACTIVE


def test_link_of_who_has_a_role_takes_two_and_of_who_has_none_one(desk: Desk) -> None:
    with pytest.raises(UsageWrong, match="takes two people"):
        about_people.issue_link(desk.context, "hb1", "adm1", WHY)
    identity = about_people.ask_for_link(SETTINGS, desk.context.ledger, "hb1", "adm1", WHY)
    assert desk.told("link.issued") == []
    answered = agree(desk, identity)
    assert answered.link is not None
    assert links.start(desk.context, answered.link.rpartition("/")[2]).person.user == "hb1"
    assert answered.request.state == RequestState.DONE
    ((_, _, detail),) = desk.told("link.issued")
    assert (detail["actor"], detail["second"]) == ("adm1", "adm2")
    with desk.context.ledger.write() as transaction:
        people.add(transaction, "hb2", "Invented", "Benefits", (), None, None, Decision("adm1", WHY))
    alone = about_people.issue_link(desk.context, "hb2", "adm1", WHY).rpartition("/")[2]
    assert links.start(desk.context, alone).person.user == "hb2"
    agree(desk, ask(desk, {AUDITOR}, "hb2"))
    with pytest.raises(LinkRefused):
        links.start(desk.context, alone)


def test_what_somebody_set_by_the_link_of_one_administrator_ends_with_the_first_role(desk: Desk) -> None:
    with desk.context.ledger.write() as transaction:
        people.add(transaction, "hb2", "Invented", "Benefits", (), "2026-01-05", "2026-01-06", Decision("adm1", WHY))
    used_by_the_asker(desk, "hb2")
    agree(desk, ask(desk, {AUDITOR}, "hb2"))
    assert credentials_of(desk, "hb2") is None
    used_by_the_asker(
        desk, "hb2", agree(desk, about_people.ask_for_link(SETTINGS, desk.context.ledger, "hb2", "adm1", WHY)).link
    )
    agree(desk, ask(desk, {SUPERVISOR}, "hb2"))
    assert credentials_of(desk, "hb2") is not None, "two gave that one"


def used_by_the_asker(desk: Desk, user: str, link: str | None = None) -> None:
    """Whoever has the link sets the password."""
    token = (link or about_people.issue_link(desk.context, user, "adm1", WHY)).rpartition("/")[2]
    code = pyotp.TOTP(links.start(desk.context, token).secret).at(int(desk.context.clock()))
    links.use(desk.context, token, "violet harbour seventeen", code)
    assert credentials_of(desk, user) is not None


def credentials_of(desk: Desk, user: str) -> Credential | None:
    with desk.context.store.read() as records:
        return records.credential(user)


def test_link_that_is_refused_is_none(desk: Desk) -> None:
    identity = about_people.ask_for_link(SETTINGS, desk.context.ledger, "hb1", "adm1", WHY)
    roster.suspend(desk.context.ledger, "hb1", Decision("adm3", "incident"))
    answered = agree(desk, identity)
    assert (answered.link, answered.request.state) == (None, RequestState.REFUSED)
    assert desk.told("link.issued") == []


def test_people_requests_are_not_agreed_to_where_a_role_would_have_to_do_them(desk: Desk) -> None:
    identity = ask(desk, {SUPERVISOR})
    with pytest.raises(UsageWrong, match="in the console"):
        asking.agree(SETTINGS, desk.context.ledger, identity, "adm2", "seen the papers")


def test_what_nobody_decides_lapses(desk: Desk) -> None:
    identity = ask(desk, {SUPERVISOR})
    assert asking.lapse(desk.context.settings, desk.context.ledger) == 0
    desk.now += desk.context.settings.proposal_days * 86_400.0 + 1
    with pytest.raises(UsageWrong, match="over its time"):
        agree(desk, identity)
    assert asking.lapse(desk.context.settings, desk.context.ledger) == 1
    assert state(desk, identity) == RequestState.LAPSED


def test_of_any_who_decide_at_once_one_does(desk: Desk) -> None:
    """Two agree and one withdraws: the roles change once with two names, or not at all."""
    for number in range(6):
        before = person(desk).roles
        wanted = {OPERATOR} if before == {SUPERVISOR} else {SUPERVISOR}
        identity = ask(desk, wanted)
        said: list[Any] = []

        def attempt(act: Any, said: list[Any] = said) -> None:
            try:
                said.append(act())
            except Misuse as error:
                said.append(error)

        ledger = desk.context.ledger
        acts = [
            lambda identity=identity: agree(desk, identity, "adm2"),
            lambda identity=identity: agree(desk, identity, "adm3"),
            lambda identity=identity, ledger=ledger: asking.withdraw(ledger, identity, "adm1", "a mistake"),
        ]
        threads = [threading.Thread(target=attempt, args=(act,)) for act in acts[number % 3 :] + acts[: number % 3]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(not isinstance(each, Misuse) for each in said) == 1, said
        ended = state(desk, identity)
        assert person(desk).roles == (wanted if ended is RequestState.DONE else before)


@pytest.mark.parametrize("roles", [set(), {OPERATOR}, {AUDITOR, OPERATOR, SUPERVISOR}, set(PersonRole)])
def test_roles_are_read_as_they_were_written(roles: set[PersonRole]) -> None:
    assert read_roles(roles_text(roles)) == roles


@pytest.mark.parametrize("text", ["", "king", "operator  auditor", "none operator"])
def test_no_list_of_roles_is_none(text: str) -> None:
    with pytest.raises(UsageWrong):
        read_roles(text)
