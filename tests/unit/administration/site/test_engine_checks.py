"""What `gateway doctor` says of the network that roles have, and what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.administration.site import engine_checks
from gateway.settings.ledger import LedgerSettings
from gateway.settings.model import Antivirus, Settings
from gateway.settings.payloads import PayloadsSettings
from tests.fakes.two_ledgers import two_ledgers

BUCKET = PayloadsSettings(url="s3://bucket/prefix")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setattr(engine_checks, "_has_seccomp", lambda: True)
    with two_ledgers(tmp_path) as pair:
        yield pair.dwp.settings


def test_the_network_of_roles_is_said_with_what_it_is_for(settings: Settings) -> None:
    def said(**changed: object) -> tuple[str, str]:
        check = engine_checks._network(replace(settings, **changed))  # type: ignore[arg-type]
        return check.outcome.value, check.message

    far = LedgerSettings(url="postgresql://db-1/ledger")
    assert said() == ("ok", "inspect and vault have none, by seccomp")
    assert said(payloads=BUCKET)[1] == "inspect and vault have it, for the bucket of [payloads] url on another machine"
    both = "the ledger's database and the bucket of [payloads] url"
    assert said(payloads=BUCKET, ledger=far) == ("ok", f"inspect and vault have it, for {both} on another machine")
    scanned = {name: flow.model_copy(update={"scan": True}) for name, flow in settings.flows.items()}
    outcome, message = said(antivirus=Antivirus(host="clamd.example.gov.uk"), flows=scanned)
    assert (outcome, "the virus scanner at [antivirus] host" in message) == ("warn", True)
