"""The referral loop: which answer closes which referral, and which answers nobody asked for.

A referral is known by the authority that it went to and its RMS number. It is answered by that authority's outcome, or by
an R record of its extract that names the number (field 316), whichever came first. Another authority's answer does not
close it. Pure: no clock, no I/O, and nothing is raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from gateway.domain.calendar import day_of

_DAY: Final = 86400.0


class AnsweredBy(StrEnum):
    """The kinds of file that answer."""

    OUTCOME = "outcome"
    EXTRACT = "extract"


@dataclass(frozen=True)
class Sending:
    """A referral or scan result that a partner has receipted. `sent` is in seconds since 1970."""

    partner: str
    rms: str
    flow: str
    rule: str
    reply_by: date | None
    sent: float
    transfer: str


@dataclass(frozen=True)
class ReferralAnswer:
    """A number that a partner's file names as dealt with. `at` is in seconds since 1970."""

    partner: str
    rms: str
    kind: AnsweredBy
    at: float
    transfer: str


@dataclass(frozen=True)
class Referral:
    """One referral and the answer that closed it, None while it is outstanding."""

    sending: Sending
    answer: ReferralAnswer | None

    def age_days(self, now: float) -> int:
        """Whole days from sending to the answer, or to now while there is none."""
        return max(0, int(((now if self.answer is None else self.answer.at) - self.sending.sent) // _DAY))

    def overdue(self, today: date) -> bool:
        """Whether the answer is not here, or came after its day."""
        if self.sending.reply_by is None:
            return False
        return (today if self.answer is None else day_of(self.answer.at)) > self.sending.reply_by


@dataclass(frozen=True)
class Loop:
    """All referrals in the order in which they were first sent, and the answers that belong to none of them.

    `unlisted` records were in files of so many records that not all of them are followed.
    """

    referrals: tuple[Referral, ...]
    unasked: tuple[ReferralAnswer, ...]
    unlisted: int = 0


def close(sendings: Iterable[Sending], answers: Iterable[ReferralAnswer], unlisted: int = 0) -> Loop:
    """Match answers to referrals. A referral sent again is one referral: as first sent, with the last rule and day."""
    asked: dict[tuple[str, str], Sending] = {}
    for sending in sorted(sendings, key=lambda each: (each.sent, each.transfer)):
        key = sending.partner, sending.rms
        first = asked.get(key)
        asked[key] = (
            sending
            if first is None
            else Sending(*key, first.flow, sending.rule, sending.reply_by, first.sent, first.transfer)
        )
    answered: dict[tuple[str, str], ReferralAnswer] = {}
    unasked: list[ReferralAnswer] = []
    for answer in sorted(answers, key=lambda each: (each.at, each.kind is AnsweredBy.EXTRACT, each.transfer)):
        key = answer.partner, answer.rms
        if key not in asked:
            unasked.append(answer)
        else:
            answered.setdefault(key, answer)
    return Loop(tuple(Referral(sending, answered.get(key)) for key, sending in asked.items()), tuple(unasked), unlisted)
