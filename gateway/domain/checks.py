"""Management checks: which openings of a payload draw one, who takes which step of it, and which checks are looked at once more.

The rules are the guide's of the field (docs/operators/management-checks.md has them with their source): one access in a hundred at
random, and always where the case asks for it. What a case is like comes from whoever opens it and is forgotten at once. Nobody decides a
check of an own access, and nobody goes on before acknowledging it. Pure: random numbers come in by argument. Raises OwnCheck and CheckMisplaced.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

from gateway.errors import CheckMisplaced, OwnCheck

AGE: Final = 82
"""Over so many years old, without a benefit in payment: always."""
YEARS_DEAD: Final = 1
"""Died longer ago than that: one time in so many as the site has set."""
_QUARTERS: Final = 4


class Criterion(StrEnum):
    """Why a check was drawn."""

    SENSITIVE = "sensitive"
    OVER_AGE = "over-82"
    DECEASED = "deceased"
    RANDOM = "random"


class CheckState(StrEnum):
    """What has been done about a check. The steps are taken in this order."""

    DRAWN = "drawn"
    """The opener has to acknowledge it, and does nothing else before."""
    ACKNOWLEDGED = "acknowledged"
    """The opener has to say what papers there were: LAST 1."""
    EXPLAINED = "explained"
    """A checking officer has to decide."""
    DECIDED = "decided"


class Step(StrEnum):
    """What somebody does about a check."""

    ACKNOWLEDGE = "acknowledge"
    EXPLAIN = "explain"
    DECIDE = "decide"
    VALIDATE = "validate"


class Sample(StrEnum):
    """Decided checks that are looked at once more."""

    SUPPORT = "support"
    """By the support team: one in ten."""
    VALIDATION = "validation"
    """By the site's managers, each quarter: at least one in a hundred."""


@dataclass(frozen=True)
class CaseFacts:
    """What matters of one case in a payload; None where it is not known. Never stored."""

    birth: date | None = None
    death: date | None = None
    in_payment: bool | None = None
    """Whether a benefit is in payment."""
    sensitive: bool | None = None


@dataclass(frozen=True)
class Rates:
    """`random_percent` of all openings, and one in `deceased_one_in` of those of a death long ago."""

    random_percent: float = 1.0
    deceased_one_in: int = 3


@dataclass(frozen=True)
class Quarter:
    """A calendar quarter (UTC), 1 to 4."""

    year: int
    number: int

    @property
    def start(self) -> float:
        """Its first moment, in seconds since 1970."""
        return datetime(self.year, 3 * self.number - 2, 1, tzinfo=UTC).timestamp()

    @property
    def following(self) -> Quarter:
        return Quarter(self.year + self.number // _QUARTERS, self.number % _QUARTERS + 1)

    @property
    def before(self) -> Quarter:
        return Quarter(self.year, self.number - 1) if self.number > 1 else Quarter(self.year - 1, _QUARTERS)

    def __str__(self) -> str:
        return f"{self.year}-Q{self.number}"


def draw(cases: Iterable[CaseFacts], today: date, random: float, rates: Rates) -> Criterion | None:
    """Why opening a payload with these cases draws a check, None where it does not. `random` is even in 0 to 1, below 1.

    Where it is not known whether a benefit is in payment, none is: an age that asks for a check is not passed over.
    """
    found = {criterion for case in cases if (criterion := _criterion(case, today)) is not None}
    if Criterion.SENSITIVE in found:
        return Criterion.SENSITIVE
    if Criterion.OVER_AGE in found:
        return Criterion.OVER_AGE
    if Criterion.DECEASED in found and random < 1 / rates.deceased_one_in:
        return Criterion.DECEASED
    return Criterion.RANDOM if random < rates.random_percent / 100 else None


def _criterion(case: CaseFacts, today: date) -> Criterion | None:
    if case.sensitive:
        return Criterion.SENSITIVE
    if case.death is not None and _is_longer_ago(case.death, YEARS_DEAD, today):
        # First: most who have died so long ago would be over 82 by now, and then one in three would mean always.
        return Criterion.DECEASED
    if case.birth is not None and _is_longer_ago(case.birth, AGE, today) and not case.in_payment:
        return Criterion.OVER_AGE
    return None


def _is_longer_ago(day: date, years: int, today: date) -> bool:
    """Whether a day is more than so many years ago: from the day after its anniversary on."""
    return (today.year - years, today.month, today.day) > (day.year, day.month, day.day)


def require_step(
    step: Step, state: CheckState, opener: str, by: str, *, active: bool, decider: str | None = None
) -> CheckState:
    """The state that a check has after somebody's step. `active` says whether the opener's rights count, `decider` who decided it.

    OwnCheck where an own access or decision is looked at, or another's access explained; CheckMisplaced where it is not the step's turn.
    A check of somebody who cannot explain it any more, suspended or gone, is decided without that.
    """
    if step in (Step.ACKNOWLEDGE, Step.EXPLAIN) and by != opener:
        raise OwnCheck(f"only {opener} can {step} this check")
    if step in (Step.DECIDE, Step.VALIDATE) and by == opener:
        raise OwnCheck("nobody decides a check of an own access")
    if step is Step.VALIDATE and by == decider:
        raise OwnCheck("nobody validates an own decision")
    turn = {
        Step.ACKNOWLEDGE: {CheckState.DRAWN},
        Step.EXPLAIN: {CheckState.ACKNOWLEDGED},
        Step.DECIDE: {CheckState.EXPLAINED} if active else {*CheckState} - {CheckState.DECIDED},
        Step.VALIDATE: {CheckState.DECIDED},
    }[step]
    if state not in turn:
        raise CheckMisplaced(f"the check is {state}")
    return _AFTER[step]


_AFTER: Final = {
    Step.ACKNOWLEDGE: CheckState.ACKNOWLEDGED,
    Step.EXPLAIN: CheckState.EXPLAINED,
    Step.DECIDE: CheckState.DECIDED,
    Step.VALIDATE: CheckState.DECIDED,
}


def quarter_of(moment: float) -> Quarter:
    """The quarter in which a moment lies."""
    at = datetime.fromtimestamp(moment, UTC)
    return Quarter(at.year, (at.month + 2) // 3)


def chosen(ids: Collection[str], percent: float, sample: Sample, key: str) -> list[str]:
    """So many of a hundred, rounded up, by a keyed digest: whoever has the key gets the same ones, and nobody picks them by hand.

    `key` is the digest of the chain's last event of the quarter. Nobody knows it while checks are decided, and everybody who
    has the chain knows it afterwards.
    """
    most = math.ceil(round(len(ids) * percent / 100, 9))

    return sorted(ids, key=lambda each: hmac.digest(key.encode(), f"{sample} {each}".encode(), "sha256"))[:most]
