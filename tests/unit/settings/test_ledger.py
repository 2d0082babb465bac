"""`[ledger] url`: a file, a socket, or another machine, and never a password."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.errors import UsageWrong
from gateway.settings.ledger import LedgerSettings


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("", set()),
        ("postgresql:///ledger?host=/run/postgresql", set()),
        ("postgresql:///ledger?user=gateway&host=/run/postgresql", set()),
        ("postgresql:///ledger?host=%2Frun%2Fpostgresql", set()),
        ("postgresql://db.example.org/ledger", {5432}),
        ("postgresql://gateway@db.example.org:5433/ledger?sslmode=verify-full", {5433}),
        ("postgresql:///ledger?host=db.example.org&port=6000", {6000}),
        ("postgresql:///ledger?host=/run/postgresql,db.example.org", {5432}),
        ("postgresql:///ledger?service=gateway", {5432}),
        ("postgresql:///ledger?host=one,two&port=6000,6001&target_session_attrs=read-write", {6000, 6001}),
        ("postgresql://one:6000,two/ledger?target_session_attrs=read-write", {6000, 5432}),
    ],
)
def test_whether_it_takes_the_network_and_which_ports(url: str, ports: set[int]) -> None:
    found = LedgerSettings(url=url)
    assert (set(found.ports), found.is_remote) == (ports, bool(ports))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gateway:sesame@db.example.org/ledger",
        "postgresql://db.example.org/ledger?password=sesame",
        "postgresql://db.example.org/ledger?%70assword=sesame",
        "postgresql://db.example.org/ledger?sslpassword=sesame",
        "postgresql://db.example.org/led ger",
        "postgresql+psycopg2://db.example.org/ledger",
        "mysql://db.example.org/ledger",
        "sqlite:///ledger.sqlite3",
    ],
)
def test_a_password_and_what_is_no_database_of_these_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        LedgerSettings(url=url)
    with pytest.raises(UsageWrong) as refused:
        LedgerSettings.of(url)
    assert "sesame" not in str(refused.value.reason)
