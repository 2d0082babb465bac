"""Legal holds by a command. Raises what the policy in `stages.legal_holds` raises."""

from __future__ import annotations

from gateway.administration.requests.actors import stage_context
from gateway.domain.decision import Decision
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages import legal_holds
from gateway.stages.legal_holds import Kept

__all__ = ["Kept", "place", "release"]


def place(settings: Settings, log: Logger, identity: str | None, partner: str | None, decision: Decision) -> Kept:
    """Keep what has an id that starts so, or everything of a partner, until `release`."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        return legal_holds.place(context, transaction, identity, partner, decision)


def release(settings: Settings, log: Logger, identity: str | None, partner: str | None, decision: Decision) -> Kept:
    """End the hold on it: its time counts again, from where it began."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        return legal_holds.release(context, transaction, identity, partner, decision)
