"""Management checks: acknowledging, explaining and deciding them, those that are outstanding, and those that are looked at once more.

Needs the ledger, the domain and the settings alone. Raises RightMissing, OwnCheck, CheckMisplaced, UsageWrong, NotFound, and what the
ledger raises.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from gateway.administration.looking.acting import SEES_ALL, Random, identity, is_permitted, require_right, words
from gateway.domain.checks import Quarter, Sample, chosen, quarter_of
from gateway.domain.identity import to_text
from gateway.domain.incidents import IncidentKind
from gateway.domain.people import Right
from gateway.errors import NotFound, UsageWrong
from gateway.ledger import checks, incidents
from gateway.ledger.check_units import Check, Incident
from gateway.ledger.queries import checks as queries
from gateway.ledger.queries.checks import find_check
from gateway.ledger.store import Connection, Ledger
from gateway.settings.checks import ChecksSettings


@dataclass(frozen=True)
class CheckView:
    """A check without names, cases and words: the contract of `gateway checks --json`. Times are RFC 3339, UTC."""

    id: str
    state: str
    user: str
    office: str
    system: str
    drawn: str
    acknowledged: str | None
    explained: str | None
    decided: str | None
    decided_by: str | None
    supported: bool | None
    validated: str | None
    validated_by: str | None
    agreed: bool | None


@dataclass(frozen=True)
class Sampled:
    """The checks of a quarter that are looked at once more: how many were decided, and those that the keyed digest chose."""

    quarter: Quarter
    decided: int
    chosen: tuple[Check, ...]


def acknowledge(ledger: Ledger, user: str, check: str) -> Check:
    """The opener has seen the banner, and refers the papers to the checking officer. Nobody else can, and no right is asked for."""
    with ledger.write() as transaction:
        return checks.acknowledge(transaction, find_check(transaction.connection, check), user)


def explain(ledger: Ledger, user: str, check: str, explanation: str) -> Check:
    """LAST 1: the opener says what papers supported the access."""
    told = words(explanation, "explanation")
    with ledger.write() as transaction:
        return checks.explain(transaction, find_check(transaction.connection, check), user, told)


def decide(
    ledger: Ledger, user: str, check: str, *, supported: bool, finding: str, random: Random = os.urandom
) -> tuple[Check, Incident | None]:
    """A checking officer's decision. Where the evidence does not support the access it is a LAST 3: an incident about the opener,
    who is suspended in the same moment.
    """
    found = words(finding, "finding")
    with ledger.write() as transaction:
        require_right(transaction.connection, user, Right.CHECK)
        before = find_check(transaction.connection, check)
        decided = checks.decide(transaction, before, user, supported=supported, finding=found)
        incident = None
        if not supported:
            new = identity(transaction, random)
            about, kind = decided.user, IncidentKind.ACCESS
            incident = incidents.open_incident(transaction, new, kind, user, found, about=about, check=decided.id)
    return decided, incident


def validate(ledger: Ledger, user: str, check: str, *, agreed: bool, remark: str) -> Check:
    """Somebody who works on incidents, neither opener nor decider, looks at a decided check once more."""
    said = words(remark, "remark")
    with ledger.write() as transaction:
        require_right(transaction.connection, user, Right.INCIDENT)
        return checks.validate(transaction, find_check(transaction.connection, check), user, agreed=agreed, remark=said)


def check_seen(connection: Connection, user: str, check: str) -> Check:
    """A check: one's own, or anybody's for who decides checks, works on incidents or audits; NotFound else."""
    found = find_check(connection, check)
    if found.user != user and not is_permitted(connection, user, *SEES_ALL):
        raise NotFound(f"there is no check {check[:40]!r}")
    return found


def outstanding(connection: Connection, user: str) -> list[Check]:
    """Checks that are not decided, the oldest first: all of them for who decides checks or works on incidents, else one's own."""
    sees_all = is_permitted(connection, user, *SEES_ALL)
    return queries.outstanding(connection, None if sees_all else user)


def to_decide(connection: Connection, user: str) -> list[Check]:
    """What waits for a checking officer's decision, without the officer's own accesses, the oldest first."""
    require_right(connection, user, Right.CHECK)
    return [each for each in queries.outstanding(connection) if each.user != user]


def sample(connection: Connection, settings: ChecksSettings, quarter: Quarter, which: Sample, now: float) -> Sampled:
    """The decided checks of a quarter that has ended which the support team or the managers look at once more: the same whenever and
    whoever asks. UsageWrong while the quarter lasts.
    """
    if now < quarter.following.start:
        raise UsageWrong(f"{quarter} has not ended: the last one that has is {quarter_of(now).before}.")
    decided = {each.id: each for each in queries.decided_in(connection, quarter)}
    percent = settings.support_percent if which is Sample.SUPPORT else settings.validation_percent
    ids = chosen(decided.keys(), percent, which, queries.key_of(connection, quarter))
    return Sampled(quarter, len(decided), tuple(decided[each] for each in ids))


def listed(connection: Connection, *, decided: bool = False) -> list[CheckView]:
    """Checks for an operator without a browser: those outstanding, the oldest first, or the newest 500 of all."""
    return [shown(each) for each in (queries.every_check(connection) if decided else queries.outstanding(connection))]


def shown(check: Check) -> CheckView:
    """A check without what may name people."""
    return CheckView(
        id=check.id,
        state=str(check.state),
        user=check.user,
        office=check.office,
        system=check.system,
        drawn=to_text(check.created),
        acknowledged=_at(check.acknowledged),
        explained=_at(check.explained),
        decided=_at(check.decided),
        decided_by=check.decided_by,
        supported=check.supported,
        validated=_at(check.validated),
        validated_by=check.validated_by,
        agreed=check.agreed,
    )


def _at(moment: float | None) -> str | None:
    return None if moment is None else to_text(moment)
