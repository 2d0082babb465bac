"""The whole way to a real provider and back: who is let in, once, as whom; and who is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.administration.credentials import identities, sessions, signing_in
from gateway.administration.identity_provider import signing_in as by_provider
from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.people import PersonRole
from gateway.errors import (
    IdentityProviderUnavailable,
    IdentityRefused,
    SecretExposed,
    SignInElsewhere,
    SignInLocked,
    UsageWrong,
)
from tests.fakes.credentials import WHY
from tests.fakes.identity_provider import Account, post
from tests.unit.administration.identity_provider.conftest import ADDRESS, BACK, Site

DETAILS = Details("Invented", "Assessment", "2026-01-01", "2026-01-02")


@pytest.fixture(autouse=True)
def person(site: Site) -> None:
    """Somebody without any password here."""
    roster.add(site.desk.context.ledger, "hb1", {PersonRole.OPERATOR}, DETAILS, WHY)


def test_somebody_of_the_ledger_signs_in_without_a_password_here(site: Site) -> None:
    entered = site.back(*site.away(onward="/transfers"))
    session = site.session(entered)
    assert session is not None
    assert (session.person.user, session.remind, entered.onward) == ("hb1", False, "/transfers")
    assert site.desk.told("identity.pinned", "signin.accepted") == [
        ("identity.pinned", "hb1", {"act": "identity-provider"}),
        ("signin.accepted", "hb1", {"act": "identity-provider"}),
    ]
    site.enter()
    assert site.pinned() == ["hb1"], "once"
    assert sessions.sign_out(site.desk.context, entered.session) is True
    assert site.session(entered) is None


def test_the_session_that_the_browser_had_before_ends_and_no_other(site: Site) -> None:
    before, other = site.enter(), site.enter()
    with pytest.raises(IdentityRefused):
        site.back("0" * 64, {}, before.session)
    assert site.session(before) is not None, "whoever is not let in ends nothing"
    after = site.back(*site.away(), before.session)
    assert [site.session(each) is None for each in (before, other, after)] == [True, False, False]
    assert site.desk.told("session.ended") == [("session.ended", "hb1", {"outcome": "signed-out"})]


def test_rights_end_the_session_at_once_and_whoever_left_is_forgotten(site: Site) -> None:
    entered = site.enter()
    roster.suspend(site.desk.context.ledger, "hb1", WHY)
    assert site.session(entered) is None
    with pytest.raises(IdentityRefused):
        site.enter()
    roster.resume(site.desk.context.ledger, "hb1", WHY)
    roster.remove(site.desk.context.ledger, "hb1", WHY)
    site.desk.now += 61
    with pytest.raises(IdentityRefused):
        site.enter()
    assert site.refusals() == [("hb1", "suspended"), ("hb1", "left")]
    sessions.sweep(site.desk.context)
    # Whoever comes back gets a new user id here, at the provider's same account.
    roster.add(site.desk.context.ledger, "hb9", {PersonRole.OPERATOR}, DETAILS, WHY)
    site.real.accounts["hb9"] = Account.of("hb9", "subject-of-hb1")
    assert site.session(site.enter("hb9")) is not None


def test_what_is_asked_for_is_bound_to_the_browser_and_fresh(site: Site) -> None:
    site.set(acr=["urn:two-factors"])
    seen = []
    for _ in range(2):
        token, address = by_provider.begin(site.desk.context, site.provider, "/")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert token not in address
        assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
        assert (asked["max_age"], asked["acr_values"], asked["scope"]) == ("900", "urn:two-factors", "openid profile")
        proof = by_provider.proof_of(token)
        assert proof.verifier not in address
        assert (asked["state"], asked["nonce"]) == (proof.state, proof.nonce)
        seen += [asked["state"], asked["nonce"], asked["code_challenge"]]
    assert len(set(seen)) == 6


def test_an_answer_is_good_once_for_its_own_browser_and_for_five_minutes(site: Site) -> None:
    mine, answer = site.away()
    others, other_answer = site.away()
    for token, query in (
        (others, answer),
        (None, answer),
        ("f" * 64, answer),
        (mine, {}),
        (mine, answer | {"state": ""}),
        (mine, answer | {"state": "é\udcff"}),
        (mine, {**answer, "state": other_answer["state"]}),
    ):
        with pytest.raises(IdentityRefused, match="did not begin"):
            site.back(token, query)
    assert "/token" not in site.real.asked, "nobody was asked"
    site.back(mine, answer)
    with pytest.raises(IdentityRefused, match="used already"):
        site.back(mine, answer)
    site.desk.now += by_provider.ATTEMPT_SECONDS
    with pytest.raises(IdentityRefused, match="too long"):
        site.back(others, other_answer)
    assert {outcome for _, outcome in site.refusals()} == {"state"}


def test_attempts_are_forgotten(site: Site) -> None:
    token, answer = site.away()
    site.desk.now += by_provider.ATTEMPT_SECONDS + 1
    by_provider.clear(site.desk.context)
    site.desk.now -= 60
    with pytest.raises(IdentityRefused):
        site.back(token, answer)


def test_a_code_of_another_attempt_is_not_taken_by_the_provider(site: Site) -> None:
    """PKCE: a code that somebody stole is worth nothing in another browser, whose verifier is another one."""
    _, stolen = site.away()
    token, own = site.away()
    with pytest.raises(IdentityRefused, match="does not take the code"):
        site.back(token, own | {"code": stolen["code"]})


def test_nobody_becomes_a_person_by_signing_in(site: Site) -> None:
    for user in ("stranger", "", "hb1 ", "x" * 5000, "hb1\x00", "ＨＢ1"):
        site.real.accounts[user] = Account.of(user, "subject-of-a-stranger")
        with pytest.raises(IdentityRefused):
            site.back(*away_as(site, user))
    assert site.pinned() == []
    assert {subject for subject, _ in site.refusals()} == {"console"}


def away_as(site: Site, user: str) -> tuple[str, dict[str, str]]:
    site.real.accounts["page"] = replace(site.real.accounts[user], password="p")  # noqa: S106 - of a test's
    token, address = by_provider.begin(site.desk.context, site.provider, "/")
    return token, post(address, {"user": "page", "password": "p"}, BACK)


def test_a_user_id_that_somebody_else_gets_is_not_this_person(site: Site) -> None:
    site.enter()
    site.real.accounts["hb1"] = Account.of("hb1", "subject-of-a-newcomer")
    with pytest.raises(IdentityRefused, match="somebody else"):
        site.enter()
    assert site.refusals() == [("hb1", "subject")]
    identities.unpin(site.desk.context, "hb1", WHY)
    assert site.session(site.enter()) is not None
    assert site.pinned() == ["hb1", "hb1"]
    assert [detail["actor"] for *_, detail in site.desk.told("identity.unpinned")] == ["tester"]


def test_a_subject_that_gets_another_user_id_is_not_another_person(site: Site) -> None:
    roster.add(site.desk.context.ledger, "sup1", {PersonRole.SUPERVISOR}, DETAILS, WHY)
    site.enter()
    site.real.accounts["sup1"] = Account.of("sup1", "subject-of-hb1")
    with pytest.raises(IdentityRefused, match="another user id"):
        site.enter("sup1")
    assert site.refusals() == [("sup1", "subject")]
    with pytest.raises(UsageWrong):
        identities.unpin(site.desk.context, "sup1", WHY)


def test_capitals_of_a_directory_do_not_count(site: Site) -> None:
    site.real.accounts["HB1"] = Account.of("HB1", "subject-of-hb1")
    assert site.session(site.enter("HB1")) is not None


def test_whoever_is_not_let_in_there_is_not_let_in_here(site: Site) -> None:
    token, address = by_provider.begin(site.desk.context, site.provider, "/")
    answer = post(address, {"user": "hb1", "password": "", "refuse": "yes"}, BACK)
    assert answer["error"] == "access_denied"
    with pytest.raises(IdentityRefused, match="did not let you in"):
        site.back(token, answer)


def test_another_issuer_s_answer_is_refused(site: Site) -> None:
    token, answer = site.away()
    with pytest.raises(IdentityRefused, match="another identity provider"):
        site.back(token, answer | {"iss": "https://evil.example"})


def test_an_address_whose_attempts_fail_waits_and_the_provider_s_absence_is_nobody_s_failure(site: Site) -> None:
    site.real.about = {"token_endpoint": f"{site.real.address}/nothing"}
    for _ in range(25):
        token, answer = site.away()
        with pytest.raises(IdentityProviderUnavailable):
            site.back(token, answer)
    site.real.about = {}
    site.set()
    for _ in range(20):
        token, answer = site.away()
        with pytest.raises(IdentityRefused):
            site.back(token, answer | {"code": "guessed"})
    token, answer = site.away()
    with pytest.raises(SignInLocked):
        site.back(token, answer)
    site.desk.now += 61
    assert site.session(site.enter()) is not None
    assert site.desk.told("signin.refused")[0][2]["outcome"] == "token"
    assert site.desk.context.store.digest("address", ADDRESS) in str(site.desk.told("signin.refused"))


def test_beside_a_provider_passwords_are_for_administrators_unless_the_site_says_otherwise(site: Site) -> None:
    desk = site.desk
    desk.set_password("hb1")
    desk.person("adm1", PersonRole.ADMINISTRATOR)
    with pytest.raises(SignInElsewhere):
        desk.sign_in("hb1")
    assert site.refusals() == [("hb1", "")]
    desk.now += 30
    assert desk.sign_in("adm1")
    everybody = desk.context.settings.model_copy(
        update={"identity_provider": site.settings.model_copy(update={"passwords": "everybody"})}
    )
    administrators, desk.context = desk.context, replace(desk.context, settings=everybody)
    token, _ = desk.sign_in("hb1")
    assert sessions.look(desk.context, token) is not None
    assert desk.told("signin.accepted")[-1] == ("signin.accepted", "hb1", {"act": "password"})
    desk.context = administrators
    assert sessions.look(desk.context, token) is None, "what the site says now counts"
    entered = site.enter()
    desk.context = replace(desk.context, settings=desk.context.settings.model_copy(update={"identity_provider": None}))
    assert site.session(entered) is None
    assert signing_in.sign_in(desk.context, desk.attempt("hb1"))


def test_a_secret_that_others_can_read_is_not_used(site: Site) -> None:
    secret = site.home.console / "identity-provider.secret"
    secret.chmod(0o640)
    with pytest.raises(SecretExposed):
        site.enter()
    secret.chmod(0o600)
    secret.write_text("")
    with pytest.raises(IdentityProviderUnavailable, match="secret"):
        site.enter()


def test_what_is_kept_names_no_subject_and_no_token_of_the_provider(site: Site) -> None:
    token, _ = site.away()
    entered = site.enter()
    kept = b"".join(each.read_bytes() for each in site.desk.context.store.path.parent.iterdir())
    proof = by_provider.proof_of(token)
    for secret in ("subject-of-hb1", token, entered.session, proof.state, proof.nonce, proof.verifier):
        assert secret.encode() not in kept


def test_a_forged_token_lets_nobody_in_and_the_chain_has_the_attempt(site: Site) -> None:
    for forge in (
        lambda claims, header: str(jwt.encode(header, {**claims, "nonce": "of another attempt"}, site.real.key)),
        lambda claims, header: str(jwt.encode(header, claims, RSAKey.generate_key(2048))),
        lambda *_: None,
    ):
        site.real.forge = forge
        with pytest.raises(IdentityRefused):
            site.enter()
        site.desk.now += 61
    assert site.refusals() == [("console", "token")] * 3
    assert site.pinned() == []
    with site.desk.context.store.read() as records:
        assert records.sessions() == []


def test_a_token_of_another_attempt_is_not_this_one_s(site: Site) -> None:
    """Somebody at the way to the provider puts in what was given out before."""
    given: list[str] = []

    def keep(claims: dict[str, Any], header: dict[str, Any]) -> str:
        given.append(str(jwt.encode(header, claims, site.real.key)))
        return given[0]

    site.real.forge = keep
    site.enter()
    with pytest.raises(IdentityRefused, match="nonce"):
        site.enter()


def test_a_new_key_of_the_provider_is_found_but_not_at_every_token(site: Site) -> None:
    site.enter()
    first, site.real.key = site.real.key, RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    try:
        with pytest.raises(IdentityRefused, match="does not have"):
            site.enter()
        asked = site.real.asked.count("/keys")
        site.seconds += 11
        assert site.session(site.enter()) is not None
        assert site.real.asked.count("/keys") == asked + 1
    finally:
        site.real.key = first
