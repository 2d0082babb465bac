"""Invoking business continuity, saying how it stands, who was told, and ending it. The chain is the record.

Partners are told by what this site signs: a notice is in every manifest and receipt from then on (`stages.continuity`), so it
goes with whatever goes to them next, by the link or by hand. Raises UsageWrong where it is invoked already, or is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.administration.requests.actors import stage_context
from gateway.domain.decision import Decision
from gateway.errors import UsageWrong
from gateway.ledger.queries import continuity
from gateway.ledger.queries.continuity import ENDED, INVOKED, SUBJECT, TOLD, UPDATED, Standing
from gateway.ledger.store import Transaction
from gateway.logs import Logger
from gateway.settings.model import Settings


@dataclass(frozen=True)
class Tell:
    """Somebody on the list: the place in it, from 1, and whether somebody has said that they were told."""

    place: int
    who: str
    told: bool


@dataclass(frozen=True)
class Continuity:
    """How it stands: the contract of `--json`. `since` is None where continuity is not invoked."""

    since: str | None
    updated: str | None
    reason: str | None
    tell: tuple[Tell, ...]


def invoke(settings: Settings, log: Logger, decision: Decision) -> Continuity:
    """Invoke it."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        if (known := continuity.standing(transaction.connection)) is not None:
            raise UsageWrong(
                f"Continuity is invoked since {known.since}: `gateway continuity update` says how it stands."
            )
        transaction.record(INVOKED, SUBJECT, SUBJECT, **decision.detail)
    return shown(settings, log)


def update(settings: Settings, log: Logger, decision: Decision) -> Continuity:
    """Say how it stands."""
    return _said(settings, log, UPDATED, decision)


def told(settings: Settings, log: Logger, place: int, decision: Decision) -> Continuity:
    """Note that whoever has this place in the list was told."""
    if not 1 <= place <= len(settings.continuity.tell):
        raise UsageWrong(
            f"The list in [continuity] tell has {len(settings.continuity.tell)} lines, and no line {place}."
        )
    return _said(settings, log, TOLD, decision, count=place)


def end(settings: Settings, log: Logger, decision: Decision) -> Continuity:
    """End it."""
    return _said(settings, log, ENDED, decision)


def shown(settings: Settings, log: Logger) -> Continuity:
    """How it stands now."""
    with stage_context(settings, log) as context, context.ledger.read() as connection:
        return _shown(settings.continuity.tell, continuity.standing(connection))


def _said(settings: Settings, log: Logger, event: str, decision: Decision, count: int | None = None) -> Continuity:
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        _require_invoked(transaction)
        transaction.record(event, SUBJECT, SUBJECT, count=count, **decision.detail)
    return shown(settings, log)


def _require_invoked(transaction: Transaction) -> None:
    if continuity.invoked(transaction.connection) is None:
        raise UsageWrong("Continuity is not invoked: `gateway continuity invoke --reason TEXT` invokes it.")


def _shown(tell: Sequence[str], standing: Standing | None) -> Continuity:
    done = () if standing is None else standing.told
    return Continuity(
        None if standing is None else standing.since,
        None if standing is None else standing.updated,
        None if standing is None else standing.reason,
        tuple(Tell(place, who, place in done) for place, who in enumerate(tell, 1)),
    )
