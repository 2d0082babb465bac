"""Requests: one answer each, whoever carries them out and whatever dies; the policy decides, and the person is in the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from gateway.administration.requests.asking import answer, ask
from gateway.domain.decision import Decision
from gateway.domain.requests import BESIDE, PROVING, Act, RequestState
from gateway.domain.states import State
from gateway.errors import ImpossibleMove, LedgerBusy, NotFound, UsageWrong
from gateway.ledger import proposals, requests
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import events, overview
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.queries.waiting import due_now
from gateway.ledger.requests import LEASE_SECONDS, Refused
from gateway.ledger.store import Ledger, Transaction
from gateway.ledger.tables import REQUESTS
from gateway.ledger.units import Request
from gateway.stages import decisions, request_answers
from gateway.stages.context import StageContext
from gateway.stages.itinerary import Role, stages_of
from gateway.stages.request_answers import carry_out, decide
from gateway.stages.timers.link_trials import LINK_ACTS
from gateway.stages.timers.requests import INSPECT_ACTS, VAULT_ACTS, Requests
from tests.fakes.staff import hire
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

REASON = "the claimant has withdrawn"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        hire(made.dwp.ledger, "j.smith", "b.jones")
        yield made


@pytest.fixture
def dwp(pair: Pair) -> Bench:
    return pair.dwp


def asked(bench: Bench, act: Act, subject: str) -> str:
    """What `asking` leaves in the ledger, on this bench's clock; with a second person where it takes two."""
    with bench.ledger.write() as transaction:
        identity = requests.ask(transaction, bench.context.new_id(), act, subject, "j.smith", REASON).id
        if act.people == 2:
            proposals.agree(transaction, identity, Decision("b.jones", "seen the papers"), 0.0)
    return identity


def stage(bench: Bench) -> Requests:
    return Requests(bench.context, "requests", INSPECT_ACTS)


def request(bench: Bench, identity: str) -> Request:
    with bench.ledger.read() as connection:
        assert list(check_chain(connection)) == list(check_rows(connection)) == []
        return requests.find(connection, identity)


def state(bench: Bench, transfer: str) -> State:
    with bench.ledger.read() as connection:
        return next(row.state for row in overview.transfers(connection) if row.id == transfer)


def acts_in_the_chain(bench: Bench) -> list[tuple[str, str, str]]:
    """The events that a person caused, but for those about people and requests: name, actor, reason."""
    with bench.ledger.read() as connection:
        acts = [each for each in events.chain(connection) if each.kind not in ("person", "request")]
        decided = [each for each in acts if "actor" in json.loads(each.detail)]
        reasons = events.reasons_of(connection, decided)
    return [(each.event, json.loads(each.detail)["actor"], reasons[each.sequence]) for each in decided]


def test_what_a_person_asked_is_done_in_their_name(dwp: Bench) -> None:
    transfer = dwp.submit("a.xml", b"claim a")
    identity = asked(dwp, Act.HOLD, transfer)
    assert stage(dwp).step().done == 1
    done = request(dwp, identity)
    assert (done.state, done.kind, done.unit, done.became) == (RequestState.DONE, "transfer", transfer, "held")
    assert (done.partner, done.code, done.refusal, done.remedy) == (dwp.other, None, None, None)
    assert state(dwp, transfer) == State.HELD
    assert acts_in_the_chain(dwp) == [("transfer.held", "j.smith", REASON)]
    assert stage(dwp).step().done == 0


def test_every_act_has_a_role_that_carries_it_out_by_a_stage_of_its_own() -> None:
    by_stages = sorted([*INSPECT_ACTS, *VAULT_ACTS])
    assert by_stages == sorted([*request_answers._POLICY, *request_answers._PREPARED])
    assert sorted([*by_stages, *BESIDE, *PROVING, *LINK_ACTS, Act.SEND]) == sorted(act for act in Act if act.by_stage)
    assert all((act.role, act.people) == ("console", 2) for act in Act if act.about_people), (
        "done when the second agrees"
    )
    assert {"requests", "payloads"} <= {*stages_of(Role.INSPECT)}
    assert {"vault-requests", "proofs"} <= {*stages_of(Role.VAULT)}
    assert "link-trials" in stages_of(Role.LINK)


