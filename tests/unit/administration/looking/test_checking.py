"""Nobody looks without a line in the log, nobody goes on before acknowledging a check, nobody decides an own one: in any order of acts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from gateway.administration.looking import checking, opening
from gateway.administration.looking.opening import QUARANTINE, Wanted, open_payload
from gateway.administration.people import roster
from gateway.domain.checks import CaseFacts, CheckState, Criterion, Quarter, Sample, quarter_of
from gateway.domain.people import PersonState
from gateway.errors import (
    CheckMisplaced,
    CheckOutstanding,
    ImpossibleMove,
    NotFound,
    OwnCheck,
    PersonUnknown,
    RightMissing,
    UsageWrong,
)
from gateway.ledger.check_units import Check
from gateway.ledger.queries.checks import every_check, find_check, openings
from gateway.ledger.queries.events import events_of
from gateway.ledger.queries.people import find_person
from gateway.ledger.tables import CHECKS
from gateway.settings.checks import ChecksSettings
from tests.unit.administration.looking.conftest import CASE, SENSITIVE, STAFF, WHO, Office


def test_an_opening_is_a_line_of_the_log_before_anything_is_shown(office: Office) -> None:
    found = office.open("op1", reason="telephone  call\nof the claimant")
    assert found.check is None
    assert found.opening.reason == "telephone call of the claimant"
    assert (found.opening.user, found.opening.unit, found.opening.system) == ("op1", office.claim, "console")
    assert found.opening.case_reference == CASE
    with office.ledger.read() as connection:
        assert openings(connection, unit=office.claim) == [found.opening]
        assert opening.opened_by(connection, found.opening.id, "op1") == found.opening
        with pytest.raises(NotFound):
            opening.opened_by(connection, found.opening.id, "op2")


def test_without_a_case_the_transfers_reference_or_its_id_stands_in(office: Office) -> None:
    assert office.open("op1", case=None).opening.case_reference == office.claim


@pytest.mark.parametrize("user", ["sp1", "adm1", "aud1", "nobody"])
def test_who_may_not_open_payloads_leaves_no_line(office: Office, user: str) -> None:
    with pytest.raises(RightMissing):
        office.open(user)
    with office.ledger.read() as connection:
        assert openings(connection) == []


@pytest.mark.parametrize("reason", ["", "  ", "a", "x" * 3000, "bell \a here"])
def test_a_reason_is_needed(office: Office, reason: str) -> None:
    with pytest.raises(UsageWrong, match="reason"):
        office.open("op1", reason=reason)


@pytest.mark.parametrize(("kind", "unit"), [("transfer", "01"), ("transfer", "../x"), (QUARANTINE, ""), ("lane", "")])
def test_what_is_opened_is_there(office: Office, kind: str, unit: str) -> None:
    wanted = Wanted(kind, unit or office.claim, "reason")
    with pytest.raises((NotFound, UsageWrong)):
        open_payload(office.settings, office.ledger, "sup1", wanted, ())


@pytest.mark.parametrize("user", ["op1", "both", "co1", "sp1", "adm1", "aud1"])
def test_only_a_supervisor_opens_what_is_in_quarantine(office: Office, user: str) -> None:
    with pytest.raises(RightMissing):
        open_payload(office.settings, office.ledger, user, Wanted(QUARANTINE, office.claim, "reason"), ())


def test_the_banner_follows_until_it_is_acknowledged_and_nothing_is_opened_before(office: Office) -> None:
    check = office.check("op1")
    with office.ledger.read() as connection:
        banner = opening.must_acknowledge(connection, "op1")
        assert banner is not None
        assert banner.id == check
        assert opening.must_acknowledge(connection, "op2") is None
    with pytest.raises(CheckOutstanding):
        office.open("op1")
    office.open("op2")
    with pytest.raises(OwnCheck):
        checking.acknowledge(office.ledger, "op2", check)
    checking.acknowledge(office.ledger, "op1", check)
    with office.ledger.read() as connection:
        assert opening.must_acknowledge(connection, "op1") is None
    office.open("op1")


def test_asking_for_the_banner_uses_the_small_index(office: Office) -> None:
    """Every page asks."""
    with office.ledger.read() as connection:
        seen: list[Any] = []
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(seen.append)
        opening.must_acknowledge(connection, "op1")
        driver.set_trace_callback(None)
        (plan,) = driver.execute(f"EXPLAIN QUERY PLAN {seen[-1]}").fetchall()
    assert "checks_to_acknowledge" in plan[3]


def test_the_way_of_a_check_that_the_papers_support(office: Office) -> None:
    check = office.check("op1")
    checking.acknowledge(office.ledger, "op1", check)
    checking.explain(office.ledger, "op1", check, "claim form of the 3rd")
    decided, incident = checking.decide(office.ledger, "co1", check, supported=True, finding="form seen")
    assert incident is None
    assert (decided.state, decided.decided_by, decided.supported) == (CheckState.DECIDED, "co1", True)
    with office.ledger.read() as connection:
        person = find_person(connection, "op1")
        assert person is not None
        assert person.state is PersonState.ACTIVE
        said = [event.event for event in events_of(connection, [check])]
    assert said == ["check.drawn", "check.acknowledged", "check.explained", "check.decided"]


def test_a_check_that_the_papers_do_not_support_is_an_incident_and_suspends_in_the_same_moment(office: Office) -> None:
    check = office.check("op1")
    checking.acknowledge(office.ledger, "op1", check)
    checking.explain(office.ledger, "op1", check, "cannot find them")
    _, incident = checking.decide(office.ledger, "co1", check, supported=False, finding="no papers at all")
    assert incident is not None
    assert (incident.user, incident.check_id, incident.opened_by) == ("op1", check, "co1")
    with pytest.raises(RightMissing):
        office.open("op1")


def test_whoever_cannot_explain_any_more_is_decided_without(office: Office) -> None:
    check = office.check("op1")
    with pytest.raises(CheckMisplaced):
        checking.decide(office.ledger, "co1", check, supported=True, finding="nothing said yet")
    roster.suspend(office.ledger, "op1", WHO)
    decided, _ = checking.decide(office.ledger, "co1", check, supported=True, finding="left; papers found")
    assert decided.acknowledged is None


@pytest.mark.parametrize("user", ["op2", "sup1", "adm1", "aud1", "sp1", "nobody"])
def test_only_a_checking_officer_decides(office: Office, user: str) -> None:
    check = office.check("op1")
    checking.acknowledge(office.ledger, "op1", check)
    checking.explain(office.ledger, "op1", check, "claim form")
    with pytest.raises(RightMissing):
        checking.decide(office.ledger, user, check, supported=True, finding="looks fine")


def test_a_third_validates_once(office: Office) -> None:
    check = office.check("both")
    checking.acknowledge(office.ledger, "both", check)
    checking.explain(office.ledger, "both", check, "claim form")
    checking.decide(office.ledger, "co1", check, supported=True, finding="form seen")
    for user in ("both", "co1"):
        with pytest.raises(OwnCheck):
            checking.validate(office.ledger, user, check, agreed=True, remark="seen")
    validated = checking.validate(office.ledger, "sup1", check, agreed=True, remark="seen")
    assert (validated.validated_by, validated.agreed, validated.supported) == ("sup1", True, True)
    with pytest.raises(CheckMisplaced):
        checking.validate(office.ledger, "sup1", check, agreed=False, remark="second thoughts")


def test_who_sees_which_checks(office: Office) -> None:
    mine, theirs = office.check("both"), office.check("op1")
    with office.ledger.read() as connection:
        assert [each.id for each in checking.outstanding(connection, "op1")] == [theirs]
        assert [each.id for each in checking.outstanding(connection, "co1")] == [mine, theirs]
        assert [each.id for each in checking.to_decide(connection, "both")] == [theirs]
        assert [each.id for each in checking.listed(connection)] == [mine, theirs]
        assert [each.user for each in opening.access_log(connection, "op1", of="op1")] == ["op1"]
        (last, first) = opening.access_log(connection, "aud1")
        assert opening.access_log(connection, "aud1", before=last.key) == [first]
        with pytest.raises(RightMissing):
            opening.access_log(connection, "op1")


def test_nothing_personal_is_in_an_event(office: Office) -> None:
    check = office.check("op1")
    checking.acknowledge(office.ledger, "op1", check)
    checking.explain(office.ledger, "op1", check, "Qexplains")
    checking.decide(office.ledger, "co1", check, supported=False, finding="Qfinds")
    with office.ledger.read() as connection:
        details = " ".join(
            row[0]
            for row in connection.exec_driver_sql(
                "SELECT detail FROM events WHERE kind IN ('opening', 'check', 'incident')"
            )
        )
    for word in (CASE, "Qexplains", "Qfinds", "Name of op1", "Unit of op1", "claim form", "sensitive"):
        assert word not in details


# -- in any order


def test_no_order_of_acts_skips_a_step_or_lets_somebody_decide_an_own_check(office: Office) -> None:
    """700 acts of everybody on everything, whoever may and whoever may not; the whole of it is looked at after each."""
    drawn = random.Random("any order")
    users = [*STAFF, "nobody", *["both", "co1"] * 3]

    def some_check(user: str) -> str:
        with office.ledger.read() as connection:
            found = every_check(connection)
        own = [each for each in found if each.user == user and each.state is not CheckState.DECIDED]
        return drawn.choice([each.id for each in (own if own and drawn.random() < 0.6 else found)] or ["none"])

    def resume(_user: str) -> None:
        with office.ledger.read() as connection:
            away = [user for user in STAFF if _state(connection, user) is PersonState.SUSPENDED]
        for user in away:
            roster.resume(office.ledger, user, WHO)

    acts: list[tuple[int, Callable[[str], object]]] = [
        (2, lambda user: office.open(user, SENSITIVE if drawn.random() < 0.8 else ())),
        (4, lambda user: checking.acknowledge(office.ledger, user, some_check(user))),
        (4, lambda user: checking.explain(office.ledger, user, some_check(user), "papers")),
        (6, lambda user: _decide(office, user, some_check(user), drawn)),
        (3, lambda user: checking.validate(office.ledger, user, some_check(user), agreed=True, remark="seen")),
        (1, lambda user: roster.suspend(office.ledger, user, WHO)),
        (2, resume),
    ]
    done = 0
    for _ in range(700):
        user = drawn.choice(users)
        (act,) = drawn.choices([each for _, each in acts], [weight for weight, _ in acts])
        with office.ledger.read() as connection:
            before = {each.id: each for each in every_check(connection, most=5000)}
            waits = opening.must_acknowledge(connection, user)
            active = {each: _state(connection, each) is PersonState.ACTIVE for each in STAFF}
        try:
            act(user)
            done += 1
        except (RightMissing, CheckOutstanding, CheckMisplaced, OwnCheck, NotFound, PersonUnknown, UsageWrong):
            pass  # never ImpossibleMove: the domain refuses it before the ledger has to
        with office.ledger.read() as connection:
            after = every_check(connection, most=5000)
        for each in after:
            _is_lawful(each, before.get(each.id), user, waits, active)
    assert done > 100
    with office.ledger.read() as connection:
        found = every_check(connection, most=5000)
    assert {each.state for each in found} == {*CheckState}, done
    assert any(each.user == "both" and each.decided_by for each in found)
    assert any(each.decided_by == "both" for each in found)
    assert any(each.validated_by for each in found)


def _is_lawful(check: Check, before: Check | None, user: str, waits: Check | None, active: dict[str, bool]) -> None:
    if before is None:
        assert (check.user, check.state, waits) == (user, CheckState.DRAWN, None)
        return
    if check == before:
        return
    order = [*CheckState]
    own = check.user == user
    moved = order.index(check.state) - order.index(before.state)
    if check.state in (CheckState.ACKNOWLEDGED, CheckState.EXPLAINED):
        assert own
        assert moved == 1
    elif before.state is CheckState.DECIDED:
        assert moved == 0
        assert check.validated_by == user
        assert user not in (check.user, check.decided_by)
    else:
        assert not own
        assert check.decided_by == user
        assert moved == 1 or not active[check.user]


def _decide(office: Office, user: str, check: str, drawn: random.Random) -> object:
    return checking.decide(office.ledger, user, check, supported=drawn.random() < 0.8, finding="looked at")


def _state(connection: Any, user: str) -> PersonState | None:
    person = find_person(connection, user)
    return None if person is None else person.state


@pytest.mark.parametrize(
    "values",
    [
        {"state": "decided", "decided": 1.0, "decided_by": "op1", "supported": True},
        {"state": "decided"},
        {"state": "acknowledged"},
        {"state": "explained", "explained": 1.0},
        {"state": "settled"},
        {"validated_by": "co1", "validated": 1.0},
    ],
)
def test_the_ledger_itself_refuses_what_must_not_be(office: Office, values: dict[str, Any]) -> None:
    check = office.check("op1")
    with pytest.raises(ImpossibleMove), office.ledger.write() as transaction:
        transaction.connection.execute(update(CHECKS).where(CHECKS.c.id == check).values(**values))
    with office.ledger.read() as connection:
        assert find_check(connection, check).state is CheckState.DRAWN


def test_an_opening_draws_one_check(office: Office) -> None:
    check = office.check("op1")
    with office.ledger.read() as connection:
        row = find_check(connection, check)._asdict() | {"id": "another", "key": None}
    with pytest.raises(ImpossibleMove), office.ledger.write() as transaction:
        transaction.connection.execute(insert(CHECKS).values(row))


# -- how many


def test_openings_of_ordinary_cases_are_checked_at_the_rate_of_the_site(office: Office) -> None:
    office.settings = replace(office.settings, checks=ChecksSettings(random_percent=25.0))
    found = [check for _ in range(60) if (check := _opened_and_acknowledged(office)) is not None]
    assert 6 <= len(found) <= 26
    assert {check.criterion for check in found} == {Criterion.RANDOM}


def _opened_and_acknowledged(office: Office) -> Check | None:
    check = office.open("op1", [CaseFacts()]).check
    return None if check is None else checking.acknowledge(office.ledger, "op1", check.id)


def test_the_sample_of_a_quarter_is_chosen_by_the_chain_once_it_has_ended(office: Office) -> None:
    ids = []
    for _ in range(30):
        check = office.check("op1")
        checking.acknowledge(office.ledger, "op1", check)
        checking.explain(office.ledger, "op1", check, "claim form")
        checking.decide(office.ledger, "co1", check, supported=True, finding="form seen")
        ids.append(check)
    office.check("op1")
    quarter = quarter_of(office.now)
    settings = ChecksSettings()

    def sampled(which: Sample, now: float, of: Quarter = quarter) -> list[str]:
        with office.ledger.read() as connection:
            return [each.id for each in checking.sample(connection, settings, of, which, now).chosen]

    with pytest.raises(UsageWrong, match="has not ended"):
        sampled(Sample.SUPPORT, office.now)
    later = quarter.following.start
    first = sampled(Sample.SUPPORT, later)
    assert len(first) == 3
    assert set(first) < set(ids)
    assert len(sampled(Sample.VALIDATION, later)) == 1
    office.now = later + 86_400.0 * 40
    assert datetime.fromtimestamp(office.now, UTC).month not in (10, 11, 12)
    for _ in range(3):
        office.open("op2")
    assert sampled(Sample.SUPPORT, office.now) == first, "what comes later changes nothing"
    assert sampled(Sample.SUPPORT, later, quarter.before) == []
