"""Hold, release, retry, return, and discard from quarantine. Raises what the policy in `stages.decisions` raises."""

from __future__ import annotations

from collections.abc import Callable

from gateway.administration.requests.actors import stage_context
from gateway.administration.views.records import QuarantinedView, quarantined
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages import decisions
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided, Decision

Act = Callable[[StageContext, str, Decision], Decided]
Request = Callable[[Settings, Logger, str, Decision], Decided]


def hold(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Keep a transfer that is not packed yet."""
    return _decide(decisions.hold, settings, log, identity, decision)


def release(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Let a held transfer, consignment, or a partner's lane go on where it stopped."""
    return _decide(decisions.release, settings, log, identity, decision)


def retry(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Try now what waits for later: a transfer, a consignment, or a partner's lane."""
    return _decide(decisions.retry, settings, log, identity, decision)


def give_back(settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    """Give a transfer back to whoever submitted it, or refuse one that came."""
    return _decide(decisions.return_to_operator, settings, log, identity, decision)


def discard(settings: Settings, log: Logger, identity: str, decision: Decision) -> QuarantinedView:
    """Remove a quarantined file for good."""
    with stage_context(settings, log) as context:
        return quarantined(decisions.discard(context, identity, decision))


def _decide(act: Act, settings: Settings, log: Logger, identity: str, decision: Decision) -> Decided:
    with stage_context(settings, log) as context:
        return act(context, identity, decision)
