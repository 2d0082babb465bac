"""An authority's site with one delivered claim, and people of every role. It is made once; each test works on a copy of its ledger."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.administration.looking.opening import TRANSFER, Opened, Wanted, open_payload
from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.checks import CaseFacts
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.ledger.store import Ledger
from gateway.settings.model import Settings
from tests.fakes.two_ledgers import two_ledgers

WHO = Decision("root", "says the test")
CASE = "QQ 12 34 56 C"
SENSITIVE = (CaseFacts(sensitive=True),)
STAFF = {
    "op1": {PersonRole.OPERATOR},
    "op2": {PersonRole.OPERATOR},
    "both": {PersonRole.OPERATOR, PersonRole.CHECKING_OFFICER},
    "co1": {PersonRole.CHECKING_OFFICER},
    "sup1": {PersonRole.SUPERVISOR},
    "sp1": {PersonRole.SECURE_PRINT},
    "adm1": {PersonRole.ADMINISTRATOR},
    "aud1": {PersonRole.AUDITOR},
}


@dataclass
class Office:
    """The authority's site. `now` is its clock, and `drawn` its random numbers."""

    settings: Settings
    path: Path
    claim: str
    now: float
    drawn: random.Random = field(default_factory=lambda: random.Random("looking"))

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.path, clock=self._clock, role="test")

    def _clock(self) -> float:
        self.now += 0.001
        return self.now

    def open(
        self, user: str, cases: Collection[CaseFacts] = (), *, reason: str = "claim form", case: str | None = CASE
    ) -> Opened:
        wanted = Wanted(TRANSFER, self.claim, reason, case_reference=case)
        return open_payload(self.settings, self.ledger, user, wanted, cases, random=self.drawn.randbytes)

    def check(self, user: str) -> str:
        """The id of a check that somebody's opening drew."""
        check = self.open(user, SENSITIVE).check
        assert check is not None
        return check.id


def add_staff(ledger: Ledger) -> None:
    """Everybody of STAFF."""
    for user, roles in STAFF.items():
        roster.add(ledger, user, roles, Details(f"Name of {user}", f"Unit of {user}", "2026-01-01", "2026-01-02"), WHO)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The site, which nobody changes."""
    directory = tmp_path_factory.mktemp("looking")
    with two_ledgers(directory / "sites") as pair:
        claim = pair.dwp.submit("claim.xml", b"claim")
        pair.work()
        add_staff(pair.la.ledger)
        pair.la.snapshot(directory / "la.sqlite3")
        return Office(pair.la.settings, directory / "la.sqlite3", claim, pair.la.now)


@pytest.fixture
def office(founded: Office, tmp_path: Path) -> Iterator[Office]:
    path = tmp_path / "la.sqlite3"
    path.write_bytes(founded.path.read_bytes())
    made = Office(founded.settings, path, founded.claim, founded.now)
    yield made
    made.ledger.close()
