"""What a back office's answer means, from its name, its bytes and what was said before."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.back_office_answer import (
    MAX_BYTES,
    MAX_REASON,
    AnswerVerdict,
    BackOfficeAnswer,
    judge,
    parse_name,
    reason_of,
)


@dataclass(frozen=True)
class Row:
    key: int
    state: str = "delivered"
    answer_file: str | None = None

    @property
    def is_answered(self) -> bool:
        return self.answer_file is not None


ANSWERED = Row(1, "ingested", "1:1:0:1")
REFUSED = Row(1, "delivered", "1:1:0:1")


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("a.xml.accepted", ("a.xml", BackOfficeAnswer.ACCEPTED)),
        ("a.xml.rejected", ("a.xml", BackOfficeAnswer.REJECTED)),
        ("a.accepted.rejected", ("a.accepted", BackOfficeAnswer.REJECTED)),
        ("a.xml", None),
        (".accepted", None),
        ("accepted", None),
        ("a.xml.ACCEPTED", None),
        ("a.xml.accepted.txt", None),
    ],
)
def test_the_name_says_what_is_said_and_about_what(name: str, meaning: tuple[str, BackOfficeAnswer] | None) -> None:
    assert parse_name(name) == meaning


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], AnswerVerdict.UNMATCHED),
        ([Row(1)], AnswerVerdict.FIRST),
        ([Row(1, "opened")], AnswerVerdict.EARLY),
        ([Row(1), Row(2)], AnswerVerdict.AMBIGUOUS),
        ([Row(1), Row(2, "opened")], AnswerVerdict.AMBIGUOUS),
        ([ANSWERED], AnswerVerdict.KNOWN),
        ([REFUSED], AnswerVerdict.CONTRARY),
        ([ANSWERED, Row(2)], AnswerVerdict.FIRST),
        ([ANSWERED, Row(2, "delivered", "1:1:0:2")], AnswerVerdict.CONTRARY),
        ([Row(1, "delivered", "7:7:0:7"), Row(2)], AnswerVerdict.KNOWN),
    ],
)
def test_an_accepting_answer_is_judged_by_the_files_that_its_name_fits(rows: list[Row], verdict: AnswerVerdict) -> None:
    assert judge(BackOfficeAnswer.ACCEPTED, "7:7:0:7", rows, {})[0] is verdict


def test_it_answers_the_one_that_waits() -> None:
    assert judge(BackOfficeAnswer.REJECTED, "7:7:0:7", [ANSWERED, Row(2)], {}) == (AnswerVerdict.FIRST, Row(2))


def test_what_was_said_a_moment_ago_counts_as_said() -> None:
    assert (
        judge(BackOfficeAnswer.ACCEPTED, "7:7:0:7", [Row(1)], {1: BackOfficeAnswer.ACCEPTED})[0] is AnswerVerdict.KNOWN
    )
    assert (
        judge(BackOfficeAnswer.ACCEPTED, "7:7:0:7", [Row(1)], {1: BackOfficeAnswer.REJECTED})[0]
        is AnswerVerdict.CONTRARY
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", None),
        (b" \r\n\t\x00\n", None),
        (b"no such claim\n", "no such claim"),
        (b"line 1\r\n\r\n  line\t2  \n", "line 1\nline 2"),
        ("déjà vu".encode("utf-8-sig"), "déjà vu"),
        ("déjà vu".encode("utf-16"), "déjà vu"),
        ("déjà vu".encode("cp1252"), "déjà vu"),
        (b"NINO QQ123456C, or qq 12 34 56 c", "NINO [masked], or [masked]"),
        ("a\x1b[31mred\u202eback\u200b".encode(), "a [31mredback"),
    ],
)
def test_a_reason_is_plain_text_without_numbers_of_people(content: bytes, reason: str | None) -> None:
    assert reason_of(content) == reason


@given(st.binary(max_size=3 * MAX_REASON) | st.text(max_size=3 * MAX_REASON).map(lambda text: text.encode("utf-16")))
def test_any_bytes_give_a_bounded_printable_reason(content: bytes) -> None:
    reason = reason_of(content)
    assert reason is None or (
        0 < len(reason) <= MAX_REASON and all(line.isprintable() or " " in line for line in reason.splitlines())
    )


def test_a_reason_that_is_cut_in_a_letter_loses_only_that_letter() -> None:
    assert reason_of("é".encode() * MAX_BYTES) == "é" * (MAX_REASON - 1) + "…"
    assert reason_of(b"a" + "\u0000é".encode() * MAX_BYTES) is not None
