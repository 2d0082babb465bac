"""Referrals and scans that partners have receipted, and what answers them. Reads only; see `facts`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection

from gateway.domain.referrals import AnsweredBy, Loop, ReferralAnswer, Sending, close
from gateway.domain.states import Direction
from gateway.ledger.queries.facts import arrived, count_of, list_of, told_of

ASKING: Final = ("referral", "scan")
"""The flows whose records wait for an answer."""


def loop(connection: Connection, partners: Collection[str]) -> Loop:
    """Every record of a referral or scan that these partners have receipted, and what answers it."""
    unlisted = 0
    sendings: list[Sending] = []
    for row in arrived(connection, Direction.OUT, ASKING, partners):
        told = told_of(row.facts)
        numbers, rules, days = list_of(told, "rms"), list_of(told, "rule"), list_of(told, "reply_by")
        unlisted += _unlisted(told, numbers)
        for at, rms in enumerate(numbers):
            if not rms:  # an exception: there is no number to answer
                continue
            # Each has exactly one rule and one day, so the lists are in step; where one is cut, so are all.
            rule = rules[at] if at < len(rules) else ""
            reply_by = date.fromisoformat(days[at]) if at < len(days) and days[at] else None
            sendings.append(Sending(row.partner, rms, row.flow, rule, reply_by, row.created, row.id))
    answers: list[ReferralAnswer] = []
    for row in arrived(connection, Direction.IN, tuple(AnsweredBy), partners):
        told = told_of(row.facts)
        numbers = list_of(told, "rms")
        unlisted += _unlisted(told, numbers)
        kind = AnsweredBy(row.flow)
        # An outcome's list holds the numbers, an extract's what its R records say besides.
        listed = [each["rms"] if isinstance(each, dict) else each for each in numbers]
        answers += [ReferralAnswer(row.partner, rms, kind, row.created, row.id) for rms in listed if rms]
    return close(sendings, answers, unlisted)


def _unlisted(told: Mapping[str, str], numbers: Sequence[Any]) -> int:
    """How many numbers a file had beyond those that a list of facts holds."""
    return max(0, (count_of(told, "rms_total") or 0) - len(numbers))
