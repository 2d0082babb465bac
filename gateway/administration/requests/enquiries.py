"""Ask a partner, answer a partner's enquiry, close one. Raises what the policy in `stages.enquiring` raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.administration.requests.actors import stage_context
from gateway.administration.site.machine import roles_that_do_not_run
from gateway.assembly import reading
from gateway.domain.decision import Decision
from gateway.domain.enquiries import Enquiry
from gateway.domain.enquiry import ENQUIRY, REPLY
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages import enquiring
from gateway.stages.context import StageContext
from gateway.stages.enquiring import Question, Reply, Submitted
from gateway.validation.sandbox.pool import Sandbox

__all__ = ["Question", "Reply", "Sent", "close", "reply", "send"]


@dataclass(frozen=True)
class Sent:
    """The letter that goes, and the roles that do not run: it waits for them in custody."""

    submitted: Submitted
    missing: tuple[str, ...]


def send(settings: Settings, log: Logger, question: Question, decision: Decision) -> Sent:
    """Send an enquiry to a partner."""
    return _submit(
        settings, log, ENQUIRY, lambda context, readers: enquiring.send(context, question, readers, decision)
    )


def reply(settings: Settings, log: Logger, answer: Reply, decision: Decision) -> Sent:
    """Answer an enquiry that came."""
    return _submit(settings, log, REPLY, lambda context, readers: enquiring.reply(context, answer, readers, decision))


def close(settings: Settings, log: Logger, reference: str, partner: str | None, decision: Decision) -> Enquiry:
    """Close an enquiry that is settled without a reply."""
    with stage_context(settings, log) as context:
        return enquiring.close(context, reference, partner, decision)


def _submit(settings: Settings, log: Logger, flow: str, act: Callable[[StageContext, Sandbox], Submitted]) -> Sent:
    """The act with a reader of the flow's documents."""
    with stage_context(settings, log) as context:
        with Sandbox({flow: reading.plans(settings)[flow]}, 1) as readers:
            done = act(context, readers)
        return Sent(done, tuple(roles_that_do_not_run(settings)))
