"""Passkeys: keys in somebody's device, which sign a challenge of ours after the device has verified its owner (WebAuthn, level 3).

One is added by whoever shows password and code, and then signs in alone: having the device and unlocking it are the two factors. It is good as long
as the password is, and is worth nothing to whoever may not sign in. A challenge is good once and for two minutes. One for signing in says by itself
when it was made here, and is kept once it is used: so strangers who ask for any number of them push out nobody's. A key whose
counter went back may have been copied: it is removed, and the chain is told. Attempts are counted as those with passwords are. Raises
PasskeyRefused, SignInRefused, SignInLocked, CredentialsExpired, NotFound, and what the store and the ledger raise.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, TypeVar
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.administration.credentials.context import CredentialContext, digest_of
from gateway.administration.credentials.rows import Challenge, Passkey
from gateway.administration.credentials.sessions import Session, end_all
from gateway.administration.credentials.signing_in import Attempt, Counted, begin, count, forgive, prove, refused
from gateway.administration.credentials.store import CHALLENGE_SECONDS, Records
from gateway.domain.identity import to_text
from gateway.domain.people import Person, PersonState
from gateway.errors import NotFound, PasskeyRefused
from gateway.ledger.people import KIND
from gateway.ledger.queries.people import find_person
from gateway.ledger.store import Transaction

MOST: Final = 10
"""Passkeys that one person may have."""
LONGEST_NAME: Final = 60
_LONGEST_ID: Final = 1400
"""Characters of a credential's id: 1,023 bytes at most (WebAuthn, section 4), in base64url."""
_CHALLENGE_BYTES: Final = 32
_REQUIRED: Final = UserVerificationRequirement.REQUIRED
_MOMENT: Final = struct.Struct(">d")
"""Seconds since 1970, in the challenge of a sign-in."""
_MADE_BYTES: Final = _CHALLENGE_BYTES + _MOMENT.size
_SIGN_IN: Final = "sign-in challenge"
"""What the MAC of such a challenge is about."""
_NOT_ASKED: Final = "the device's answer came too late, twice, or from another page"
_T = TypeVar("_T")


@dataclass(frozen=True)
class PasskeyView:
    """A passkey as its owner sees it. `used` is None before the first use; moments are RFC 3339, UTC."""

    id: str
    name: str
    synced: bool
    added: str
    used: str | None


def listed(context: CredentialContext, user: str) -> list[PasskeyView]:
    """Somebody's passkeys, the oldest first."""
    with context.store.read() as records:
        found = records.passkeys(user)
    return [
        PasskeyView(each.id, each.name, each.synced, to_text(each.added), to_text(each.used) if each.used else None)
        for each in found
    ]


def begin_to_add(context: CredentialContext, session: str, attempt: Attempt, name: str) -> str:
    """What the browser of that session's token hands to the device, as JSON, once password and code have proved who adds a passkey."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise PasskeyRefused(f"a passkey has a name of 1 to {LONGEST_NAME} characters")
    host = _host(context)
    with context.store.read() as records:
        known = records.passkeys(attempt.user)
    if len(known) >= MOST:
        raise PasskeyRefused(f"nobody has more than {MOST} passkeys")
    person = prove(context, attempt).person
    challenge = context.random_bytes(_CHALLENGE_BYTES)
    kept = Challenge(sha256(challenge).hexdigest(), digest_of(session), name, context.clock())
    with context.store.write() as records:
        records.keep_challenge(kept)
    selection = AuthenticatorSelectionCriteria(
        resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
    )
    options = generate_registration_options(
        rp_id=host,
        rp_name=f"Gateway {context.site}",
        user_name=person.user,
        user_id=_handle(context, person.user),
        challenge=challenge,
        timeout=int(CHALLENGE_SECONDS * 1000),
        authenticator_selection=selection,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each.id)) for each in known],
    )
    return options_to_json(options)


def add(context: CredentialContext, session: str, person: Person, response: str) -> None:
    """Keep what the device answered, for the person of that session. PasskeyRefused where it is not an answer to this session's challenge."""
    asked = _tried(lambda: parse_registration_credential_json(response))
    challenge = _answered(asked.response.client_data_json)
    with context.store.write() as records:
        wanted = records.take_challenge(sha256(challenge).hexdigest(), digest_of(session), context.clock())
    if wanted is None:
        raise PasskeyRefused(_NOT_ASKED)
    verified = _tried(
        lambda: verify_registration_response(
            credential=asked,
            expected_challenge=challenge,
            expected_rp_id=_host(context),
            expected_origin=context.settings.passkey_origin,
            require_user_verification=True,
        )
    )
    identity, now = bytes_to_base64url(verified.credential_id), context.clock()
    synced = verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    key, counter = verified.credential_public_key, verified.sign_count
    passkey = Passkey(identity, person.user, wanted.name, key, counter, synced, added=now, used=0.0)
    with context.store.write() as records:
        if records.passkey(identity) is not None or len(identity) > _LONGEST_ID:
            raise PasskeyRefused("the device's key is known already")
        if len(records.passkeys(person.user)) >= MOST:
            raise PasskeyRefused(f"nobody has more than {MOST} passkeys")
        with context.ledger.write() as transaction:
            current = find_person(transaction.connection, person.user)
            if current != person or records.session(digest_of(session)) is None:  # as after a new link or password
                raise PasskeyRefused("something about you was changed meanwhile")
            _tell(transaction, "passkey.registered", person.user, identity)
        records.keep_passkey(passkey)


