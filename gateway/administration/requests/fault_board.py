"""Keep the board of known faults at DWP's site, and send it. Raises what the policy in `stages.fault_board` raises.

Each change gives the issue that it makes; with `publish` it goes to every partner at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from gateway.administration.requests.actors import stage_context
from gateway.assembly import reading
from gateway.domain.decision import Decision
from gateway.domain.known_faults import FLOW, Board
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages import fault_board
from gateway.stages.context import StageContext
from gateway.stages.fault_board import Published
from gateway.validation.sandbox.pool import Sandbox

__all__ = ["Published", "add", "change", "close", "publish"]


def add(
    settings: Settings,
    log: Logger,
    identity: str,
    what: str,
    since: date,
    workaround: str | None,
    decision: Decision,
    *,
    publish: bool,
) -> Published:
    """Put a fault on the board."""
    return _change(
        settings,
        log,
        decision,
        lambda context: fault_board.add(context, identity, what, since, workaround, decision),
        publish=publish,
    )


def change(
    settings: Settings,
    log: Logger,
    identity: str,
    what: str | None,
    workaround: str | None,
    decision: Decision,
    *,
    publish: bool,
) -> Published:
    """Say what is wrong, or what to do meanwhile, in other words."""
    return _change(
        settings,
        log,
        decision,
        lambda context: fault_board.change(context, identity, what, workaround, decision),
        publish=publish,
    )


def close(settings: Settings, log: Logger, identity: str, decision: Decision, *, publish: bool) -> Published:
    """Say that a fault is mended."""
    return _change(
        settings, log, decision, lambda context: fault_board.close(context, identity, decision), publish=publish
    )


def publish(settings: Settings, log: Logger, decision: Decision) -> Published:
    """Send the board as it is to every partner."""
    with stage_context(settings, log) as context:
        return _publish(context, decision)


def _change(
    settings: Settings, log: Logger, decision: Decision, act: Callable[[StageContext], Board], *, publish: bool
) -> Published:
    with stage_context(settings, log) as context:
        board = act(context)
        return _publish(context, decision) if publish else Published(board.issue, {})


def _publish(context: StageContext, decision: Decision) -> Published:
    with Sandbox({FLOW: reading.plans(context.settings)[FLOW]}, 1) as readers:
        return fault_board.publish(context, readers, decision)
