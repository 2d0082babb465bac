"""References, texts, and which reply answers which enquiry."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.enquiries import Answering, Asking, Correspondence, Enquiry, match
from gateway.domain.enquiry import KINDS, MAX_PARAGRAPH, new_reference, paragraphs, reference_fault
from gateway.domain.states import Direction
from gateway.logs import mask
from gateway.settings.resources import resource
from gateway.validation.xml.catalog import find_versions
from gateway.validation.xml.rules import read_rules

DAY = date(2026, 11, 20)
OUT, IN = Direction.OUT, Direction.IN


def at(day: int, hour: int = 9) -> float:
    return datetime(2026, 11, day, hour, tzinfo=UTC).timestamp()


def ask(transfer: str, way: Direction = OUT, partner: str = "DWP", reference: str = "HB-1", due: int = 25) -> Asking:
    return Asking(way, partner, reference, "award", date(2026, 11, due), at(20), transfer, "receipted")


def answer(
    transfer: str, way: Direction = IN, partner: str = "DWP", reference: str = "HB-1", day: int = 21
) -> Answering:
    return Answering(way, partner, reference, at(day), transfer, "delivered")


def only(found: Correspondence) -> Enquiry:
    (one,) = found.enquiries
    return one


# -- references


@given(st.sampled_from(["DWP", "4220", "E09000030", "S12000036"]), st.dates(), st.binary(min_size=5, max_size=5))
def test_gateways_own_reference_is_right_and_no_log_masks_it(site: str, day: date, noise: bytes) -> None:
    reference = new_reference(site, day.replace(year=2026) if (day.month, day.day) != (2, 29) else DAY, noise)
    assert reference_fault(reference) is None
    assert mask(reference) == reference


@pytest.mark.parametrize("reference", ["HBE-2026/117", "LAST-6", "TH-2026-001", "A/1", "TH-2026-117", "DWP/20261128/7"])
def test_numbers_of_ones_own_are_taken(reference: str) -> None:
    assert reference_fault(reference) is None


@pytest.mark.parametrize(
    "reference",
    [
        *("QQ-123456", "QQ-12-34-56", "AB/123456", "AB-1-23456", "QQ-123456-7", "AB/12/34/56"),
        *("QQ123456C", "Ashworth", "ASHWORTH-1961", "SMITH-1", "HB 117", "hb-117", "", "117", "ENQ-DWP-20261128-AEIOU"),
        *("ENQ-Jones-20261128-KTRWB", "HB-1\n", "HB-1-2-3-4", "HB-٣"),
    ],
)
def test_references_that_could_be_a_persons_are_refused(reference: str) -> None:
    assert reference_fault(reference) is not None


@given(st.from_regex(r"[A-Z]{2}[/-]?(?:[0-9][/-]?){5}[0-9][A-D]?", fullmatch=True))
def test_no_way_of_writing_a_national_insurance_number_is_a_reference(text: str) -> None:
    assert reference_fault(text) is not None


# -- kinds and texts


def test_kinds_are_those_of_the_schema() -> None:
    for source in find_versions(resource("schemas"), "enquiry").values():
        assert set(read_rules(source).codes["EnquiryKindType"]) == set(KINDS)


@given(st.text())
def test_a_text_becomes_paragraphs_that_may_be_sent_or_is_refused(text: str) -> None:
    try:
        found = paragraphs(text)
    except ValueError:
        return
    assert found
    assert all(0 < len(paragraph) <= MAX_PARAGRAPH and "\n" not in paragraph for paragraph in found)


def test_words_of_a_text_stay_in_their_order() -> None:
    text = "\ufeffFirst line\r\n\r\n  second\tline  \n" + "word " * 500
    found = paragraphs(text)
    assert found[:2] == ["First line", "second line"]
    assert " ".join(found).split() == text.removeprefix("\ufeff").split()


@pytest.mark.parametrize(("text", "said"), [(" \n", "empty"), ("a\u202eb", "RIGHT-TO-LEFT OVERRIDE"), ("a\x9bb", "9B")])
def test_text_that_cannot_be_sent_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        paragraphs(text)


# -- what answers what


def test_reply_of_the_partner_answers_and_of_another_does_not() -> None:
    assert only(match([ask("1"), answer("2")], {})).answer == answer("2")
    other = match([ask("1"), answer("2", partner="E08000004")], {})
    assert only(other).outstanding
    assert other.unasked == (answer("2", partner="E08000004"),)


def test_one_reference_both_ways_is_two_enquiries() -> None:
    found = match([ask("1"), ask("2", IN), answer("3", OUT)], {})
    ours, theirs = found.enquiries
    assert (ours.outstanding, theirs.outstanding) == (True, False)
    assert (ours.sent, theirs.sent) == (True, False)


def test_first_reply_closes_and_a_later_one_changes_nothing() -> None:
    assert only(match([ask("1"), answer("2"), answer("3")], {})).answer == answer("2")


def test_reference_used_again_is_the_same_enquiry_until_it_is_answered_and_then_a_new_one() -> None:
    amended = only(match([ask("1"), ask("2", due=28)], {}))
    assert (amended.asking.transfer, amended.asking.reply_by) == ("1", date(2026, 11, 28))
    first, second = match([ask("1"), answer("2"), ask("3")], {}).enquiries
    assert (first.outstanding, second.outstanding) == (False, True)


def test_a_reply_before_any_enquiry_answers_nothing() -> None:
    found = match([answer("1"), ask("2")], {})
    assert only(found).outstanding
    assert len(found.unasked) == 1


def test_overdue_begins_after_the_last_day_and_ends_with_answer_or_closing() -> None:
    waiting = only(match([ask("1")], {}))
    assert not waiting.overdue(date(2026, 11, 25))
    assert waiting.overdue(date(2026, 11, 26))
    assert not only(match([ask("1"), answer("2", day=27)], {})).overdue(date(2026, 11, 28))
    assert only(match([ask("1"), answer("2", day=27)], {})).late()
    closed = only(match([ask("1")], {"1": at(26)}))
    assert (closed.outstanding, closed.overdue(date(2026, 12, 1))) == (False, False)


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([OUT, IN]), st.sampled_from("AB"), st.sampled_from(["X-1", "X-2"]))
    )
)
def test_whatever_comes_every_asking_is_in_one_enquiry_and_answers_go_the_other_way(
    steps: list[tuple[bool, Direction, str, str]],
) -> None:
    carried: list[Asking | Answering] = [
        ask(str(n), way, partner, reference) if asks else answer(str(n), way, partner, reference)
        for n, (asks, way, partner, reference) in enumerate(steps)
    ]
    found = match(carried, {})
    keys = [
        (each.asking.direction, each.asking.partner, each.asking.reference)
        for each in found.enquiries
        if each.outstanding
    ]
    assert len(keys) == len(set(keys))
    for each in found.enquiries:
        if each.answer is not None:
            assert each.answer.direction is not each.asking.direction
            assert (each.answer.partner, each.answer.reference) == (each.asking.partner, each.asking.reference)
            assert int(each.answer.transfer) > int(each.asking.transfer)
