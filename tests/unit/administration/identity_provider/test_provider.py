"""A provider that hangs, floods, is away, or names addresses of others: nobody waits for long, and nobody is led anywhere else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.administration.identity_provider.connection import Connection
from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.people import PersonRole
from gateway.errors import IdentityProviderUnavailable
from tests.fakes.credentials import WHY
from tests.unit.administration.identity_provider.conftest import SHORT, Site

LONG = 20.0
"""Seconds within which even a busy machine gives something up that else goes on for ever."""


@pytest.fixture(autouse=True)
def person(site: Site) -> None:
    details = Details("Invented", "Assessment", "2026-01-01", "2026-01-02")
    roster.add(site.desk.context.ledger, "hb1", {PersonRole.OPERATOR}, details, WHY)


def unavailable(site: Site) -> str:
    """Why nobody can sign in now."""
    began = time.monotonic()
    with pytest.raises(IdentityProviderUnavailable) as raised:
        site.enter()
    assert time.monotonic() - began < LONG
    assert site.refusals() == []
    return raised.value.reason


def test_a_provider_that_answers_byte_by_byte_for_ever_is_left(site: Site) -> None:
    for path in ("/.well-known/openid-configuration", "/keys", "/token"):
        site.real.hangs, site.patience = path, SHORT
        site.set()
        assert "in time" in unavailable(site)
        site.real.hangs, site.patience = "", LONG
        site.set()
        assert site.session(site.enter()) is not None


def test_the_answer_of_a_moment_ago_is_remembered_also_where_it_was_none(site: Site) -> None:
    site.real.huge = True
    assert "too long" in unavailable(site)
    site.real.huge = False
    assert "too long" in unavailable(site)
    assert site.real.asked.count("/.well-known/openid-configuration") == 1
    assert len(site.told) == 1, "the log has it once"
    site.seconds += 11
    site.enter()
    site.enter()
    site.seconds += 3599
    site.real.about = {"issuer": "another"}
    site.enter()
    site.seconds += 2
    assert site.session(site.enter()) is not None, "what was known before counts on"


def test_addresses_of_others_are_neither_asked_nor_led_to(site: Site) -> None:
    for about in (
        {"issuer": "https://login.example.gov.uk"},
        {"issuer": None},
        {"authorization_endpoint": "https://evil.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": 1},
        {"token_endpoint": "http://169.254.169.254/latest"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "http://127.0.0.1:1/token"},
        {"jwks_uri": "http://[::1"},
        {"jwks_uri": "//evil.example/keys"},
    ):
        site.real.about = dict(about)
        site.set()
        assert "own host" in unavailable(site) or "issuer" in about, about


def test_an_address_is_of_the_host_only_where_its_host_is(site: Site) -> None:
    connection = Connection(site.settings, site.home.config)
    assert connection.is_own(f"{site.real.address}/token?a=b")
    for beyond in ("@evil.example", ".evil.example", "\r\nHost: evil.example", "1", "\\@evil.example"):
        assert not connection.is_own(f"{site.real.address}{beyond}/token"), beyond


def test_a_redirection_is_no_answer(site: Site) -> None:
    site.real.about = {"jwks_uri": f"{site.real.address}/moved"}
    assert "303" in unavailable(site)
    assert "/keys" not in site.real.asked


def test_a_provider_that_is_not_there_is_told_so(site: Site) -> None:
    site.set(issuer="http://127.0.0.1:1")
    assert "no connection" in unavailable(site)
    site.set(issuer="https://127.0.0.1:" + site.real.address.rpartition(":")[2])
    assert "TLS" in unavailable(site)


def test_a_hanging_provider_does_not_hold_everybody(site: Site) -> None:
    """Each waits a second for those who ask already: pages of others need the threads."""
    site.real.hangs, site.patience = "/.well-known/openid-configuration", SHORT
    site.set()
    began = time.monotonic()
    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(lambda _: ended(site), range(12)))
    assert time.monotonic() - began < LONG
    assert set(found) <= {
        "the identity provider does not answer in time",
        "the identity provider keeps others waiting already",
    }
    assert site.real.asked.count("/.well-known/openid-configuration") == 1


def ended(site: Site) -> str:
    try:
        site.provider.end("http://127.0.0.1:9640/sign-in")
    except IdentityProviderUnavailable as error:
        return error.reason
    return ""


def test_signing_out_leads_to_the_provider_where_it_has_that(site: Site) -> None:
    back = "http://127.0.0.1:9640/sign-in"
    found = site.provider.end(back)
    assert found == (
        f"{site.real.address}/end?client_id=gateway&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A9640%2Fsign-in"
    )
    site.real.about = {"end_session_endpoint": None}
    site.set()
    assert site.provider.end(back) is None
    site.real.about = {"end_session_endpoint": "https://evil.example/end"}
    site.set()
    with pytest.raises(IdentityProviderUnavailable):
        site.provider.end(back)


def test_the_secret_goes_in_a_header_where_the_provider_takes_no_other_way(site: Site) -> None:
    site.real.about = {"token_endpoint_auth_methods_supported": None}
    assert site.session(site.enter()) is not None
