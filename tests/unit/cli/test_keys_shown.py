"""What `gateway status` says of keys that end, out of what the vault has told."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.identity import to_text
from gateway.ledger.queries.keys import subject
from tests.fakes.two_ledgers import FINGERPRINTS, Pair
from tests.unit.cli.conftest import Run

LA = "E09000030"
DAY = 86_400.0


def tell(pair: Pair, event: str, owner: str, fingerprint: str, **detail: Any) -> None:
    with pair.dwp.ledger.write() as transaction:
        transaction.record(event, "key", subject(owner, fingerprint), fingerprint=fingerprint, **detail)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> float:
    """The moment at which the status is asked for."""
    moment = 1_795_000_000.0
    monkeypatch.setattr("gateway.cli.status.time.time", lambda: moment)
    return moment


def test_keys_that_end_need_a_person_until_they_are_renewed(pair: Pair, run: Run, now: float) -> None:
    soon, over = to_text(now + 6 * DAY), to_text(now - DAY)
    tell(pair, "key.expiring", "own", FINGERPRINTS["DWP"], due=soon, days=14, reason="sealing stops then")
    tell(pair, "key.expired", LA, FINGERPRINTS[LA], due=over, days=0, reason="nothing is sealed to it")
    tell(pair, "key.expired", LA, "D" * 40, due=over, days=0, reason="a key that is pinned no more")
    said = run(pair.dwp, "status", "--json")
    assert said.status == 69
    # Days are counted now, and not when it was told.
    assert [(key["owner"], key["days"]) for key in said.data["keys"]] == [("own", 7), (LA, 0)]
    needs = " ".join(said.data["needs"])
    assert "our key" in needs
    assert f"the key of {LA} {FINGERPRINTS[LA][-16:]} has ended" in needs
    for owner, fingerprint in (("own", FINGERPRINTS["DWP"]), (LA, FINGERPRINTS[LA])):
        tell(pair, "key.renewed", owner, fingerprint, due=to_text(now + 700 * DAY))
    said = run(pair.dwp, "status", "--json")
    assert (said.data["keys"], said.data["healthy"]) == ([], True)
