"""Signing in by the identity provider: away to it, back from it, and which person of the ledger that is.

Whoever goes gets a random token into the browser, of which everything that binds the answer to this browser and this attempt is derived; the
store has its SHA-256, once and for five minutes. Whoever comes back is a person of the ledger already: nobody becomes one by signing in there. At the first time
the subject, which a provider never gives to another one, is pinned to the person. A user id that somebody else gets at the provider later is
therefore not this person here. An address whose attempts are refused waits as one that guesses passwords.

Raises IdentityRefused, SignInLocked, what the provider raises, and what the store and the ledger raise.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.administration.credentials.context import CredentialContext, digest_of
from gateway.administration.credentials.lockout import of_address
from gateway.administration.credentials.refusals import identity_refused, sign_in_refused
from gateway.administration.credentials.rows import PinnedIdentity, ProviderAttempt, StoredSession
from gateway.administration.credentials.sessions import sign_out
from gateway.administration.credentials.signing_in import forgive_address, locked
from gateway.administration.identity_provider.id_token import Identity
from gateway.administration.identity_provider.provider import Proof, Provider
from gateway.domain.people import Person, PersonState
from gateway.errors import IdentityProviderUnavailable, IdentityRefused
from gateway.ledger.people import KIND
from gateway.ledger.queries.people import find_person

ATTEMPT_SECONDS: Final = 300.0
"""Within which somebody has to come back."""
_NOBODY: Final = "nobody of that user id may sign in here; people are added by an administrator, and not by signing in"
_OTHER: Final = "the identity provider has given this user id to somebody else, or somebody here another user id"
_NOT_BEGUN: Final = "this browser did not begin this sign-in, it took too long, or it was used already"


@dataclass(frozen=True)
class Entered:
    """Somebody who is in: the new session's token, and the page that they wanted."""

    session: str
    onward: str


def begin(context: CredentialContext, provider: Provider, onward: str) -> tuple[str, str]:
    """The token for the browser, and the address at the provider where it goes."""
    token = context.token()
    address = provider.authorization(proof_of(token))
    with context.store.write() as records:
        records.keep_attempt(ProviderAttempt(digest_of(token), onward, context.clock()))
    return token, address


def proof_of(token: str) -> Proof:
    """State, nonce and verifier of an attempt: who sees one of them knows neither the others nor the token."""
    return Proof(
        *(
            hmac.digest(token.encode(errors="replace"), name, hashlib.sha256).hex()
            for name in (b"state", b"nonce", b"verifier")
        )
    )


def finish(
    context: CredentialContext,
    provider: Provider,
    token: str | None,
    query: Mapping[str, str],
    address: str,
    before: str | None = None,
) -> Entered:
    """Let in who comes back from the provider. `token` is the browser's, `query` what the provider gave it. `before` is the token of the session
    that the browser had: it ends. A browser shows it only where the provider is of the same site, as cookies know sites.
    """
    attempt = None if token is None else _taken(context, token, query.get("state", ""))
    if (
        token is None or attempt is None
    ):  # not counted: any page in the world can make a browser ask this, and a state cannot be guessed
        raise _refused(context, address, None, "", "state", _NOT_BEGUN)
    where, free_at = _count(context, address)
    if query.get("iss", provider.settings.issuer) != provider.settings.issuer:  # RFC 9207
        raise _refused(context, address, None, "", "issuer", "another identity provider answered")
    if "code" not in query:
        raise _refused(context, address, None, "", "provider", "the identity provider did not let you in")
    try:
        identity = provider.identify(query["code"], proof_of(token), context.clock())
    except IdentityRefused:
        identity_refused(context, address, None, "", "token")
        raise
    except IdentityProviderUnavailable:
        _forgive(context, where, free_at)
        raise
    entered = _enter(context, provider.settings.issuer, identity, address)
    _forgive(context, where, free_at)
    if before is not None:
        sign_out(context, before)
    return Entered(entered, attempt.onward)


def clear(context: CredentialContext) -> None:
    """Forget who did not come back: from time to time."""
    with context.store.write() as records:
        now = context.clock()
        records.clear_attempts(now - ATTEMPT_SECONDS, now + ATTEMPT_SECONDS)


def _taken(context: CredentialContext, token: str, state: str) -> ProviderAttempt | None:
    """The browser's attempt, used up; None where there is none now. A state that is not its own leaves it as it is."""
    if not hmac.compare_digest(state.encode(errors="replace"), proof_of(token).state.encode()):
        return None
    with context.store.write() as records:
        attempt = records.take_attempt(digest_of(token))
        now = context.clock()
    return attempt if attempt is not None and 0 <= now - attempt.created < ATTEMPT_SECONDS else None


def _enter(context: CredentialContext, issuer: str, identity: Identity, address: str) -> str:
    typed = context.store.digest("user", identity.user)
    pin = PinnedIdentity(identity.user, issuer, digest_of(f"{issuer} {identity.subject}"))
    token, person, outcome = context.token(), None, ""
    with context.store.write() as records:
        known, now = records.pinned(issuer, pin.user, pin.subject), context.clock()
        with context.ledger.write() as transaction:
            person = find_person(transaction.connection, identity.user)
            outcome = _outcome(person, known, pin)
            if not outcome and person is not None:
                told = {"address": address, "user": person.user}
                if not known:
                    records.pin(pin)
                    transaction.record("identity.pinned", KIND, person.user, log=told, act="identity-provider")
                transaction.record("signin.accepted", KIND, person.user, log=told, act="identity-provider")
                records.start_session(
                    StoredSession(digest_of(token), person.user, person.changes, now, now, by_provider=True)
                )
    if outcome:
        why = _OTHER if outcome == "subject" else _NOBODY
        raise _refused(context, address, None if person is None else person.user, typed, outcome, why)
    return token


def _outcome(person: Person | None, known: list[PinnedIdentity], pin: PinnedIdentity) -> str:
    """Why somebody is not let in, in a word of ours; nothing where they are."""
    if person is None:
        return "unknown"
    if known not in ([], [pin]):
        return "subject"
    return "" if person.state is PersonState.ACTIVE else str(person.state)


def _refused(
    context: CredentialContext, address: str, user: str | None, typed: str, outcome: str, why: str
) -> IdentityRefused:
    identity_refused(context, address, user, typed, outcome)
    return IdentityRefused(why)


def _count(context: CredentialContext, address: str) -> tuple[str, float]:
    """Count what comes back as failed; the address's digest, and when it was free before that."""
    where, addresses = context.store.digest("address", address), of_address(context.settings)
    with context.store.write() as records:
        now = context.clock()
        there = records.failures(where)
        free = addresses.is_free(there, now)
        if free:
            records.keep_failures(where, addresses.failed(there, now))
    if not free:
        sign_in_refused(context, address, None, "")
        raise locked(there, now)
    return where, there.free_at


def _forgive(context: CredentialContext, where: str, free_at: float) -> None:
    """Take the failure back that `_count` counted."""
    with context.store.write() as records:
        forgive_address(records, where, free_at)
