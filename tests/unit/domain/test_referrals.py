"""The referral loop: every referral is answered by the first word of its own authority, or outstanding."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.referrals import AnsweredBy, Referral, ReferralAnswer, Sending, close

DAY = 86400.0
START = 1_780_000_000.0
PARTNERS = st.sampled_from(["E1", "E2"])
NUMBERS = st.sampled_from(["000001", "000002", "000003"])
TIMES = st.integers(0, 50).map(lambda days: START + days * DAY)
SENDINGS = st.lists(
    st.builds(
        Sending,
        PARTNERS,
        NUMBERS,
        st.just("referral"),
        st.just("HBTC003"),
        st.none() | st.dates(date(2026, 5, 1), date(2026, 9, 1)),
        TIMES,
        st.uuids().map(str),
    ),
    max_size=8,
)
ANSWERS = st.lists(
    st.builds(ReferralAnswer, PARTNERS, NUMBERS, st.sampled_from(AnsweredBy), TIMES, st.uuids().map(str)), max_size=8
)


def sending(rms: str = "000001", sent: float = START, **changed: object) -> Sending:
    values: dict[str, object] = {
        "partner": "E1",
        "rms": rms,
        "flow": "referral",
        "rule": "HBTC003",
        "reply_by": date(2026, 7, 1),
        "sent": sent,
        "transfer": "t",
    }
    return Sending(**(values | changed))  # type: ignore[arg-type]  # a table of keywords


@given(SENDINGS, ANSWERS)
def test_every_referral_is_there_once_and_every_answer_is_used_or_unasked(
    sendings: list[Sending], answers: list[ReferralAnswer]
) -> None:
    loop = close(sendings, answers)
    asked = {(each.partner, each.rms) for each in sendings}
    assert {(each.sending.partner, each.sending.rms) for each in loop.referrals} == asked
    assert len(loop.referrals) == len(asked)
    assert {(each.partner, each.rms) for each in loop.unasked}.isdisjoint(asked)
    assert sum((each.partner, each.rms) in asked for each in answers) == len(answers) - len(loop.unasked)
    for referral in loop.referrals:
        same = [
            each for each in answers if (each.partner, each.rms) == (referral.sending.partner, referral.sending.rms)
        ]
        assert (referral.answer is None) == (not same)
        if referral.answer is not None:
            assert referral.answer.at == min(each.at for each in same)


@given(SENDINGS, ANSWERS, st.randoms())
def test_the_order_in_which_files_are_read_does_not_matter(
    sendings: list[Sending], answers: list[ReferralAnswer], random: object
) -> None:
    mixed = sorted(sendings, key=lambda _: random.random())  # type: ignore[attr-defined]  # a Random of hypothesis's own
    assert close(mixed, reversed(answers)) == close(sendings, answers)


def test_another_authority_s_answer_closes_nothing() -> None:
    foreign = ReferralAnswer("E2", "000001", AnsweredBy.OUTCOME, START + DAY, "o")
    loop = close([sending()], [foreign])
    assert loop.referrals[0].answer is None
    assert loop.unasked == (foreign,)


def test_a_referral_sent_again_is_one_with_its_first_day_and_its_last_rule() -> None:
    again = sending(sent=START + 9 * DAY, rule="HBES021", reply_by=date(2026, 8, 1), transfer="second")
    (referral,) = close([again, sending()], []).referrals
    assert (referral.sending.sent, referral.sending.rule, referral.sending.reply_by, referral.sending.transfer) == (
        START,
        "HBES021",
        date(2026, 8, 1),
        "t",
    )


def test_an_outcome_is_taken_before_the_extract_of_the_same_moment() -> None:
    both = [
        ReferralAnswer("E1", "000001", kind, START + DAY, kind) for kind in (AnsweredBy.EXTRACT, AnsweredBy.OUTCOME)
    ]
    (referral,) = close([sending()], both).referrals
    assert referral.answer is not None
    assert referral.answer.kind is AnsweredBy.OUTCOME


def test_age_counts_whole_days_until_the_answer_or_until_now() -> None:
    outstanding = Referral(sending(), None)
    assert [outstanding.age_days(START + seconds) for seconds in (0.0, DAY - 1, DAY, 40.5 * DAY)] == [0, 0, 1, 40]
    answered = Referral(sending(), ReferralAnswer("E1", "000001", AnsweredBy.EXTRACT, START + 3 * DAY, "x"))
    assert answered.age_days(START + 100 * DAY) == 3


def test_overdue_is_what_is_not_answered_by_its_day() -> None:
    outstanding = Referral(sending(), None)
    assert not outstanding.overdue(date(2026, 7, 1))
    assert outstanding.overdue(date(2026, 7, 2))
    assert not Referral(sending(reply_by=None), None).overdue(date(2036, 1, 1))
    late = Referral(sending(), ReferralAnswer("E1", "000001", AnsweredBy.OUTCOME, START + 100 * DAY, "o"))
    assert late.overdue(date(2026, 6, 1))
