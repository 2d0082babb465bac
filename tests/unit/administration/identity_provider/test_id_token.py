"""ID tokens that are not what they should be: none of them proves anything, and none of them makes anything fall over."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from gateway.administration.identity_provider.id_token import Identity, UnknownKey, read
from gateway.errors import IdentityRefused
from gateway.settings.identity_provider import IdentityProviderSettings

NOW: Final = 1_800_000_000
ACCESS: Final = "an access token"
HEADER: Final = {"alg": "RS256", "kid": "first"}
KEY: Final = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
CURVE: Final = ECKey.generate_key("P-256", {"kid": "curve"})
JWKS: Final[dict[str, Any]] = {**KeySet([KEY, CURVE]).as_dict()}
SETTINGS: Final = IdentityProviderSettings(issuer="https://login.example.gov.uk", client_id="gateway", amr=("mfa",))
CLAIMS: Final[dict[str, Any]] = {
    "iss": "https://login.example.gov.uk",
    "aud": ["gateway"],
    "sub": "subject",
    "exp": NOW + 60,
    "iat": NOW,
    "nonce": "nonce",
    "auth_time": NOW - 60,
    "amr": ["pwd", "mfa"],
    "preferred_username": "HB1",
}


def judged(token: str, keys: dict[str, Any] | None = None, **about: Any) -> Identity:
    settings = SETTINGS.model_copy(update=about)
    return read(settings, token, JWKS if keys is None else keys, "nonce", ACCESS, float(NOW))


def signed(**about: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **about}.items() if value is not None}
    return str(jwt.encode(dict(HEADER), claims, KEY))


def b64(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_a_token_that_is_right_says_who_somebody_is() -> None:
    right = Identity("subject", "hb1")
    assert judged(signed()) == right
    assert judged(signed(aud="gateway")) == right
    assert judged(signed(aud=["gateway", "another"], azp="gateway")) == right
    assert judged(signed(exp=NOW - 29, iat=NOW + 29, auth_time=NOW - 929)) == right, "clocks differ"
    assert judged(signed(acr="urn:two", amr=None), acr=("urn:one", "urn:two"), amr=()) == right
    assert judged(str(jwt.encode({"alg": "ES256", "kid": "curve"}, dict(CLAIMS), CURVE, algorithms=["ES256"]))) == right
    assert judged(signed(staff="Hb2"), claim="staff") == Identity("subject", "hb2")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["nonce"]}, "nonce"),
        ({"aud": ["another"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["gateway", "another"]}, "azp"),
        ({"aud": ["gateway", "another"], "azp": "another"}, "azp"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": "https://login.example.gov.uk/"}, "iss"),
        ({"iss": None}, "iss"),
        ({"exp": NOW - 31}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": NOW + 31}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": NOW + 31}, "nbf"),
        ({"at_hash": "another"}, "at_hash"),
        ({"auth_time": NOW - 931}, "too old"),
        ({"auth_time": NOW + 31}, "too old"),
        ({"auth_time": None}, "auth_time"),
        ({"auth_time": True}, "too old"),
        ({"auth_time": "now"}, "auth_time"),
        ({"auth_time": 10**400}, "too old"),
        ({"auth_time": float("nan")}, "too old"),
        ({"auth_time": -(10**400)}, "too old"),
        ({"amr": ["pwd"]}, "amr"),
        ({"amr": None}, "amr"),
        ({"amr": "mfa"}, "amr"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 1}, "sub"),
        ({"sub": "s" * 256}, "sub"),
        ({"preferred_username": None}, "preferred_username"),
        ({"preferred_username": ["hb1"]}, "preferred_username"),
        ({"preferred_username": "h\u212a1"}, "preferred_username"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_claim_that_is_not_right_is_refused_with_its_name(about: dict[str, Any], said: str) -> None:
    with pytest.raises(IdentityRefused, match=said):
        judged(signed(**about))


@pytest.mark.parametrize("acr", ["urn:password", None, ["urn:two"]])
def test_an_acr_of_another_kind_is_refused(acr: object) -> None:
    with pytest.raises(IdentityRefused, match="acr"):
        judged(signed(acr=acr), acr=("urn:two",))


def test_no_signature_is_refused() -> None:
    for algorithm in ("none", "None", ""):
        for signature in ("", "AAAA"):
            with pytest.raises(IdentityRefused, match="not signed"):
                judged(f"{b64({'alg': algorithm, 'kid': 'first'})}.{b64(CLAIMS)}.{signature}")


def test_an_hmac_with_what_everybody_knows_is_refused() -> None:
    """What a careless library takes for the key of an HMAC: the public key, in the forms in which it is published."""
    pem = KEY.as_pem(private=False)
    for secret in (pem, pem.strip(), KEY.as_der(private=False), json.dumps(KEY.as_dict()).encode(), b""):
        for algorithm, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
            text = f"{b64({'alg': algorithm, 'kid': 'first'})}.{b64(CLAIMS)}"
            forged = f"{text}.{b64(hmac.digest(secret, text.encode(), digest))}"
            for keys in (JWKS, {"keys": [*JWKS["keys"], {"kty": "oct", "kid": "first", "k": b64(secret)}]}):
                with pytest.raises(IdentityRefused, match="not signed"):
                    judged(forged, keys)


def test_another_key_is_refused_under_the_same_name_within_the_token_and_from_elsewhere() -> None:
    other = RSAKey.generate_key(2048, {"kid": "first"})
    for more in ({}, {"jwk": other.as_dict(private=False)}, {"jku": "https://evil.example/keys"}):
        with pytest.raises(IdentityRefused, match="not signed"):
            judged(str(jwt.encode({**HEADER, **more}, dict(CLAIMS), other)))
    with pytest.raises(UnknownKey):
        judged(str(jwt.encode({"alg": "RS256", "kid": "another"}, dict(CLAIMS), other)))


def test_a_changed_claim_is_refused() -> None:
    head, _, tail = signed().split(".")
    with pytest.raises(IdentityRefused, match="not signed"):
        judged(f"{head}.{b64({**CLAIMS, 'preferred_username': 'adm1'})}.{tail}")


@pytest.mark.parametrize(
    "keys",
    [{}, {"keys": []}, {"keys": 1}, {"keys": [1]}, {"keys": [{}]}, {"keys": [{"kty": "RSA", "kid": "first"}]}],
    ids=str,
)
def test_keys_that_are_none_prove_nothing(keys: dict[str, Any]) -> None:
    with pytest.raises(IdentityRefused):
        judged(signed(), keys)


def test_a_key_that_is_for_encryption_proves_nothing() -> None:
    with pytest.raises((IdentityRefused, UnknownKey)):
        judged(signed(), {"keys": [{**KEY.as_dict(private=False), "use": "enc"}, CURVE.as_dict(private=False)]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        "....",
        "é",
        "x" * 100_000,
        f"{b64(HEADER)}.{b64(b'[' * 20_000)}.AAAA",
        f"{b64(b'[' * 20_000)}.{b64({})}.AAAA",
        f"{b64([])}.{b64([])}.AAAA",
        f"{b64({'alg': ['RS256']})}.{b64({})}.AAAA",
        f"{b64({'alg': 'RS256', 'kid': ['first']})}.{b64({})}.AAAA",
        f"{b64({**HEADER, 'crit': ['exp'], 'exp': 1})}.{b64({})}.AAAA",
        f"{b64({**HEADER, 'b64': False, 'crit': ['b64']})}.{b64({})}.AAAA",
    ],
    ids=range(12),
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises((IdentityRefused, UnknownKey)):
        judged(text)


@pytest.mark.parametrize("payload", [b"[]", b'"text"', b"[" * 30_000, b"NaN", b"\xff", b'{"sub": 1}'])
def test_what_the_provider_signs_and_is_no_claims_is_refused(payload: bytes) -> None:
    text = f"{b64(HEADER)}.{b64(payload)}"
    key = KEY.private_key
    assert key is not None
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(IdentityRefused):
        judged(f"{text}.{b64(signature)}")
