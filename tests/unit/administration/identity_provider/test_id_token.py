"""ID tokens that are not what they should be, from a provider that is otherwise real."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.people import PersonRole
from gateway.errors import IdentityRefused
from tests.fakes.credentials import WHY
from tests.fakes.identity_provider import Account
from tests.unit.administration.identity_provider.conftest import Site

Claims = dict[str, Any]


@pytest.fixture(autouse=True)
def person(site: Site) -> None:
    details = Details("Invented", "Assessment", "2026-01-01", "2026-01-02")
    roster.add(site.desk.context.ledger, "hb1", {PersonRole.OPERATOR}, details, WHY)


def refused(site: Site, forge: Callable[[Claims, Claims], str | None]) -> str:
    """Why a forged token is refused; nobody is in, and the chain knows of it."""
    site.real.forge = forge
    with pytest.raises(IdentityRefused) as raised:
        site.enter()
    assert site.refusals()[-1:] == [("console", "token")]
    assert site.pinned() == []
    with site.desk.context.store.read() as records:
        assert records.sessions() == []
    return raised.value.reason


def b64(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": ["another"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["gateway", "another"]}, "azp"),
        ({"aud": ["gateway", "another"], "azp": "another"}, "azp"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"exp": 1}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"exp": 10**400}, ""),
        ({"iat": 2**40}, "iat"),
        ({"nbf": 2**40}, "nbf"),
        ({"at_hash": "another"}, "at_hash"),
        ({"auth_time": 1}, "too old"),
        ({"auth_time": None}, "auth_time"),
        ({"auth_time": True}, "too old"),
        ({"auth_time": 2**40}, "too old"),
        ({"amr": ["pwd"]}, "amr"),
        ({"amr": None}, "amr"),
        ({"amr": "mfa"}, "amr"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 1}, "sub"),
        ({"sub": "s" * 256}, "sub"),
        ({"preferred_username": None}, "preferred_username"),
        ({"preferred_username": ["hb1"]}, "preferred_username"),
        ({"preferred_username": "\u212ab1"}, "preferred_username"),
    ],
    ids=str,
)
def test_a_claim_that_is_not_right_is_refused_with_its_name(site: Site, about: Claims, said: str) -> None:
    def forge(claims: Claims, header: Claims) -> str:
        changed = {name: value for name, value in {**claims, **about}.items() if value is not None}
        return str(jwt.encode(header, changed, site.real.key))

    if about.get("exp") == 10**400:
        return_is_taken(site, forge)
    else:
        assert said in refused(site, forge)


def return_is_taken(site: Site, forge: Callable[[Claims, Claims], str | None]) -> None:
    """A day far away is a day: it is refused or taken, and nothing falls over."""
    site.real.forge = forge
    assert site.session(site.enter()) is not None


def test_an_acr_of_another_kind_is_refused(site: Site) -> None:
    site.set(acr=["urn:two-factors"], amr=[])
    assert site.session(site.enter()) is not None
    site.real.acr = "urn:password"
    with pytest.raises(IdentityRefused, match="acr"):
        site.enter()


def test_no_signature_and_a_signature_with_what_everybody_knows_are_refused(site: Site) -> None:
    public = site.real.key.as_pem(private=False)

    def none(claims: Claims, header: Claims) -> str:
        return f"{b64({'alg': 'none'})}.{b64(claims)}."

    def hmac_with(key: bytes) -> Callable[[Claims, Claims], str]:
        def forge(claims: Claims, header: Claims) -> str:
            signed = f"{b64({**header, 'alg': 'HS256'})}.{b64(claims)}"
            return f"{signed}.{b64(hmac.digest(key, signed.encode(), hashlib.sha256))}"

        return forge

    # What a careless library would take for the key of an HMAC: the public key in the forms in which it is published.
    for forge in (none, hmac_with(public), hmac_with(public.strip()), hmac_with(json.dumps(site.real.key.as_dict()).encode())):
        assert "not signed" in refused(site, forge)


def test_another_key_is_refused_under_the_same_name_and_within_the_token(site: Site) -> None:
    other = RSAKey.generate_key(2048, {"kid": "first"})
    assert "not signed" in refused(site, lambda claims, header: str(jwt.encode(header, claims, other)))
    mine = {"jwk": other.as_dict(private=False)}
    assert refused(site, lambda claims, header: str(jwt.encode({**header, **mine}, claims, other)))
    elsewhere = {"jku": "https://evil.example/keys"}
    assert refused(site, lambda claims, header: str(jwt.encode({**header, **elsewhere}, claims, other)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        "....",
        "é",
        "x" * 100_000,
        f"{b64({'alg': 'RS256', 'kid': 'first'})}.{b64(b'[' * 20_000)}.AAAA",
        f"{b64(b'[' * 20_000)}.{b64({})}.AAAA",
        f"{b64([])}.{b64([])}.AAAA",
        f"{b64({'alg': ['RS256']})}.{b64({})}.AAAA",
        f"{b64({'alg': 'RS256', 'kid': ['first']})}.{b64({})}.AAAA",
        f"{b64({'alg': 'RS256', 'kid': 'first', 'crit': ['exp'], 'exp': 1})}.{b64({})}.AAAA",
        f"{b64({'alg': 'RS256', 'kid': 'first', 'b64': False, 'crit': ['b64']})}.{b64({})}.AAAA",
    ],
    ids=range(12),
)
def test_what_is_no_token_is_refused(site: Site, text: str) -> None:
    assert refused(site, lambda claims, header: text)


def test_no_token_at_all_is_refused(site: Site) -> None:
    assert "no ID token" in refused(site, lambda claims, header: None)


def test_a_signed_list_and_a_signed_depth_are_refused(site: Site) -> None:
    for payload in (b"[]", b'"text"', b"[" * 30_000, b"NaN"):
        head = b64({"alg": "RS256", "kid": "first"})
        signed = f"{head}.{b64(payload)}"
        signature = site.real.key.private_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        assert refused(site, lambda claims, header, token=f"{signed}.{b64(signature)}": token)


def test_a_new_key_of_the_provider_is_found_but_not_at_every_token(site: Site) -> None:
    site.enter()
    site.desk.now += 1
    old, site.real.key = site.real.key, RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    try:
        with pytest.raises(IdentityRefused, match="does not have"):
            site.enter()
        asked = site.real.asked.count("/keys")
        site.seconds += 11
        assert site.session(site.enter()) is not None
        assert site.real.asked.count("/keys") == asked + 1
    finally:
        site.real.key = old
    site.real.accounts["hb1"] = Account.of("hb1")
