"""Facts read back from the ledger: which referrals went, what answered them, how large the last extract was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.referrals import AnsweredBy
from gateway.ledger.queries import events, extracts, lanes, referrals
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def send(bench: Bench, flow: str, told: Mapping[str, Any]) -> str:
    """Submit a file whose validator tells this; lists become JSON in a text, as validators give them."""
    plain = {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}
    identity = bench.context.new_id()
    return bench.submit(f"hb{LA} {flow}-{identity}", b"facts " + json.dumps(plain).encode(), flow)


def test_the_loop_is_closed_by_outcomes_and_by_extracts(pair: Pair) -> None:
    numbers = ["000001", "000002", "000003"]
    rules = ["HBTC003/CTTC003", "HBES021", "HBSV002"]
    days = ["2026-12-24", "2026-12-25", "2026-12-26"]
    asked = send(pair.dwp, "referral", {"rms": numbers, "rms_total": "3", "rule": rules, "reply_by": days})
    scan = send(pair.dwp, "scan", {"rms": ["S123456"], "rms_total": "1", "rule": ["HBND009"], "reply_by": days[:1]})
    send(pair.dwp, "claim", {"rms": ["000009"]})
    pair.work()
    outcome = send(pair.la, "outcome", {"rms": ["000002", "777777"], "rms_total": "2"})
    told = [{"rms": "000003", "rule": "HBSV002", "matched": "2026-11-01"}]
    extract = send(pair.la, "extract", {"records": "5", "rms": told, "rms_total": "4"})
    pair.work()
    with pair.dwp.ledger.read() as connection:
        assert lanes.known_partners(connection) == {LA}
        loop = referrals.loop(connection, [LA])
        assert referrals.loop(connection, ["E06000001"]).referrals == ()
    found = {each.sending.rms: each for each in loop.referrals}
    assert set(found) == {*numbers, "S123456"}
    assert (found["000001"].sending.rule, found["000001"].sending.reply_by) == (rules[0], date(2026, 12, 24))
    assert (found["000001"].sending.transfer, found["000001"].answer) == (asked, None)
    assert (found["S123456"].sending.flow, found["S123456"].sending.transfer) == ("scan", scan)
    answers = {rms: (each.answer.kind, each.answer.transfer) for rms, each in found.items() if each.answer}
    assert answers == {"000002": (AnsweredBy.OUTCOME, outcome), "000003": (AnsweredBy.EXTRACT, extract)}
    assert [answer.rms for answer in loop.unasked] == ["777777"]
    assert loop.unlisted == 3


def test_a_referral_counts_once_its_partner_has_it_and_an_answer_once_it_is_delivered(pair: Pair) -> None:
    send(pair.dwp, "referral", {"rms": ["000001"], "rms_total": "1"})
    pair.work_alone(pair.dwp)
    with pair.dwp.ledger.read() as connection:
        assert referrals.loop(connection, [LA]).referrals == ()
    pair.work()
    with pair.dwp.ledger.read() as connection:
        (referral,) = referrals.loop(connection, [LA]).referrals
    assert (referral.sending.rule, referral.sending.reply_by, referral.answer) == ("", None, None)


def test_extracts_that_came_are_listed_with_their_records(pair: Pair) -> None:
    first, second = (send(pair.la, "extract", {"records": count}) for count in ("300", "310"))
    pair.work()
    with pair.dwp.ledger.read() as connection:
        came = list(extracts.delivered(connection, [LA], str.__eq__))
    assert [(partner, each.transfer, each.records) for partner, each in came] == [(LA, first, 300), (LA, second, 310)]
    with pair.la.ledger.read() as connection:
        assert extracts.last_volume(connection, "extract", "DWP", 10**9) == (second, 310)
        assert extracts.last_volume(connection, "extract", "DWP", 1) is None
        assert extracts.last_volume(connection, "extract", "E06000001", 10**9) is None


def test_the_first_word_of_the_chain_about_a_subject_is_found_among_many(pair: Pair) -> None:
    subjects = [f"E{number:08d}" for number in range(1200)]
    for _ in range(2):
        with pair.dwp.ledger.write() as transaction:
            for subject in subjects:
                transaction.record("extract.expected", "extract", subject, subject)
        pair.dwp.now += 60
    with pair.dwp.ledger.read() as connection:
        said = events.events_about(connection, ["extract.expected", "extract.late"], subjects)
    assert len(said) == 1200
    assert len(set(said.values())) == 1
