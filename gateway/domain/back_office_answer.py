"""The back office's answer about a file that it was given: `NAME.accepted`, or `NAME.rejected` with the reason inside.

Pure; raises nothing. A reason is text of a program that we do not know. So unprintable characters go, its length is bounded, and
whatever looks like a National Insurance number is masked before anything is stored or sent.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable
from enum import StrEnum, auto
from typing import Final, Protocol, TypeVar

from gateway.domain.states import State
from gateway.logs import mask

MAX_BYTES: Final = 16 * 1024
"""What is read of a reason: enough for MAX_REASON characters in any encoding."""

MAX_REASON: Final = 2000
"""Characters of a reason; a receipt's field holds 4,000."""


class BackOfficeAnswer(StrEnum):
    """What a back office can say; the value is the ending of the file's name."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class AnswerVerdict(StrEnum):
    """What becomes of an answer."""

    FIRST = auto()
    """No other came before it about its transfer."""
    KNOWN = auto()
    """It was taken before, or says what another said before it."""
    EARLY = auto()
    """Its file is being delivered at this moment: it waits."""
    CONTRARY = auto()
    AMBIGUOUS = auto()
    UNMATCHED = auto()


class Delivered(Protocol):
    """What of a transfer's row decides. `answer_file` is the fingerprint of the file that answered it."""

    @property
    def key(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def answer_file(self) -> str | None: ...
    @property
    def is_answered(self) -> bool: ...


Candidate = TypeVar("Candidate", bound=Delivered)


def parse_name(name: str) -> tuple[str, BackOfficeAnswer] | None:
    """What a file in spool/outcomes is about, and the answer; None where its name says nothing."""
    subject, _, ending = name.rpartition(".")
    return (subject, BackOfficeAnswer(ending)) if subject and ending in set(BackOfficeAnswer) else None


def judge(
    answer: BackOfficeAnswer,
    fingerprint: str,
    candidates: Iterable[Candidate],
    pending: dict[int, BackOfficeAnswer],
) -> tuple[AnswerVerdict, Candidate | None]:
    """What becomes of an answer about these transfers, and the one that it answers where it is the first.

    `candidates` are those that the name fits. `pending` are the answers of this batch, which are not written down yet. A name
    that fits several unanswered files answers none of them: nobody could tell which was meant.
    """
    rows = list(candidates)
    if any(row.answer_file == fingerprint for row in rows):
        return AnswerVerdict.KNOWN, None
    answers = {row.key: pending.get(row.key) or _recorded(row) for row in rows if row.state != State.OPENED}
    waiting = [row for row in rows if row.state == State.OPENED or answers[row.key] is None]
    if len(waiting) > 1:
        return AnswerVerdict.AMBIGUOUS, None
    if waiting:
        early = waiting[0].state == State.OPENED
        return (AnswerVerdict.EARLY, None) if early else (AnswerVerdict.FIRST, waiting[0])
    if not rows:
        return AnswerVerdict.UNMATCHED, None
    return (AnswerVerdict.KNOWN if set(answers.values()) == {answer} else AnswerVerdict.CONTRARY), None


def _recorded(row: Delivered) -> BackOfficeAnswer | None:
    if not row.is_answered:
        return None
    return BackOfficeAnswer.ACCEPTED if row.state == State.INGESTED else BackOfficeAnswer.REJECTED


def reason_of(content: bytes) -> str | None:
    """A reason as it may be kept and sent: at most MAX_REASON characters, no control characters; None for none."""
    lines = (" ".join(_printable(line).split()) for line in _decode(content[:MAX_BYTES]).splitlines())
    text = mask("\n".join(line for line in lines if line))
    return (text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…") or None


def _decode(content: bytes) -> str:
    """UTF-8, or what Windows programs write: UTF-16 with its mark, or code page 1252."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        return decoder.decode(content, final=len(content) < MAX_BYTES)
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _printable(line: str) -> str:
    """The line with a space for each control character, and without marks that show nothing or turn the text around."""
    return "".join(
        " " if (kind := unicodedata.category(letter)) == "Cc" else "" if kind[0] == "C" else letter for letter in line
    )