def remove(context: CredentialContext, user: str, identity: str, session: str) -> None:
    """A passkey of somebody's own is worth nothing from now on, and all sessions end but the one of that token: another may be by it."""
    with context.store.write() as records:
        if not records.remove_passkey(user, identity):
            raise NotFound("you have no such passkey")
        end_all(context, records, user, "passkey", but=session)
        with context.ledger.write() as transaction:
            _tell(transaction, "passkey.removed", user, identity, act="owner")


def begin_to_sign_in(context: CredentialContext) -> str:
    """What a browser hands to the device, as JSON. It names nobody: the device knows whose keys it has. Nothing is kept of it."""
    made = context.random_bytes(_CHALLENGE_BYTES) + _MOMENT.pack(context.clock())
    options = generate_authentication_options(
        rp_id=_host(context),
        challenge=made + context.store.mac(_SIGN_IN, made),
        timeout=int(CHALLENGE_SECONDS * 1000),
        user_verification=_REQUIRED,
    )
    return options_to_json(options)


def sign_in(context: CredentialContext, response: str, address: str, before: str | None = None) -> tuple[str, Session]:
    """A new session's token, and the session, by what a device signed. `before` is the token that the browser had: it ends."""
    asked, identity = None, ""
    with suppress(PasskeyRefused):
        asked = _tried(lambda: parse_authentication_credential_json(response))
        identity = asked.id[:_LONGEST_ID]
    with context.store.read() as records:
        passkey = records.passkey(identity)
    counted = count(context, address, f"passkey {identity}" if passkey is None else passkey.user)
    credential = counted.credential

    def is_good(records: Records) -> bool:
        return records.passkey(identity) is not None and records.credential(person.user) == credential

    if asked is not None:
        with suppress(PasskeyRefused):  # why is nobody's business
            challenge = _used(context, asked.response.client_data_json)
            if passkey is not None and credential is not None:
                person = _active(context, passkey.user)
                verified = _verified(context, passkey, asked, challenge)
                if _use(context, counted, passkey, verified):
                    return begin(context, person, credential, address, before, is_good, act="passkey")
    raise refused(context, address, counted, None if passkey is None else passkey.user)


def _active(context: CredentialContext, user: str) -> Person:
    with context.ledger.read() as connection:
        person = find_person(connection, user)
    if person is None or person.state is not PersonState.ACTIVE:
        raise PasskeyRefused("its owner may not sign in")
    return person


def _use(context: CredentialContext, counted: Counted, passkey: Passkey, verified: VerifiedAuthentication) -> bool:
    """Note the counter and take the failures back. A counter that went back, or stood still, ends the passkey and all sessions."""
    with context.store.write() as records:
        known, counter = records.passkey(passkey.id), verified.new_sign_count
        if known is None:
            return False
        if counter > known.counter or counter == known.counter == 0:  # devices that do not count say 0
            records.keep_passkey(replace(known, counter=counter, used=context.clock()))
            forgive(records, counted)
            return True
        records.remove_passkey(known.user, known.id)
        end_all(context, records, known.user, "passkey")
        with context.ledger.write() as transaction:
            _tell(transaction, "passkey.doubted", known.user, known.id)
    return False


def _verified(
    context: CredentialContext, passkey: Passkey, asked: AuthenticationCredential, challenge: bytes
) -> VerifiedAuthentication:
    """What the device signed; PasskeyRefused where it did not. The counter is compared by `_use`, once the signature holds: here anybody could
    have written it.
    """
    if asked.response.user_handle not in (None, _handle(context, passkey.user)):
        raise PasskeyRefused("the key is another person's")
    return _tried(
        lambda: verify_authentication_response(
            credential=asked,
            expected_challenge=challenge,
            expected_rp_id=_host(context),
            expected_origin=context.settings.passkey_origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    )


def _host(context: CredentialContext) -> str:
    """The relying party's id; PasskeyRefused where the console's address can have no passkeys."""
    host = urlsplit(context.settings.passkey_origin).hostname
    if not host:
        raise PasskeyRefused("this console's address can have no passkeys: they take a name, by HTTPS")
    return host


def _used(context: CredentialContext, client_data: bytes) -> bytes:
    """Use up the challenge of a sign-in; PasskeyRefused where it is none of ours, not of these two minutes, or was used."""
    challenge = _answered(client_data)
    made, mac = challenge[:_MADE_BYTES], challenge[_MADE_BYTES:]
    if hmac.compare_digest(mac, context.store.mac(_SIGN_IN, made)):
        (created,) = _MOMENT.unpack(made[_CHALLENGE_BYTES:])
        with context.store.write() as records:
            is_new = records.keep_challenge(Challenge(sha256(challenge).hexdigest(), "", "", created))
            now = context.clock()
        if is_new and 0 <= now - created < CHALLENGE_SECONDS:
            return challenge
    raise PasskeyRefused(_NOT_ASKED)


def _answered(client_data: bytes) -> bytes:
    """The challenge that an answer says it is of."""
    return _tried(lambda: parse_client_data_json(client_data)).challenge


def _tried(look: Callable[[], _T]) -> _T:
    """What the library makes of what a browser sent. PasskeyRefused where that is bent: it says so in its own errors, and in those of JSON, CBOR,
    base64 and whatever else it stumbles over.
    """
    try:
        return look()
    except Exception as error:
        raise PasskeyRefused("the device's answer is not what was asked for") from error


def _handle(context: CredentialContext, user: str) -> bytes:
    """What devices know a person by: nothing that says who it is."""
    return context.store.digest("passkeys", user).encode()


def _tell(transaction: Transaction, event: str, user: str, identity: str, act: str | None = None) -> None:
    """`sha256` is of the credential's id, so that the events about one passkey are found."""
    transaction.record(event, KIND, user, log={"user": user}, sha256=digest_of(identity), act=act)
