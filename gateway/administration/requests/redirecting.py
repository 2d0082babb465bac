"""Pass a delivered file on to the authority that it belongs to. Raises what the policy in `stages.redirecting` raises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gateway.administration.requests.actors import stage_context
from gateway.administration.site.machine import roles_that_do_not_run
from gateway.assembly import reading
from gateway.domain.decision import Decision
from gateway.domain.redirect import FLOW, MAX_EXPLANATION, Why
from gateway.errors import UsageWrong
from gateway.logs import Logger, safe_text
from gateway.settings.model import Settings
from gateway.stages import redirecting
from gateway.stages.redirecting import Order, Passed
from gateway.validation.sandbox.pool import Sandbox

__all__ = ["Passed", "Redirected", "order", "redirect"]


@dataclass(frozen=True)
class Redirected:
    """What was done, or would be, and the roles that do not run."""

    passed: Passed
    missing: tuple[str, ...]


def order(to: str, reason: str, opened: str, note: str | None, given: Path | None, decision: Decision) -> Order:
    """What a person wants, the note masked and on one line; UsageWrong for a note that is too long or missing."""
    text = safe_text(" ".join((note or "").split()))
    if len(text) > MAX_EXPLANATION:
        raise UsageWrong(f"--note takes at most {MAX_EXPLANATION} characters.")
    if reason == Why.OTHER and not text:
        raise UsageWrong("--reason other needs a --note that says why.")
    return Order(to, reason, opened, text or None, replace(decision, reason=text), given)


def redirect(settings: Settings, log: Logger, identity: str, order: Order, *, dry_run: bool) -> Redirected:
    """Pass the transfer on whose id starts so."""
    with stage_context(settings, log) as context:
        with Sandbox({FLOW: reading.plans(settings)[FLOW]}, 1) as readers:
            passed = redirecting.redirect(context, identity, order, readers, dry_run=dry_run)
        return Redirected(passed, tuple(roles_that_do_not_run(settings)))
