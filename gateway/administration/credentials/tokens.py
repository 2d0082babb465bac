"""Tokens: who a program is, for the interface for programs. Made at the command line, shown once, kept as SHA-256.

A token belongs to a person of the site and may do what it was made for, as far as its owner may do it at that moment: whoever suspends the owner,
or takes a role away, ends what the token may. It is about some flows and, where they are named, some partners. Each is made and revoked
by an event of the chain. Raises UsageWrong, RightMissing, NotFound, PersonUnknown, and what the store and the ledger raise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from gateway.administration.credentials.context import CredentialContext, digest_of
from gateway.administration.credentials.refusals import TOKEN
from gateway.administration.credentials.rows import StoredToken
from gateway.administration.people.roster import find
from gateway.domain.decision import Decision
from gateway.domain.identity import to_text
from gateway.domain.people import PROGRAMS, PersonState, Right, Token, may, require_token_name
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger.queries.people import find_person
from gateway.settings.model import Settings

PREFIX: Final = "gwt_"
"""What every token begins with, so that programs that look for secrets in the wrong places find it."""
_DAY: Final = 86_400.0
_SEEN_SECONDS: Final = 60.0
"""A use within so many seconds of the last one is not worth a write."""


@dataclass(frozen=True)
class Grant:
    """What a token is made for. Without partners it is about all of them."""

    rights: Collection[Right]
    flows: Collection[str]
    partners: Collection[str]
    days: int


@dataclass(frozen=True)
class TokenView:
    """A token as people read it: the contract of `gateway tokens list --json`. `state` is active, ended, or owner-STATE."""

    name: str
    owner: str
    rights: tuple[str, ...]
    flows: tuple[str, ...]
    partners: tuple[str, ...]
    created: str
    ends: str
    used: str | None
    state: str


def add(
    context: CredentialContext, settings: Settings, name: str, owner: str, grant: Grant, decision: Decision
) -> tuple[str, TokenView]:
    """A new token, which nobody can be shown again, and what is known of it. UsageWrong where the name is taken."""
    require_token_name(name)
    rights, flows, partners = _checked(settings, grant)
    secret, now = PREFIX + context.token(), context.clock()
    stored = StoredToken(
        name,
        digest_of(secret),
        owner,
        rights=" ".join(rights),
        flows=" ".join(flows),
        partners=" ".join(partners),
        created=now,
        ends=now + grant.days * _DAY,
        used=0.0,
    )
    with context.store.write() as records:
        if any(each.name == name for each in records.tokens()):
            raise UsageWrong(f"There is a token {name}: revoke it first, or take another name.")
        with context.ledger.write() as transaction:
            person = find(transaction.connection, owner)
            if missing := [right for right in rights if not may(person, Right(right))]:
                raise RightMissing(f"{owner} ({person.state}) does not have the right to {', '.join(missing)}")
            told: dict[str, Any] = {"user": owner, "rights": rights, "flows": flows, "partners": partners or None}
            transaction.record("token.added", TOKEN, name, until=to_text(stored.ends), **told, **decision.detail)
        records.keep_token(stored)
    return secret, _shown(stored, PersonState.ACTIVE, now)


def revoke(context: CredentialContext, name: str, decision: Decision) -> None:
    """A token is worth nothing from now on. NotFound where there is none of that name."""
    with context.store.write() as records:
        if not records.remove_token(name):
            raise NotFound(f"there is no token {name[:40]!r}")
        with context.ledger.write() as transaction:
            transaction.record("token.revoked", TOKEN, name, **decision.detail)


def listed(context: CredentialContext) -> list[TokenView]:
    """All tokens, by name."""
    with context.store.read() as records:
        stored = records.tokens()
    with context.ledger.read() as connection:
        owners = {each.owner: find_person(connection, each.owner) for each in stored}
    found = []
    for each in stored:
        owner = owners[each.owner]
        found.append(_shown(each, PersonState.LEFT if owner is None else owner.state, context.clock()))
    return found


def look(context: CredentialContext, secret: str) -> Token | None:
    """Whose token it is, with its owner as the ledger has them now; None where there is none, it has ended, or its owner is not active. One of
    after now was made before the clock was set back, and has ended.
    """
    if not secret.startswith(PREFIX):
        return None
    now = context.clock()
    with context.store.read() as records:
        stored = records.token(digest_of(secret))
    if stored is None or not stored.created <= now < stored.ends:
        return None
    with context.ledger.read() as connection:
        owner = find_person(connection, stored.owner)
    if owner is None or owner.state is not PersonState.ACTIVE:
        return None
    if not 0 <= now - stored.used < _SEEN_SECONDS:
        with context.store.write() as records:
            records.see_token(stored.name, now)
    partners = frozenset(stored.partners.split())
    return Token(
        stored.name,
        owner,
        frozenset(map(Right, stored.rights.split())),
        frozenset(stored.flows.split()),
        partners or None,
        stored.ends,
    )


def _checked(settings: Settings, grant: Grant) -> tuple[list[str], list[str], list[str]]:
    rights, flows, partners = sorted(set(grant.rights)), sorted(set(grant.flows)), sorted(set(grant.partners))
    if not rights or not flows:
        raise UsageWrong("Give at least one right and one flow.")
    if outside := [right for right in rights if right not in PROGRAMS]:
        raise UsageWrong(f"No program can have the right to {outside[0]}.")
    for what, given, known in (("flow", flows, settings.flows), ("partner", partners, settings.codes)):
        if unknown := [each for each in given if each not in known]:
            raise UsageWrong(f"There is no {what} {unknown[0][:40]!r} at this site.")
    return [str(right) for right in rights], flows, partners


def _shown(stored: StoredToken, owner: PersonState, now: float) -> TokenView:
    state = "active" if stored.created <= now < stored.ends else "ended"
    return TokenView(
        stored.name,
        stored.owner,
        tuple(stored.rights.split()),
        tuple(stored.flows.split()),
        tuple(stored.partners.split()),
        to_text(stored.created),
        to_text(stored.ends),
        to_text(stored.used) if stored.used else None,
        state if owner is PersonState.ACTIVE else f"owner-{owner}",
    )
