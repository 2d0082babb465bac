"""An ID token: whether the provider signed it, for this console, for this attempt, just now; and what it says of somebody.

By OpenID Connect Core 1.0, section 3.1.3.7. The algorithm is one of a list of ours, all of them with a public key: neither `none` nor an HMAC
whose key everybody knows. Raises IdentityRefused, with the name of the claim that is not right and never its value, and UnknownKey.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from gateway.errors import IdentityRefused
from gateway.settings.identity_provider import IdentityProviderSettings

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LEEWAY_SECONDS: Final = 30
"""By which the provider's clock may differ from ours."""
_LONGEST: Final = 64 * 1024
_LONGEST_SUBJECT: Final = 255
_KINDS: Final = ("RSA", "EC")


class UnknownKey(Exception):
    """None of the keys has the token's key id: the provider may have a new one."""


@dataclass(frozen=True)
class Identity:
    """Who somebody is at the provider: the subject, which is never given to another one, and the user id that the claim gives."""

    subject: str
    user: str


def read(
    settings: IdentityProviderSettings,
    token: str,
    keys: Mapping[str, Any],
    nonce: str,
    access_token: str | None,
    now: float,
) -> Identity:
    """What a token says, if all of it is right. `keys` is the provider's set of keys (JWKS, RFC 7517)."""
    claims, header = _signed(token, keys)
    options: dict[str, Any] = {
        "iss": {"essential": True, "value": settings.issuer},
        "aud": {"essential": True, "value": settings.client_id},
        "nonce": {"essential": True, "value": nonce},
        "auth_time": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": settings.client_id, "access_token": access_token}
    try:
        CodeIDToken(claims, header, options, params).validate(int(now), LEEWAY_SECONDS)
    except ClaimError as error:
        raise IdentityRefused(f"the claim {error.claim} of the ID token is missing, or not right") from error
    except (JoseError, TypeError, ValueError, OverflowError) as error:
        raise IdentityRefused("the claims of the ID token cannot be read") from error
    _require_authentication(settings, claims, now)
    return _identity(settings, claims)


def _signed(token: str, keys: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(token) > _LONGEST:
        raise IdentityRefused("the ID token is too long")
    try:
        usable = [each for each in keys["keys"] if each.get("kty") in _KINDS and each.get("use", "sig") == "sig"]
        known = KeySet.import_key_set({"keys": usable})
        found = jwt.decode(token, known, registry=JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False))
    except InvalidKeyIdError as error:
        raise UnknownKey from error
    except (JoseError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise IdentityRefused(
            "the ID token is not signed by the identity provider, or not in a way that is taken"
        ) from error
    return found.claims, found.header


def _require_authentication(settings: IdentityProviderSettings, claims: Mapping[str, Any], now: float) -> None:
    """That the person proved it long enough ago to count and by what the site wants: the claims `auth_time`, `acr` and `amr`."""
    since, acr, amr = claims["auth_time"], claims.get("acr"), claims.get("amr")
    age = int(now) - since if isinstance(since, int | float) and not isinstance(since, bool) else None
    if age is None or not -LEEWAY_SECONDS <= age <= settings.authentication_minutes * 60.0 + LEEWAY_SECONDS:
        raise IdentityRefused("the authentication at the identity provider is too old, or of no known time")
    if settings.acr and acr not in settings.acr:
        raise IdentityRefused("the identity provider does not say that two factors were used (acr)")
    if settings.amr and not (isinstance(amr, list) and all(each in amr for each in settings.amr)):
        raise IdentityRefused("the identity provider does not say that two factors were used (amr)")


def _identity(settings: IdentityProviderSettings, claims: Mapping[str, Any]) -> Identity:
    subject, user = claims["sub"], claims.get(settings.claim)
    if not subject or len(subject) > _LONGEST_SUBJECT:
        raise IdentityRefused("the claim sub of the ID token is not right")
    if not isinstance(user, str) or not user.isascii():
        raise IdentityRefused(f"the ID token has no claim {settings.claim} that is a user id")
    return Identity(subject, user.lower())  # directories know names without regard to capitals; user ids here have none
