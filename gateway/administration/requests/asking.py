"""Ask a running gateway for an act through its ledger, as a person of the console, and read the answer: the road of whoever holds no
key. What takes two people waits for another person, who agrees or declines; whoever asked may withdraw it until then.

Needs the ledger and the domain only. Raises UsageWrong for what no request can be made of, or nobody can decide any more, RightMissing
where the person may not do that, NotFound for a request that there is not, NotPermitted where this user may not change the site's
state, and what the ledger raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from gateway.administration.access import reading
from gateway.daemon.wake_ups import wake
from gateway.domain.decision import Decision
from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.requests import Act
from gateway.errors import UsageWrong
from gateway.ledger import proposals, requests
from gateway.ledger.queries.requests import open_about
from gateway.ledger.store import Ledger, Transaction
from gateway.ledger.units import Request
from gateway.logs import safe_text
from gateway.settings.console import ConsoleSettings
from gateway.settings.model import Settings

_LONGEST_REASON: Final = 300
_LONGEST_SUBJECT: Final = 100
_LONGEST_ACTOR: Final = 64
_LONGEST_ARGUMENT: Final = 65_536
_DAY: Final = 86_400.0


def ask(
    settings: Settings,
    ledger: Ledger,
    act: Act,
    subject: str,
    actor: str,
    reason: str,
    argument: str | None = None,
    *,
    once: bool = False,
) -> str:
    """Ask for an act about what `subject` names, as the person with the user id `actor`; returns the request's id. `argument` is what is
    asked for in particular, as the act takes it. With `once` UsageWrong where the same was asked and is open.

    The request is committed. Where it takes two people it waits for another one, else the role that carries it out is woken. `answer`
    tells what became of it.
    """
    text = reason_text(reason)
    if not _is_plain(subject, _LONGEST_SUBJECT):
        raise UsageWrong("Give the whole id of what the request is about, or a partner's code.")
    if not _is_plain(actor, _LONGEST_ACTOR):
        raise UsageWrong(f"The name of whoever asks has 1 to {_LONGEST_ACTOR} printable characters.")
    if argument is not None and len(argument) > _LONGEST_ARGUMENT:
        raise UsageWrong(f"What is asked for in particular has at most {_LONGEST_ARGUMENT} characters.")
    identity = new_id(ledger.clock(), os.urandom(RANDOM_BYTES))
    with ledger.write() as transaction:
        if once and open_about(transaction.connection, [act], subject):
            raise UsageWrong("The same was asked already, and has no answer yet: look under Requests.")
        requests.ask(transaction, identity, act, subject, actor, text, argument=argument)
    if act.people == 1:
        wake(settings.home.run, act.role)
    return identity


def agree(settings: Settings, ledger: Ledger, identity: str, user: str, reason: str) -> Request:
    """Agree to what somebody else asked, as a second person with the right that it takes; the role that carries it out is woken."""
    decision = Decision(user, reason_text(reason))
    with ledger.write() as transaction:
        if requests.find(transaction.connection, identity).act.role in ("console", "machine"):
            raise UsageWrong("What is about people or partners' keys is agreed to in the console, where more is asked.")
        agreed = proposals.agree(transaction, identity, decision, oldest(settings.console, transaction.now))
    wake(settings.home.run, agreed.act.role)
    return agreed


def oldest(settings: ConsoleSettings, now: float) -> float:
    """Nobody can agree any more to what was proposed by then."""
    return now - settings.proposal_days * _DAY


def lapse(settings: ConsoleSettings, ledger: Ledger) -> int:
    """End what was asked, nobody decided in time, and no stage ends; how many requests that were."""
    with ledger.read() as connection:
        over = proposals.over(connection, [act for act in Act if not act.by_stage], oldest(settings, ledger.clock()))
    if not over:
        return 0
    with ledger.write() as transaction:
        return proposals.lapse(transaction, over)


def decline(ledger: Ledger, identity: str, user: str, reason: str) -> Request:
    """Decline what somebody else asked, as a second person with the right that it takes."""
    return _decide(proposals.decline, ledger, identity, user, reason)


def withdraw(ledger: Ledger, identity: str, user: str, reason: str) -> Request:
    """Take back what one has asked for, before somebody else agreed or declined."""
    return _decide(proposals.withdraw, ledger, identity, user, reason)


def answer(settings: Settings, identity: str) -> Request:
    """The request of that id as it is now: proposed, asked, done, refused with code, refusal and remedy, or not agreed to."""
    with reading(settings) as connection:
        return requests.find(connection, identity)


def reason_text(reason: str) -> str:
    """A person's reason, masked and on one line; UsageWrong for one that says nothing."""
    text = " ".join(reason.split())
    if not 3 <= len(text) <= _LONGEST_REASON:
        raise UsageWrong(f"Give a reason of 3 to {_LONGEST_REASON} characters that others will understand.")
    return safe_text(text)


def _decide(
    step: Callable[[Transaction, str, Decision], Request], ledger: Ledger, identity: str, user: str, reason: str
) -> Request:
    decision = Decision(user, reason_text(reason))
    with ledger.write() as transaction:
        return step(transaction, identity, decision)


def _is_plain(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text == safe_text(text)
