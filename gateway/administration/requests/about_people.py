"""What two administrators decide about somebody who uses the console: roles, a resumption, a one-time link. One asks, another agrees.

People are the console's own business, so nothing waits for a role: what was asked is carried out in the transaction in which the second
person agrees, and the policy is asked there for both. Neither of them is whom it is about; the table refuses that too. What cannot be done
is answered there as well: the request is *refused*, with its event.

Needs the ledger, the domain and the credentials only. Raises RightMissing, UsageWrong, NotFound, PersonUnknown, RolesApart,
TrainingMissing, and what the ledger and the console's database raise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gateway.administration.credentials import links
from gateway.administration.credentials.context import CONSOLE, CredentialContext
from gateway.administration.credentials.store import Records
from gateway.administration.people.roster import find
from gateway.administration.requests import asking
from gateway.administration.requests.asking import reason_text
from gateway.domain.decision import Decision
from gateway.domain.people import Person, PersonRole, PersonState, read_roles, require_roles, roles_text
from gateway.domain.requests import Act
from gateway.errors import ImpossibleMove, Misuse, UsageWrong
from gateway.ledger import people, proposals, requests
from gateway.ledger.requests import Done, Refused
from gateway.ledger.store import Ledger, Transaction
from gateway.ledger.units import Request
from gateway.settings.model import Settings

ACTS: Final = tuple(act for act in Act if act.about_people)


@dataclass(frozen=True)
class Answered:
    """A request as it is after a second person agreed; `link` is the address that was asked for, once, where one was."""

    request: Request
    link: str | None = None


def ask_for_roles(
    settings: Settings, ledger: Ledger, user: str, roles: Collection[PersonRole], actor: str, reason: str
) -> str:
    """Ask that somebody has these roles instead of those before; the request's id."""
    person = _present(ledger, user)
    require_roles(roles, person.agreement, person.training)
    if frozenset(roles) == person.roles:
        raise UsageWrong(f"{user} has just these roles: say what changes.")
    return asking.ask(settings, ledger, Act.CHANGE_ROLES, user, actor, reason, roles_text(roles))


def ask_to_resume(settings: Settings, ledger: Ledger, user: str, actor: str, reason: str) -> str:
    """Ask that the rights of somebody who is suspended count again; the request's id."""
    if _present(ledger, user).state is not PersonState.SUSPENDED:
        raise UsageWrong(f"{user} is not suspended.")
    return asking.ask(settings, ledger, Act.RESUME, user, actor, reason, once=True)


def ask_for_link(settings: Settings, ledger: Ledger, user: str, actor: str, reason: str) -> str:
    """Ask for a one-time link for somebody who has a role; the request's id."""
    if _present(ledger, user).state is not PersonState.ACTIVE:
        raise UsageWrong(f"{user} is suspended: no link.")
    return asking.ask(settings, ledger, Act.ISSUE_LINK, user, actor, reason, once=True)


def issue_link(context: CredentialContext, user: str, actor: str, reason: str) -> str:
    """One person's link for somebody who has no role yet; its address. UsageWrong where somebody has one: that takes two people."""
    decision = Decision(actor, reason_text(reason))

    def decide(transaction: Transaction) -> Decision:
        requests.require_right(transaction.connection, actor, Act.ISSUE_LINK.right)
        if user == actor or find(transaction.connection, user).roles:
            raise UsageWrong(f"A link for {user} takes two people: ask for it.")
        return decision

    return links.address(context, links.issue_by(context, user, decide))


def agree(context: CredentialContext, identity: str, user: str, reason: str) -> Answered:
    """Agree to what another administrator asked, and carry it out, or refuse it."""
    decision, ledger = Decision(user, reason_text(reason)), context.ledger
    with ledger.read() as connection:
        asked = requests.find(connection, identity)
    if asked.act not in ACTS:
        raise UsageWrong("That request is about no person.")

    def agreed(transaction: Transaction) -> Request:
        found = proposals.agree(transaction, identity, decision, asking.oldest(context.settings, transaction.now))
        taken = requests.take(transaction, found, CONSOLE)
        if taken is None:
            raise ImpossibleMove(f"request {identity} belongs to somebody else")
        return taken

    def carried_out(transaction: Transaction) -> Decision:
        taken = agreed(transaction)
        requests.require_permitted(transaction.connection, taken)
        both = _both(taken)
        became = _carry_out(transaction, taken, both)
        requests.finish(transaction, taken, Done(people.KIND, taken.subject, None, became))
        return both

    link = None
    try:
        if asked.act is Act.ISSUE_LINK:
            link = links.address(context, links.issue_by(context, asked.subject, carried_out))
        else:
            with context.store.write() as records:
                if asked.act is Act.CHANGE_ROLES:
                    _forget_before_first_role(ledger, records, asked.subject)
                with ledger.write() as transaction:
                    carried_out(transaction)
    except Misuse as error:
        with ledger.write() as transaction:
            _refuse(transaction, agreed(transaction), error)
    with ledger.read() as connection:
        return Answered(requests.find(connection, identity), link)


def _forget_before_first_role(ledger: Ledger, records: Records, user: str) -> None:
    """One administrator alone makes the link of somebody without a role, and could have used it: what was set by it is worth nothing
    to who gets a role. The link that they sign in with then takes two people.
    """
    with ledger.read() as connection:
        if not find(connection, user).roles:
            records.forget(user)


def _present(ledger: Ledger, user: str) -> Person:
    with ledger.read() as connection:
        person = find(connection, user)
    if person.state is PersonState.LEFT:
        raise UsageWrong(f"{user} has left: whoever comes back gets a new user id.")
    return person


def _both(request: Request) -> Decision:
    return Decision(request.actor, request.reason, second=request.decider)


def _carry_out(transaction: Transaction, request: Request, both: Decision) -> str:
    """Do it, as far as the ledger goes; what the person has, or is, then."""
    if request.act is Act.CHANGE_ROLES:
        roles = read_roles(request.argument or "")
        people.change(transaction, request.subject, both, roles=roles)
        return roles_text(roles)
    if request.act is Act.RESUME:
        return str(people.resume(transaction, request.subject, both).state)
    return "link issued"


def _refuse(transaction: Transaction, request: Request, error: Misuse) -> None:
    transaction.record(
        "decision.refused", people.KIND, request.subject, act=str(request.act), code=error.code, **_both(request).detail
    )
    requests.finish(transaction, request, Refused(error.code, error.reason, error.remedy))
