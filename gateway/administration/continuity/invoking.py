"""Invoking business continuity, saying how it stands, who was told, and ending it: by a command. The chain is the record.

Partners are told by what this site signs: a notice is in every manifest and receipt from then on (`stages.continuity`), so it
goes with whatever goes to them next, by the link or by hand. Raises UsageWrong where it is invoked already, or is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.administration.requests.actors import stage_context
from gateway.administration.views.continuity import Continuity, continuity
from gateway.domain.decision import Decision
from gateway.ledger import continuity as ledger
from gateway.ledger.store import Transaction
from gateway.logs import Logger
from gateway.settings.model import Settings

__all__ = ["Continuity", "end", "invoke", "shown", "told", "update"]


def invoke(settings: Settings, log: Logger, decision: Decision) -> Continuity:
    """Invoke it."""
    return _said(settings, log, partial(ledger.invoke, decision=decision))


def update(settings: Settings, log: Logger, decision: Decision) -> Continuity:
    """Say how it stands."""
    return _said(settings, log, partial(ledger.update, decision=decision))


def told(settings: Settings, log: Logger, place: int, decision: Decision) -> Continuity:
    """Note that whoever has this place in the list was told."""
    length = len(settings.continuity.tell)
    return _said(settings, log, partial(ledger.told, place=place, length=length, decision=decision))


def end(settings: Settings, log: Logger, decision: Decision) -> Continuity:
    """End it."""
    return _said(settings, log, partial(ledger.end, decision=decision))


def shown(settings: Settings, log: Logger) -> Continuity:
    """How it stands now."""
    with stage_context(settings, log) as context, context.ledger.read() as connection:
        return continuity(settings.continuity.tell, connection)


def _said(settings: Settings, log: Logger, say: Callable[[Transaction], None]) -> Continuity:
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        say(transaction)
    return shown(settings, log)
