"""`[console.identity_provider]`: where the console may connect to is said there, and nothing that could be read otherwise."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.identity_provider import IdentityProviderSettings, origin_of


@pytest.mark.parametrize(
    ("issuer", "origin"),
    [
        ("https://login.example.gov.uk", ("https", "login.example.gov.uk", 443)),
        ("https://login.example.gov.uk:8443/realms/staff", ("https", "login.example.gov.uk", 8443)),
        ("https://LOGIN.example.gov.uk/", ("https", "login.example.gov.uk", 443)),
        ("http://127.0.0.1:8080", ("http", "127.0.0.1", 8080)),
        ("http://[::1]:8080/x", ("http", "::1", 8080)),
        ("http://localhost", ("http", "localhost", 80)),
    ],
)
def test_an_issuer_says_the_one_host_that_is_asked(issuer: str, origin: tuple[str, str, int]) -> None:
    assert IdentityProviderSettings(issuer=issuer, client_id="gateway").origin == origin


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example.gov.uk",
        "http://127.0.0.1.example.gov.uk",
        "http://localhost.example.gov.uk",
        "https://user:secret@login.example.gov.uk",
        "https://login.example.gov.uk?a=b",
        "https://login.example.gov.uk#a",
        "https://login.example.gov.uk:0",
        "https://login.example.gov.uk:99999",
        "https://login example.gov.uk",
        "https://[::1",
        "https://",
        "ftp://login.example.gov.uk",
        "login.example.gov.uk",
        "",
    ],
)
def test_what_is_no_issuer_is_a_fault(issuer: str) -> None:
    with pytest.raises(ValidationError):
        IdentityProviderSettings(issuer=issuer, client_id="gateway")


def test_a_client_s_id_that_a_header_would_cut_is_a_fault() -> None:
    for client in ("", "a:b", "a b", "é"):
        with pytest.raises(ValidationError):
            IdentityProviderSettings(issuer="https://login.example.gov.uk", client_id=client)


def test_an_address_that_a_browser_reads_otherwise_is_no_address() -> None:
    for address in (
        "https:/login.example.gov.uk",
        "https:login.example.gov.uk",
        "//login.example.gov.uk",
        "javascript:1",
    ):
        with pytest.raises(ValueError, match="address"):
            origin_of(address)
