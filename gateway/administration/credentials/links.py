"""One-time links: by one, and by nothing else, somebody sets a first password, or a new one who has forgotten the old.

An administrator makes it and gives it to the person by another way than mail that others read. It comes with a new second factor, is good
for a day, once, and only while nothing about the person changes. Raises LinkRefused, SignInRefused, PasswordRefused, PersonUnknown,
UsageWrong, and what the store and the ledger raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.administration.credentials import second_factor
from gateway.administration.credentials.context import CredentialContext, digest_of
from gateway.administration.credentials.passwords import require_good
from gateway.administration.credentials.rows import Credential, Link
from gateway.administration.credentials.sessions import end_all
from gateway.administration.credentials.store import Records
from gateway.administration.people.roster import find
from gateway.domain.decision import Decision
from gateway.domain.people import Person, PersonState
from gateway.errors import GatewayError, LinkRefused, PasswordRefused, SignInRefused, UsageWrong
from gateway.ledger.people import KIND
from gateway.ledger.queries.people import find_person
from gateway.ledger.store import Transaction

_OTHER_CODE: Final = "the code is not the one that the app shows now"


@dataclass(frozen=True)
class Start:
    """What the page behind a link shows: whose it is, and the second factor, as text and as the address that an app reads."""

    person: Person
    secret: str
    address: str


def issue(context: CredentialContext, user: str, decision: Decision) -> str:
    """A new link's token, instead of any before; attempts that failed are forgiven. UsageWrong for somebody who is not active."""
    return issue_by(context, user, lambda _: decision)


def issue_by(context: CredentialContext, user: str, decide: Callable[[Transaction], Decision]) -> str:
    """The same, by what somebody decides in the transaction that issues it: whatever `decide` raises, there is no link."""
    token = context.token()
    with context.store.write() as records:
        with context.ledger.write() as transaction:
            decision = decide(transaction)
            person = find(transaction.connection, user)
            if person.state is not PersonState.ACTIVE:
                raise UsageWrong(f"{user} is {person.state}: no link.")
            transaction.record("link.issued", KIND, user, log={"user": user}, **decision.detail)
        secret = second_factor.new_secret(context.random_bytes)
        expires = context.clock() + context.settings.link_hours * 3600.0
        records.keep_link(Link(user, digest_of(token), person.changes, secret, expires))
        records.forget_failures(context.store.digest("user", user))
    return token


def address(context: CredentialContext, token: str) -> str:
    """Where a browser finds it; without `[console] address` or `listen`, from the path on."""
    return f"{context.settings.origin}/start/{token}"


def start(context: CredentialContext, token: str) -> Start:
    """What is behind a link; nothing is used up."""
    with context.store.read() as records:
        link = _link(context, records, token)
    person = _person(context, link)
    return Start(person, link.secret, second_factor.address_of(link.secret, person.user, context.site))


def faults(context: CredentialContext, token: str, password: str, code: str) -> dict[str, GatewayError]:
    """All that `use` would refuse, by field, `password` and `code`; nothing is used up."""
    found = start(context, token)
    refused: dict[str, GatewayError] = {}
    try:
        require_good(password, found.person.user, found.person.name, context.site)
    except PasswordRefused as error:
        refused["password"] = error
    if second_factor.step_of(found.secret, code, context.clock()) is None:
        refused["code"] = SignInRefused(_OTHER_CODE)
    return refused


def use(context: CredentialContext, token: str, password: str, code: str) -> Person:
    """Set the password, and the second factor that `code` is of; the link is used up, and the person's sessions and passkeys end."""
    found = start(context, token)
    person = found.person
    require_good(password, person.user, person.name, context.site)
    now = context.clock()
    step = second_factor.step_of(found.secret, code, now)
    if step is None:
        raise SignInRefused(_OTHER_CODE)
    hashed = context.passwords.hash(password)
    with context.store.write() as records:
        if not records.use_link(digest_of(token)):
            raise LinkRefused
        records.keep_credential(Credential(person.user, hashed, now, found.secret, step))
        end_all(context, records, person.user, "password")
        with context.ledger.write() as transaction:
            if find_person(transaction.connection, person.user) != person:
                raise LinkRefused
            for each in records.passkeys(person.user):  # who lost one, or its secret, starts anew
                records.remove_passkey(person.user, each.id)
                told = digest_of(each.id)
                transaction.record(
                    "passkey.removed", KIND, person.user, log={"user": person.user}, sha256=told, act="link"
                )
            transaction.record("password.set", KIND, person.user, log={"user": person.user}, act="link")
    return person


def _link(context: CredentialContext, records: Records, token: str) -> Link:
    """LinkRefused for one that is not there, or past its time; one of after any was made before the clock was set back."""
    link, now = records.link(digest_of(token)), context.clock()
    if link is None or not now < link.expires <= now + context.settings.link_hours * 3600.0:
        raise LinkRefused
    return link


def _person(context: CredentialContext, link: Link) -> Person:
    with context.ledger.read() as connection:
        person = find_person(connection, link.user)
    if person is None or person.state is not PersonState.ACTIVE or person.changes != link.changes:
        raise LinkRefused
    return person