def test_a_stage_leaves_the_acts_of_other_roles(pair: Pair, dwp: Bench) -> None:
    forged = dwp.home.landing_in(dwp.other) / f"{dwp.context.new_id()}.pgp"
    forged.write_bytes(b"no message")
    pair.work_alone(dwp)
    with dwp.ledger.read() as connection:
        (kept,) = quarantined(connection)
    identity = asked(dwp, Act.DISCARD, kept.id)
    assert stage(dwp).step().done == 0
    sealed = dwp.home.quarantine / f"{kept.id}.sealed"
    assert sealed.exists()
    assert Requests(dwp.context, "vault-requests", VAULT_ACTS).step().done == 1
    assert (request(dwp, identity).unit, request(dwp, identity).became) == (kept.id, "discarded")
    assert not sealed.exists()


@pytest.mark.parametrize(
    ("act", "subject", "code"),
    [(Act.RELEASE, "the transfer", "unit-state"), (Act.HOLD, "0000", "not-found"), (Act.RETRY, "", "not-found")],
)
def test_what_the_policy_refuses_is_answered_with_code_reason_and_remedy(
    dwp: Bench, act: Act, subject: str, code: str
) -> None:
    transfer = dwp.submit("a.xml", b"claim a")
    identity = asked(dwp, act, transfer if subject == "the transfer" else subject)
    assert stage(dwp).step().done == 1
    refused = request(dwp, identity)
    assert (refused.state, refused.code, refused.became) == (RequestState.REFUSED, code, None)
    assert refused.refusal
    assert refused.remedy
    assert state(dwp, transfer) == State.ADMITTED
    assert acts_in_the_chain(dwp) == [("decision.refused", "j.smith", REASON)]


def test_a_move_that_no_itinerary_has_is_refused_and_stops_nobody(dwp: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object) -> decisions.Decided:
        raise ImpossibleMove("a row lacks what its state promises")

    monkeypatch.setattr(request_answers, "_POLICY", {Act.HOLD: impossible})
    identity = asked(dwp, Act.HOLD, dwp.submit("a.xml", b"claim a"))
    assert stage(dwp).step().done == 1
    assert request(dwp, identity).code == ImpossibleMove.code


def test_of_two_nodes_that_race_one_carries_the_request_out(dwp: Bench) -> None:
    """The second looks before the first has taken the request, and tries to take it afterwards."""
    identity = asked(dwp, Act.HOLD, dwp.submit("a.xml", b"claim a"))
    first, second = stage(dwp), stage(dwp)
    before = request(dwp, identity)
    assert first.step().done == 1
    with dwp.ledger.write() as transaction:
        assert requests.take(transaction, before, second._owner) is None
    carry_out(dwp.context, before, second._owner)
    assert second.step().done == 0
    assert [event for event, _, _ in acts_in_the_chain(dwp)] == ["transfer.held"]
    assert request(dwp, identity).owner == first._owner


def test_what_a_node_has_taken_waits_for_it_and_then_goes_to_another(dwp: Bench) -> None:
    identity = asked(dwp, Act.HOLD, dwp.submit("a.xml", b"claim a"))
    first, second = stage(dwp), stage(dwp)
    with dwp.ledger.write() as transaction:
        assert requests.take(transaction, request(dwp, identity), first._owner)
    taken = request(dwp, identity)
    step = second.step()
    assert (step.done, step.due) == (0, taken.lease)
    dwp.now += LEASE_SECONDS
    assert second.step().done == 1
    carry_out(dwp.context, taken, first._owner)  # the first wakes up, and finds the answer written
    assert request(dwp, identity).owner == second._owner
    assert [event for event, _, _ in acts_in_the_chain(dwp)] == ["transfer.held"]


