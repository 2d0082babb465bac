"""DWP's view of its referrals and scan results: which were answered, which are outstanding, by authority, rule and age.

Raises UsageWrong at an authority's site, which has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from gateway.administration.views.records import moment
from gateway.domain.calendar import day_of
from gateway.domain.referrals import Referral
from gateway.errors import UsageWrong
from gateway.ledger.queries import lanes
from gateway.ledger.queries import referrals as sent_referrals
from gateway.ledger.store import Connection
from gateway.settings.model import Settings, SiteKind

_AGES: Final = (14, 28, 42)
"""Where one class of age ends and the next begins, in days; six weeks is what a referral usually gives."""


@dataclass(frozen=True)
class ReferralFilter:
    """Which referrals are meant; None does not restrict."""

    partner: str | None = None
    rule: str | None = None
    older_than: int | None = None
    outstanding: bool = False

    def match(self, referral: Referral, now: float) -> bool:
        """Whether a referral is meant."""
        sending = referral.sending
        return (
            self.partner in (None, sending.partner)
            and (self.rule is None or self.rule in (sending.rule, *sending.rule.split("/")))
            and (self.older_than is None or referral.age_days(now) > self.older_than)
            and not (self.outstanding and referral.answer is not None)
        )


@dataclass(frozen=True)
class ReferralView:
    """One referral: a line of `referrals --csv`. Ages are in whole days, up to the answer or up to now."""

    partner: str
    rms: str
    flow: str
    rule: str
    state: str
    age_days: int
    overdue: bool
    sent: str | None
    reply_by: str | None
    transfer: str
    answered: str | None
    answered_by: str | None
    answer_transfer: str | None


@dataclass(frozen=True)
class ReferralGroup:
    """How many referrals there are of a partner and a rule, and the outstanding ones by age in days."""

    partner: str | None
    rule: str | None
    sent: int
    answered: int
    outstanding: int
    outstanding_by_age: dict[str, int]
    overdue: int
    oldest_days: int | None


@dataclass(frozen=True)
class ReferralTotals(ReferralGroup):
    """All that are meant; and the answers that name a number never sent to their authority, and records in files of too
    many to follow each.
    """

    answers_unasked: int
    unlisted: int


@dataclass(frozen=True)
class ReferralList:
    """The referrals that are meant, ordered by authority and rule, their groups, and the totals."""

    referrals: tuple[ReferralView, ...]
    groups: tuple[ReferralGroup, ...]
    totals: ReferralTotals


def require_referrals(settings: Settings) -> None:
    """UsageWrong at a site that is not DWP's."""
    if settings.site.kind is not SiteKind.DWP:
        raise UsageWrong("Referrals are followed at DWP's site; here, `gateway transfers --flow referral` lists them.")


def referrals(settings: Settings, connection: Connection, wanted: ReferralFilter, now: float) -> ReferralList:
    """The referrals and scan results that authorities have receipted, and whether they have answered them."""
    partners = {*settings.partners, *lanes.known_partners(connection)} if wanted.partner is None else {wanted.partner}
    loop = sent_referrals.loop(connection, partners)
    found = [referral for referral in loop.referrals if wanted.match(referral, now)]
    found.sort(key=lambda each: (each.sending.partner, each.sending.rule, each.sending.sent, each.sending.rms))
    return ReferralList(
        referrals=tuple(_line(referral, now) for referral in found),
        groups=tuple(_group(partner, rule, list(each), now) for (partner, rule), each in groupby(found, _kind)),
        totals=ReferralTotals(
            **vars(_group(None, None, found, now)), answers_unasked=len(loop.unasked), unlisted=loop.unlisted
        ),
    )


def _kind(referral: Referral) -> tuple[str, str]:
    return referral.sending.partner, referral.sending.rule


def _line(referral: Referral, now: float) -> ReferralView:
    sending, answer = referral.sending, referral.answer
    return ReferralView(
        partner=sending.partner,
        rms=sending.rms,
        flow=sending.flow,
        rule=sending.rule,
        state="outstanding" if answer is None else "answered",
        age_days=referral.age_days(now),
        overdue=referral.overdue(day_of(now)),
        sent=moment(sending.sent),
        reply_by=_iso(sending.reply_by),
        transfer=sending.transfer,
        answered=None if answer is None else moment(answer.at),
        answered_by=None if answer is None else answer.kind.value,
        answer_transfer=None if answer is None else answer.transfer,
    )


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _group(partner: str | None, rule: str | None, found: Sequence[Referral], now: float) -> ReferralGroup:
    outstanding = [referral for referral in found if referral.answer is None]
    ages = [0] * (len(_AGES) + 1)
    for referral in outstanding:
        ages[sum(referral.age_days(now) >= end for end in _AGES)] += 1
    return ReferralGroup(
        partner=partner,
        rule=rule,
        sent=len(found),
        answered=len(found) - len(outstanding),
        outstanding=len(outstanding),
        outstanding_by_age=dict(zip(("0-13", "14-27", "28-41", "42+"), ages, strict=True)),
        overdue=sum(referral.overdue(day_of(now)) for referral in outstanding),
        oldest_days=max((referral.age_days(now) for referral in outstanding), default=None),
    )
