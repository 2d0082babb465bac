"""Who asks something of a site, and why; and the site's surroundings while it is done.

Raises UsageWrong for a reason that says nothing, NotPermitted where this user may not change the site's state. The chain
is the record of what was decided.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial

from gateway.administration.access import ROLE, permitted
from gateway.administration.requests.asking import reason_text
from gateway.assembly import roles
from gateway.daemon.roles import wake_all
from gateway.domain.decision import Decision
from gateway.errors import GatewayError
from gateway.ledger.dispatch import dispatch_of
from gateway.linux.caller import caller
from gateway.logs import Logger, announcer, safe_text
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.refusals import record_refused


@contextmanager
def stage_context(settings: Settings, log: Logger) -> Iterator[StageContext]:
    """The site's surroundings for one request; every commit wakes the roles of this machine, and of nodes whose lanes it is about."""
    with permitted():
        context = roles.stage_context(settings, ROLE, log, lambda: False)
    ring = partial(wake_all, settings.home.run)
    context.ledger.dispatch = dispatch_of(settings.ledger_place, settings.node.name, ring, announcer(log))
    try:
        yield context
    finally:
        context.ledger.close()


def decision(reason: str | None = None, actor: str | None = None) -> Decision:
    """A person's decision, its reason masked and on one line; the actor is whoever stands behind this process, unless named."""
    text = "" if reason is None else reason_text(reason)
    if actor is not None:
        return Decision(actor, text)
    found = caller(os.getuid(), os.getpid(), os.environ)
    if found.known_by is None:
        return Decision(_name(found.account), text)
    return Decision(_name(found.login), text, _name(found.account), str(found.known_by))


def done(settings: Settings, log: Logger, event: str, decision: Decision) -> None:
    """Record what a person did to the site as a whole."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        transaction.record(event, "site", context.site, **decision.detail)


@contextmanager
def attempt(settings: Settings, log: Logger, act: str, about: str, decision: Decision) -> Iterator[None]:
    """Record what is refused, or fails, inside."""
    try:
        yield
    except (GatewayError, OSError) as error:
        code = error.code if isinstance(error, GatewayError) else type(error).__name__
        refused(settings, log, act, about, decision, code)
        raise


def refused(settings: Settings, log: Logger, act: str, about: str, decision: Decision, code: str) -> None:
    """Record that a decision was refused; nothing where this user may not write to the ledger, or nobody can now."""
    with suppress(GatewayError), permitted():
        context = roles.stage_context(settings, ROLE, log, lambda: False)
        with closing(context.ledger), context.ledger.write() as transaction:
            record_refused(transaction, settings, act, about, decision, code)


def _name(user: int) -> str:
    try:
        return safe_text(pwd.getpwuid(user).pw_name)[:64]
    except KeyError:
        return f"uid {user}"