def test_a_lease_given_before_the_clock_was_set_back_has_ended(dwp: Bench) -> None:
    identity = asked(dwp, Act.HOLD, dwp.submit("a.xml", b"claim a"))
    with dwp.ledger.write() as transaction:
        assert requests.take(transaction, request(dwp, identity), "inspect/elsewhere")
    dwp.now -= 7 * 86_400
    assert stage(dwp).step().done == 1


def test_an_answer_is_written_by_the_owner_only_and_once(dwp: Bench) -> None:
    waiting = request(dwp, asked(dwp, Act.HOLD, dwp.submit("a.xml", b"claim a")))
    no = Refused("usage", "no", "do not")
    with pytest.raises(ImpossibleMove), dwp.ledger.write() as transaction:
        requests.finish(transaction, waiting._replace(owner="inspect/elsewhere"), no)
    with dwp.ledger.write() as transaction:
        taken = requests.take(transaction, waiting, "inspect/here")
        assert taken is not None
        requests.finish(transaction, taken, no)
    with pytest.raises(ImpossibleMove), dwp.ledger.write() as transaction:
        requests.finish(transaction, taken, no)


class Killed(BaseException):
    """The process ends here."""


def test_killed_between_the_act_and_its_answer_nothing_has_happened(
    dwp: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = dwp.submit("a.xml", b"claim a")
    identity = asked(dwp, Act.HOLD, transfer)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(requests, "finish", killed)
        with pytest.raises(Killed):
            stage(dwp).step()
    assert state(dwp, transfer) == State.ADMITTED
    assert acts_in_the_chain(dwp) == []
    assert request(dwp, identity).state is RequestState.ASKED
    after = stage(dwp)
    assert after.step().done == 0
    dwp.now += LEASE_SECONDS
    assert after.step().done == 1
    assert state(dwp, transfer) == State.HELD
    assert [event for event, _, _ in acts_in_the_chain(dwp)] == ["transfer.held"]


def test_killed_after_the_answer_the_act_is_not_done_again(dwp: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = dwp.submit("a.xml", b"claim a")
    identity = asked(dwp, Act.HOLD, transfer)

    def killed(context: StageContext, request: Request, owner: str) -> None:
        carry_out(context, request, owner)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("gateway.stages.timers.requests.carry_out", killed)
        with pytest.raises(Killed):
            stage(dwp).step()
    decide(dwp.context, Act.RELEASE, transfer, Decision("b.jones", "she has not"))
    dwp.now += LEASE_SECONDS
    assert stage(dwp).step().done == 0
    assert (request(dwp, identity).became, state(dwp, transfer)) == ("held", State.ADMITTED)


def test_a_busy_ledger_refuses_nobody(dwp: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = dwp.submit("a.xml", b"claim a")
    identity = asked(dwp, Act.HOLD, transfer)
    one = stage(dwp)

    def busy(*_: object) -> decisions.Decided:
        raise LedgerBusy

    with monkeypatch.context() as patch:
        patch.setattr(request_answers, "_POLICY", {Act.HOLD: busy})
        with pytest.raises(LedgerBusy):
            one.step()
    assert request(dwp, identity).state is RequestState.ASKED
    assert one.step().done == 1, "its own lease does not keep it out"
    assert state(dwp, transfer) == State.HELD


def test_a_site_with_a_request_that_waits_is_not_idle(dwp: Bench) -> None:
    with dwp.ledger.read() as connection:
        before = due_now(connection, dwp.now)
    asked(dwp, Act.HOLD, "0000")
    with dwp.ledger.read() as connection:
        assert due_now(connection, dwp.now) == before + 1
    stage(dwp).step()
    with dwp.ledger.read() as connection:
        assert due_now(connection, dwp.now) == before


# -- what a command does at once, and what a console asks


def test_a_command_leaves_its_request_with_the_answer(dwp: Bench) -> None:
    transfer = dwp.submit("a.xml", b"claim a")
    why = Decision("j.smith", REASON)
    assert decide(dwp.context, Act.HOLD, transfer[:30], why).state == State.HELD
    with pytest.raises(UsageWrong):
        decide(dwp.context, Act.HOLD, transfer, why)
    with pytest.raises(NotFound):
        decide(dwp.context, Act.HOLD, "AB123456C", why)
    with dwp.ledger.read() as connection:
        assert requests.waiting(connection) == []
        rows = connection.exec_driver_sql("SELECT state, subject, unit, code FROM requests ORDER BY key").all()
    assert [tuple(row) for row in rows] == [
        ("done", transfer[:30], transfer, None),
        ("refused", transfer, None, "unit-state"),
        ("refused", "[masked]", None, "not-found"),
    ]


def test_a_command_that_is_killed_leaves_no_request(dwp: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = dwp.submit("a.xml", b"claim a")

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Transaction, "flush", killed)
    with pytest.raises(Killed):
        decide(dwp.context, Act.HOLD, transfer, Decision("j.smith", REASON))
    with dwp.ledger.read() as connection:
        assert requests.waiting(connection) == []
    assert state(dwp, transfer) == State.ADMITTED


def test_what_is_asked_waits_with_its_reason_masked(dwp: Bench) -> None:
    identity = ask(dwp.settings, dwp.ledger, Act.RETRY, dwp.other, "j.smith", "AB123456C\n has  moved")
    waiting = answer(dwp.settings, identity)
    assert (waiting.state, waiting.owner, waiting.lease) == (RequestState.ASKED, None, 0.0)
    assert (waiting.act, waiting.subject, waiting.actor) == (Act.RETRY, dwp.other, "j.smith")
    assert waiting.reason == "[masked] has moved"
    with pytest.raises(NotFound):
        answer(dwp.settings, "0000")


def test_what_waits_for_a_node_that_is_no_more_is_refused_with_a_clear_answer_by_one_stage(dwp: Bench) -> None:
    """The site gave its nodes up: this gateway works alone again. What any node could have answered is carried out as ever."""
    transfer = dwp.submit("a.xml", b"claim a")
    there, anybody = asked(dwp, Act.OPEN, transfer), asked(dwp, Act.HOLD, transfer)
    with dwp.ledger.write() as transaction:
        transaction.connection.execute(update(REQUESTS).where(REQUESTS.c.id == there).values(node="north-1"))
    Requests(dwp.context, "vault-requests", VAULT_ACTS).step()
    assert request(dwp, there).state is RequestState.ASKED
    stage(dwp).step()
    found = request(dwp, there)
    assert (found.state, found.code) == (RequestState.REFUSED, "node-gone")
    assert "at the node north-1, which is gone" in (found.refusal or "")
    assert request(dwp, anybody).state is RequestState.DONE


@pytest.mark.parametrize(
    ("subject", "actor", "reason"),
    [
        ("", "j.smith", REASON),
        ("AB123456C", "j.smith", REASON),
        ("x" * 101, "j.smith", REASON),
        ("019a", "", REASON),
        ("019a", "a\nb", REASON),
        ("019a", "j.smith", " x "),
    ],
)
def test_what_no_request_can_be_made_of_is_refused_at_once(dwp: Bench, subject: str, actor: str, reason: str) -> None:
    with pytest.raises(UsageWrong):
        ask(dwp.settings, dwp.ledger, Act.HOLD, subject, actor, reason)
    with dwp.ledger.read() as connection:
        assert requests.waiting(connection) == []


def test_nodes_with_ledgers_of_their_own_give_one_answer(dwp: Bench) -> None:
    """Two processes have two connections: the one that comes second waits for the lock, and finds nothing to take."""
    identity = asked(dwp, Act.HOLD, dwp.submit("a.xml", b"claim a"))
    other = Ledger(dwp.settings.ledger_place, clock=lambda: dwp.now, role="inspect")
    try:
        there = Requests(replace(dwp.context, ledger=other), "requests", INSPECT_ACTS)
        assert [there.step().done, stage(dwp).step().done] == [1, 0]
    finally:
        other.close()
    assert request(dwp, identity).owner == there._owner
