"""Hold, release, retry, return, and discard from quarantine, at once: each is recorded as a request with its answer.

Raises what the policy in `stages.decisions` raises; whether a gateway runs makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.administration.requests.actors import stage_context
from gateway.administration.views.records import QuarantinedView, quarantined
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.ledger.queries.quarantine import find_quarantined
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.decisions import Decided
from gateway.stages.request_answers import decide

Request = Callable[[Settings, Logger, str, Decision], Decided]


def hold(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Keep a transfer that is not packed yet."""
    return _decide(Act.HOLD, settings, log, identity, decision)


def release(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Let a held transfer, consignment, or a partner's lane go on where it stopped."""
    return _decide(Act.RELEASE, settings, log, identity, decision)


def retry(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Try now what waits for later: a transfer, a consignment, or a partner's lane."""
    return _decide(Act.RETRY, settings, log, identity, decision)


def give_back(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Give a transfer back to whoever submitted it, or refuse one that came."""
    return _decide(Act.RETURN, settings, log, identity, decision)


def discard(settings: Settings, log: Logger, identity: str, decision: Decision) -> QuarantinedView:
    """Remove a quarantined file for good."""
    with stage_context(settings, log) as context:
        discarded = decide(context, Act.DISCARD, identity, decision)
        with context.ledger.read() as connection:
            return quarantined(find_quarantined(connection, discarded.identity))


def _decide(act: Act, settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    with stage_context(settings, log) as context:
        return decide(context, act, identity, decision)
