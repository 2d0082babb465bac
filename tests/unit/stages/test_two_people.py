"""What takes two people is done by two different people who both may at that moment, in whatever order things happen; or it is not done."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.administration.requests import asking
from gateway.administration.views import requests as views
from gateway.administration.views.words import describe
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole, PersonState, Right, may
from gateway.domain.requests import OPEN, Act, RequestState
from gateway.domain.retention import CLOCK, Kind, Rule
from gateway.domain.states import State
from gateway.errors import GatewayError, ImpossibleMove, NotFound, RightMissing, UsageWrong
from gateway.ledger import people, proposals, requests, retention
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import events, overview
from gateway.ledger.queries.people import find_person
from gateway.ledger.queries.waiting import due_now
from gateway.ledger.store import Ledger
from gateway.ledger.units import Request
from gateway.stages.request_answers import decide
from gateway.stages.timers.requests import INSPECT_ACTS, Requests
from tests.fakes.staff import ADMINISTRATOR, hire
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

REASON: Final = "checked with the partner by telephone"
DAY: Final = 86_400.0
STAFF: Final = ("hb1001", "hb1002", "hb1003")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        hire(made.dwp.ledger, *STAFF)
        hire(made.dwp.ledger, "hb2001", role=PersonRole.OPERATOR)
        yield made


@pytest.fixture
def dwp(pair: Pair) -> Bench:
    return pair.dwp


def held(bench: Bench, name: str = "a.xml") -> str:
    """A transfer that somebody at the machine holds."""
    transfer = bench.submit(name, f"claim {name}".encode())
    decide(bench.context, Act.HOLD, transfer, Decision("root", "before the test"))
    return transfer


def propose(bench: Bench, act: Act, subject: str, user: str = "hb1001") -> str:
    return asking.ask(bench.settings, bench.ledger, act, subject, user, REASON)


def agree(bench: Bench, identity: str, user: str = "hb1002", ledger: Ledger | None = None) -> Request:
    return asking.agree(bench.settings, ledger or bench.ledger, identity, user, "seen the papers")


def step(bench: Bench) -> int:
    return Requests(bench.context, "requests", INSPECT_ACTS).step().done


def found(bench: Bench, identity: str) -> Request:
    with bench.ledger.read() as connection:
        assert list(check_chain(connection)) == list(check_rows(connection)) == []
        return requests.find(connection, identity)


def state(bench: Bench, transfer: str) -> State:
    with bench.ledger.read() as connection:
        return next(row.state for row in overview.transfers(connection) if row.id == transfer)


def said(bench: Bench, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    """Events about things of these kinds, with their details and reasons."""
    with bench.ledger.read() as connection:
        chosen = [each for each in events.chain(connection) if each.kind in kinds]
        reasons = events.reasons_of(connection, chosen)
    told = []
    for each in chosen:
        detail = {key: value for key, value in json.loads(each.detail).items() if key != "reason_sha256"}
        told.append((each.event, detail | ({"why": reasons[each.sequence]} if each.sequence in reasons else {})))
    return told


def leave(bench: Bench, user: str, change: Callable[..., object]) -> None:
    with bench.ledger.write() as transaction:
        change(transaction, user, ADMINISTRATOR)


def test_one_asks_another_agrees_and_both_are_in_the_chain(dwp: Bench) -> None:
    transfer = held(dwp)
    identity = propose(dwp, Act.RELEASE, transfer)
    assert (found(dwp, identity).state, step(dwp), state(dwp, transfer)) == (RequestState.PROPOSED, 0, State.HELD)
    with dwp.ledger.read() as connection:
        assert due_now(connection, dwp.now) == 0, "what waits for a person is no work for a role"
    agreed = agree(dwp, identity)
    assert (agreed.state, agreed.decider, agreed.decider_reason) == (RequestState.ASKED, "hb1002", "seen the papers")
    assert agreed.decided == agreed.updated
    assert step(dwp) == 1
    done = found(dwp, identity)
    assert (done.state, done.unit, done.became) == (RequestState.DONE, transfer, "admitted")
    assert state(dwp, transfer) == State.ADMITTED
    assert said(dwp, "request") == [
        ("request.proposed", {"act": "release", "actor": "hb1001", "why": REASON}),
        ("request.agreed", {"act": "release", "actor": "hb1002", "why": "seen the papers"}),
    ]
    name, detail = said(dwp, "transfer")[-1]
    assert (name, detail["actor"], detail["second"], detail["why"]) == ("transfer.released", "hb1001", "hb1002", REASON)
    assert "by hb1001 and hb1002" in describe(name, detail)


def test_what_takes_one_person_waits_for_nobody(dwp: Bench) -> None:
    transfer = dwp.submit("a.xml", b"claim a")
    identity = propose(dwp, Act.HOLD, transfer, "hb2001")
    assert step(dwp) == 1
    assert (found(dwp, identity).state, state(dwp, transfer)) == (RequestState.DONE, State.HELD)
    assert "second" not in said(dwp, "transfer")[-1][1]


def test_a_command_on_the_machine_asks_nobody_else(dwp: Bench) -> None:
    transfer = held(dwp)
    decide(dwp.context, Act.RELEASE, transfer, Decision("root", "nobody else is here"))
    assert state(dwp, transfer) == State.ADMITTED
    with dwp.ledger.read() as connection:
        rows = views.listed(dwp.settings, connection, 10).rows
    assert [(each.act, each.people, each.decider) for each in rows] == [("release", None, None), ("hold", None, None)]


@pytest.mark.parametrize("decided", [asking.decline, asking.withdraw])
def test_what_was_declined_or_withdrawn_is_over(dwp: Bench, decided: Callable[..., Request]) -> None:
    transfer = held(dwp)
    identity = propose(dwp, Act.RELEASE, transfer)
    user = "hb1002" if decided is asking.decline else "hb1001"
    ended = decided(dwp.ledger, identity, user, "it was the wrong file")
    event = f"request.{ended.state}"
    assert said(dwp, "request")[-1] == (event, {"act": "release", "actor": user, "why": "it was the wrong file"})
    attempts: list[Callable[[], object]] = [
        lambda: agree(dwp, identity, "hb1003"),
        lambda: asking.decline(dwp.ledger, identity, "hb1003", "not again"),
        lambda: asking.withdraw(dwp.ledger, identity, "hb1001", "not again"),
    ]
    for again in attempts:
        with pytest.raises(UsageWrong, match=str(ended.state)):
            again()
    assert (step(dwp), state(dwp, transfer), found(dwp, identity)) == (0, State.HELD, ended)


def test_nobody_is_a_second_person_to_oneself(dwp: Bench) -> None:
    identity = propose(dwp, Act.RELEASE, held(dwp))
    attempts: list[Callable[[], object]] = [
        lambda: agree(dwp, identity, "hb1001"),
        lambda: asking.decline(dwp.ledger, identity, "hb1001", "no!"),
    ]
    for attempt in attempts:
        with pytest.raises(UsageWrong, match="yourself"):
            attempt()
    with pytest.raises(UsageWrong, match="hb1001 asked"):
        asking.withdraw(dwp.ledger, identity, "hb1002", "no!")
    assert found(dwp, identity).state is RequestState.PROPOSED


@pytest.mark.parametrize(
    "change",
    ["decider = actor, state = 'asked'", "state = 'asked'", "state = 'done'", "state = 'done', decider = 'hb1001'"],
)
def test_the_database_itself_refuses_one_person_for_two(dwp: Bench, change: str) -> None:
    identity = propose(dwp, Act.RELEASE, held(dwp))
    with pytest.raises(ImpossibleMove), dwp.ledger.write() as transaction:
        transaction.connection.exec_driver_sql(f"UPDATE requests SET {change} WHERE id = ?", (identity,))  # noqa: S608
    assert found(dwp, identity).state is RequestState.PROPOSED


def test_who_lacks_the_right_neither_asks_nor_decides(dwp: Bench) -> None:
    transfer = held(dwp)
    for user in ("hb2001", "nobody"):
        with pytest.raises(RightMissing):
            propose(dwp, Act.RELEASE, transfer, user)
    identity = propose(dwp, Act.RELEASE, transfer)
    for user in ("hb2001", "nobody"):
        with pytest.raises(RightMissing):
            agree(dwp, identity, user)
        with pytest.raises(RightMissing):
            asking.decline(dwp.ledger, identity, user, "no!")
    with pytest.raises(NotFound):
        agree(dwp, "nothing")
    assert found(dwp, identity).state is RequestState.PROPOSED


def no_longer_supervisor(transaction: Any, user: str, decision: Decision) -> None:
    people.change(transaction, user, decision, roles={PersonRole.OPERATOR})


@pytest.mark.parametrize("user", ["hb1001", "hb1002"])
@pytest.mark.parametrize("change", [people.suspend, people.remove, no_longer_supervisor])
def test_who_lost_the_right_meanwhile_is_refused_when_the_role_carries_it_out(
    dwp: Bench, user: str, change: Callable[..., object]
) -> None:
    transfer = held(dwp)
    identity = propose(dwp, Act.RELEASE, transfer)
    agree(dwp, identity)
    leave(dwp, user, change)
    assert step(dwp) == 1
    refused = found(dwp, identity)
    assert (refused.state, refused.code, state(dwp, transfer)) == (RequestState.REFUSED, "right-missing", State.HELD)
    assert refused.refusal is not None
    assert user in refused.refusal
    assert refused.remedy
    name, detail = said(dwp, "transfer")[-1]
    assert (name, detail["code"], detail["actor"], detail["second"]) == (
        *("decision.refused", "right-missing"),
        *("hb1001", "hb1002"),
    )


def test_who_was_suspended_and_came_back_may_again(dwp: Bench) -> None:
    identity = propose(dwp, Act.HOLD, dwp.submit("a.xml", b"claim a"))
    leave(dwp, "hb1001", people.suspend)
    leave(dwp, "hb1001", people.resume)
    step(dwp)
    assert found(dwp, identity).state is RequestState.DONE


def test_what_somebody_asked_past_the_rules_is_refused(dwp: Bench) -> None:
    """A row that says it takes one person, or none: the act counts, not the row."""
    transfer = held(dwp)
    for takes in (1, None):
        identity = propose(dwp, Act.RELEASE, transfer)
        with dwp.ledger.write() as transaction:
            transaction.connection.exec_driver_sql(
                "UPDATE requests SET takes = ?, state = 'asked' WHERE id = ?", (takes, identity)
            )
        assert step(dwp) == 1
        assert (found(dwp, identity).code, state(dwp, transfer)) == ("right-missing", State.HELD)


def test_a_proposal_that_nobody_decides_lapses(dwp: Bench) -> None:
    transfer = held(dwp)
    identity = propose(dwp, Act.RELEASE, transfer)
    stage = Requests(dwp.context, "requests", INSPECT_ACTS)
    dwp.now += 6.9 * DAY
    assert (stage.step().done, found(dwp, identity).state) == (0, RequestState.PROPOSED)
    dwp.now += 0.2 * DAY
    with pytest.raises(UsageWrong, match="over its time"):
        agree(dwp, identity)
    assert (stage.step().done, found(dwp, identity).state) == (1, RequestState.LAPSED)
    assert said(dwp, "request")[-1] == ("request.lapsed", {"act": "release"})
    assert stage.step().done == 0
    with pytest.raises(UsageWrong, match="lapsed"):
        agree(dwp, identity)


def test_proposals_are_looked_through_once_an_hour_whatever_the_clock_does(
    dwp: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def over(*_: object) -> list[Request]:
        looks.append(1)
        return []

    monkeypatch.setattr(proposals, "over", over)
    stage = Requests(dwp.context, "requests", INSPECT_ACTS)
    for ahead in (0.0, 60.0, 3000.0, 600.0, -7 * DAY, 60.0):
        dwp.now += ahead
        stage.step()
    assert len(looks) == 3


def test_when_its_time_is_over_both_names_and_both_reasons_are_erased(dwp: Bench) -> None:
    identity, waits = propose(dwp, Act.RELEASE, held(dwp)), propose(dwp, Act.RELEASE, dwp.other)
    agree(dwp, identity)
    step(dwp)
    with dwp.ledger.write() as transaction:
        over = Rule(Kind.REQUESTS, CLOCK[Kind.REQUESTS], 18, dwp.now)
        gone, _ = retention.erase(transaction, over, None, 10)
    assert identity in {each.subject for each in gone}
    erased = found(dwp, identity)
    assert (erased.state, erased.takes, erased.actor, erased.decider) == (RequestState.DONE, 2, "", None)
    assert (erased.subject, erased.reason, erased.decider_reason) == ("", "", None)
    assert erased.decided is not None
    assert found(dwp, waits).actor == "hb1001", "what still waits is kept"


# -- what people are shown


def test_requests_are_listed_page_by_page_and_told_whole(dwp: Bench) -> None:
    transfer = held(dwp)
    proposed = [propose(dwp, Act.RELEASE, transfer) for _ in range(3)]
    agree(dwp, proposed[0])
    dwp.ledger.check()
    with dwp.ledger.read() as connection:
        first = views.listed(dwp.settings, connection, 2)
        second = views.listed(dwp.settings, connection, 2, after=first.after)
        back = views.listed(dwp.settings, connection, 2, before=second.before)
        waiting = views.listed(dwp.settings, connection, 5, states=[RequestState.PROPOSED], acts=[Act.RELEASE])
        either = views.listed(dwp.settings, connection, 5, states=OPEN)
        none = views.listed(dwp.settings, connection, 5, states=OPEN, acts=[Act.DISCARD])
        story = views.story(dwp.settings, connection, proposed[0])
        with pytest.raises(NotFound):
            views.story(dwp.settings, connection, "nothing")
    assert [each.id for each in first.rows] == proposed[:0:-1]
    assert [each.act for each in second.rows] == ["release", "hold"]
    assert (first.before, second.after) == (None, None)
    assert back == first
    assert [each.id for each in waiting.rows] == proposed[:0:-1]
    assert [each.id for each in either.rows] == proposed[::-1]
    assert none == views.RequestPage((), None, None)
    assert all(each.ends is not None for each in waiting.rows)
    assert (story.request.decider, story.request.people, story.request.ends) == ("hb1002", 2, None)
    assert [describe(each.event, each.detail) for each in story.events] == [
        f"somebody asked for what takes two people: it waits for a second person: release, by hb1001: {REASON}",
        "a second person agreed: what was asked is to be carried out: release, by hb1002: seen the papers",
    ]


# -- races: each has its own connection, as processes have


def take_back(identity: str, ledger: Ledger) -> Request:
    return asking.withdraw(ledger, identity, "hb1001", "the wrong file")


def race(bench: Bench, *acts: Callable[[Ledger], object]) -> list[object]:
    """What came of acts that begin at the same moment, in their order."""
    start, results = threading.Barrier(len(acts)), dict[int, object]()

    def run(number: int, act: Callable[[Ledger], object]) -> None:
        with closing(Ledger(bench.settings.ledger_place, clock=lambda: bench.now, role="test")) as ledger:
            start.wait()
            try:
                results[number] = act(ledger)
            except GatewayError as error:
                results[number] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(acts))]


def test_of_two_who_agree_at_once_one_is_the_second_person(dwp: Bench) -> None:
    for round_ in range(10):
        identity = propose(dwp, Act.RELEASE, held(dwp, f"{round_}.xml"))
        results = race(
            dwp,
            partial(agree, dwp, identity, "hb1002"),
            partial(agree, dwp, identity, "hb1003"),
        )
        assert sorted(type(each).__name__ for each in results) == ["Request", "UsageWrong"]
        (winner,) = [each for each in results if isinstance(each, Request)]
        assert found(dwp, identity) == winner
    assert [event for event, _ in said(dwp, "request")].count("request.agreed") == 10


def test_of_withdrawing_and_agreeing_at_once_one_counts(dwp: Bench) -> None:
    for round_ in range(10):
        transfer = held(dwp, f"{round_}.xml")
        identity = propose(dwp, Act.RELEASE, transfer)
        results = race(
            dwp,
            partial(take_back, identity),
            partial(agree, dwp, identity, "hb1002"),
        )
        assert sorted(type(each).__name__ for each in results) == ["Request", "UsageWrong"]
        withdrawn = isinstance(results[0], Request)
        assert step(dwp) == (0 if withdrawn else 1)
        assert state(dwp, transfer) == (State.HELD if withdrawn else State.ADMITTED)


def test_suspended_while_a_role_carries_it_out_the_chain_says_which_came_first(dwp: Bench) -> None:
    for round_ in range(10):
        transfer = held(dwp, f"{round_}.xml")
        identity = propose(dwp, Act.RELEASE, transfer)
        agree(dwp, identity)

        def suspend(ledger: Ledger) -> None:
            with ledger.write() as transaction:
                people.suspend(transaction, "hb1002", ADMINISTRATOR)

        def carry_out(ledger: Ledger) -> int:
            return Requests(replace(dwp.context, ledger=ledger), "requests", INSPECT_ACTS).step().done

        assert race(dwp, suspend, carry_out) == [None, 1]
        order = [event for event, _ in said(dwp, "person", "transfer")[-2:]]
        done = found(dwp, identity).state is RequestState.DONE
        assert order == (
            ["transfer.released", "person.suspended"] if done else ["person.suspended", "decision.refused"]
        )
        assert state(dwp, transfer) == (State.ADMITTED if done else State.HELD)
        leave(dwp, "hb1002", people.resume)


# -- whatever the order


def test_whatever_the_order_two_different_people_who_may_are_behind_what_takes_two(dwp: Bench) -> None:
    """A walk of 300 random steps of three people and a role. After each time that the role was at work: whatever takes two people and was
    done has two different ones in the chain, and both might at that moment.
    """
    walk, lane = random.Random("two people"), dwp.other
    identities: list[str] = []
    ends: Counter[str] = Counter()

    def somebody() -> str:
        return walk.choice(STAFF)

    def recent() -> str:
        return walk.choice(identities[-2:])

    def ask() -> None:
        identities.append(propose(dwp, walk.choice([Act.RELEASE, Act.RELEASE, Act.RETRY]), lane, somebody()))

    def change() -> None:
        user, roles = somebody(), walk.choice([PersonRole.SUPERVISOR, PersonRole.SUPERVISOR, PersonRole.OPERATOR])
        with dwp.ledger.write() as transaction:
            people.change(transaction, user, ADMINISTRATOR, roles={roles})

    def suspend() -> None:
        leave(dwp, somebody(), people.suspend)

    def restore() -> None:
        with dwp.ledger.write() as transaction:
            for user in STAFF:
                person = people.change(transaction, user, ADMINISTRATOR, roles={PersonRole.SUPERVISOR})
                if person.state is PersonState.SUSPENDED:
                    people.resume(transaction, user, ADMINISTRATOR)

    def wait() -> None:
        dwp.now += walk.choice([60.0, 60.0, 3600.0, 8 * DAY])

    def carry_out() -> None:
        with dwp.ledger.write() as transaction:
            transaction.set_lane(lane, held=True)  # so that a release has something to do
        with dwp.ledger.read() as connection:
            able = {user for user in STAFF if (who := find_person(connection, user)) and may(who, Right.RELEASE)}
            before = {each: requests.find(connection, each).state for each in identities}
        known = len(said(dwp, "lane"))
        step(dwp)
        released = [detail for event, detail in said(dwp, "lane")[known:] if event == "lane.released"]
        assert all(len({detail["actor"], detail["second"]} & able) == 2 for detail in released)
        with dwp.ledger.read() as connection:
            rows = [row for each in identities if (row := requests.find(connection, each)).state != before[each]]
        ended = [row for row in rows if row.act is Act.RELEASE]
        assert sum(row.state is RequestState.DONE for row in ended) == len(released)
        assert all(row.decider not in (None, row.actor) for row in ended if row.state is RequestState.DONE)
        ends.update(str(row.code or row.state) for row in ended)

    steps: dict[Callable[[], object], int] = {
        ask: 4,
        lambda: agree(dwp, recent(), somebody()): 6,
        lambda: asking.decline(dwp.ledger, recent(), somebody(), "no, not that one"): 1,
        lambda: asking.withdraw(dwp.ledger, recent(), somebody(), "the wrong one"): 1,
        change: 1,
        suspend: 1,
        restore: 2,
        wait: 1,
        carry_out: 4,
    }
    while not identities:
        ask()
    for at_random in walk.choices(list(steps), weights=list(steps.values()), k=300):
        with suppress(RightMissing, UsageWrong):
            at_random()
    assert min(ends["done"], ends["right-missing"], ends["lapsed"]) >= 2, ends
    with dwp.ledger.read() as connection:
        assert list(check_chain(connection)) == list(check_rows(connection)) == []
