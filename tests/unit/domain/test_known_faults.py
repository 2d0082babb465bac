"""The board of known faults: how it follows from what was done, which one counts, and what may not stand on it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.known_faults import (
    CLOSED_DAYS,
    EMPTY,
    MAX_FAULTS,
    Board,
    Change,
    FaultState,
    KnownFault,
    board,
    closed,
    id_of,
    newest,
    of_facts,
    text_of,
    write,
)
from gateway.domain.xml_lines import Office
from gateway.settings.resources import resource
from gateway.validation.factory import build
from gateway.validation.plan import xml_plan
from gateway.validation.sandbox.messages import LONGEST, encode, report_to_plain
from gateway.validation.xml.validator import XmlValidator

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FAULT = KnownFault("ETD-7", "Notices came twice.", date(2026, 11, 17))


def read(shown: Board) -> XmlValidator:
    validator = build(xml_plan(resource("schemas"), "faults"))
    assert isinstance(validator, XmlValidator)
    return validator


def document(shown: Board) -> bytes:
    return write(shown, "FLT-00000001", Office("DWP0101", "Oldborough"), NOW, "E09000030")


def test_board_holds_what_is_open_and_what_was_closed_of_late() -> None:
    moment = NOW.timestamp()
    done = [Change(moment - 60, FAULT), Change(moment, closed(FAULT))]
    shown = board(done, moment)
    assert (shown.issue, shown.issued, shown.open) == (2, moment, ())
    assert shown.faults == (closed(FAULT),)
    assert board(done, moment + CLOSED_DAYS * 86400).faults == ()
    assert board([Change(moment - 60, FAULT)], moment + 10**9).open == (FAULT,)
    assert board([], moment) == EMPTY


def test_clock_that_is_put_back_makes_no_older_issue() -> None:
    shown = board([Change(100.0, FAULT), Change(40.0, closed(FAULT))], 100.0)
    assert (shown.issue, shown.issued) == (2, 100.0)


@given(st.permutations(range(6)))
def test_board_that_was_issued_last_counts_in_whatever_order_they_come(order: list[int]) -> None:
    boards = [Board(7 - n, float(n // 2), ()) for n in range(6)]
    assert newest(boards[n] for n in order) == Board(3, 2.0, ())


def test_number_that_is_far_too_high_does_not_hide_later_boards() -> None:
    assert newest([Board(99999, 10.0, (FAULT,)), Board(3, 11.0, ())]) == Board(3, 11.0, ())


def test_document_gives_the_same_board_back_with_every_text_that_may_stand_on_it() -> None:
    shown = Board(
        7, NOW.timestamp(), (FAULT, KnownFault("LAID-2", '<Llŷr> & "co"', date(2026, 11, 1), "—", FaultState.CLOSED))
    )
    report = read(shown).validate_bytes(document(shown))
    assert report.findings == ()
    assert of_facts(report.facts) == shown


def test_largest_board_fits_into_what_a_reader_may_say() -> None:
    text = "\U0001f600" * 250
    faults = tuple(KnownFault(f"F{n}", text, date(2026, 11, 1), text) for n in range(MAX_FAULTS))
    shown = Board(999_999_999, NOW.timestamp(), faults)
    report = read(shown).validate_bytes(document(shown))
    assert report.findings == ()
    assert of_facts(report.facts) == shown
    assert len(encode({"done": "1", **report_to_plain(report)})) < LONGEST
    assert len(json.loads(report.facts["what"])) == MAX_FAULTS
    more = Board(1, NOW.timestamp(), (*faults, FAULT))
    assert not read(more).validate_bytes(document(more)).valid


@pytest.mark.parametrize(
    "text", ["The claim of QQ123456A came twice.", "AB 12 34 56 C is wrong", "", "a\u202eb", "x" * 251]
)
def test_sentence_that_may_not_stand_on_the_board_is_refused_and_by_the_reader_too(text: str) -> None:
    with pytest.raises(ValueError, match=r"^The sentence"):
        text_of(text)
    shown = Board(1, NOW.timestamp(), (KnownFault("A-1", text or " ", date(2026, 11, 1)),))
    assert not read(shown).validate_bytes(document(shown)).valid


@pytest.mark.parametrize("identity", ["QQ123456C", "AB123456", "7", "A B", "-A", "A-", "A" * 21, "é1"])
def test_id_of_another_form_is_refused(identity: str) -> None:
    with pytest.raises(ValueError, match=r"^The id"):
        id_of(identity)


def test_facts_of_another_document_are_no_board() -> None:
    assert of_facts({"authority": "E09000030"}) is None


def test_id_is_taken_in_small_letters_and_shown_in_capitals() -> None:
    assert id_of(" etd-7 ") == "ETD-7"
