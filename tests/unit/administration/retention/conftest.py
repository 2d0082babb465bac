"""A site with a past: transfers of every end, answers, decisions, requests, something quarantined, each with words of its own that
may be found again in bytes.
"""

from __future__ import annotations

import io
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.administration.requests import decisions
from gateway.administration.retention import certificate
from gateway.administration.retention.disposal import Disposed, dispose
from gateway.administration.retention.plan import Plan, plan
from gateway.administration.site import audit
from gateway.administration.site.settings import load
from gateway.cli.output import progress
from gateway.domain.decision import Decision
from gateway.ledger.audit.chain import Fault
from gateway.ledger.tables import TRANSFERS
from gateway.logs import Logger, configure
from gateway.settings.home import Home
from gateway.settings.model import Settings
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, two_ledgers

DAY = 86_400.0
WHO = Decision("somebody", "the retention periods of this site")
NOTHING = ("", ())


def word(number: int) -> str:
    """A word that stands nowhere else."""
    return f"Qanary{number:04d}"


@dataclass
class Past:
    """A site at rest. `words` are those that may name people, by the transfer that they belong to, None for others'."""

    home: Home
    words: dict[str, str | None]

    @property
    def settings(self) -> Settings:
        return load(self.home)

    def log(self) -> Logger:
        return configure(self.settings.site.code, "command", stream=io.BytesIO(), format="json", level="error")

    def dispose(self, now: float, role: str | None = None) -> Disposed:
        return dispose(self.settings, self.log(), WHO, lambda: now, role)

    def plan(self, now: float, role: str | None = None) -> Plan:
        return plan(self.settings, now, role)

    def faults(self) -> tuple[Fault, ...]:
        report = audit.verify(self.settings, (), lambda: progress("auditing"), deep=True)
        return (*report.faults, *report.left_over)

    def found(self) -> set[str]:
        """The words that are still in any file of the site, or in a file's name."""
        held = b"".join(
            str(path.relative_to(self.home.root)).encode() + path.read_bytes()
            for path in self.home.root.rglob("*")
            if path.is_file() and not path.is_relative_to(self.home.config)
        )
        return {each for each in self.words if each.encode() in held}

    def sql(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.home.ledger)) as connection:
            return connection.execute(query, values).fetchall()

    def copy(self, root: Path) -> Past:
        shutil.copytree(self.home.root, root)
        return Past(Home(root), self.words)


def live(pair: Pair, drawn: random.Random) -> tuple[Past, Past]:
    """Let two sites work: what each has then."""
    words: dict[Bench, dict[str, str | None]] = {pair.dwp: {}, pair.la: {}}
    numbers = iter(range(1, 1000))
    for bench in (pair.dwp, pair.la):
        bench.configure()
        bench.now = time.time()

    def say(bench: Bench, about: str | None) -> str:
        said = word(next(numbers))
        words[bench][said] = about
        return said

    sent: dict[str, str] = {}
    for _ in range(drawn.randrange(6, 12)):
        name, kind = word(next(numbers)), drawn.choice(["good", "good", "wrong", "facts", "odd"])
        told = word(next(numbers))
        content = {
            "good": f"claim {told}",
            "wrong": f"wrong {told}",
            "facts": f'facts {{"message_id": "{told}", "rms": "{told}"}}\nclaim {told}',
            "odd": f'odd {{"rows": [2], "facts": {{"records": "40", "rms": "{told}"}}}}\n{told}',
        }[kind]
        flow = "claim" if kind != "odd" else "referral"
        identity = pair.dwp.submit(f"{name}.xml", content.encode(), flow)
        noted = say(pair.dwp, identity)
        with pair.dwp.ledger.write() as transaction:
            key = transaction.connection.exec_driver_sql("SELECT max(key) FROM transfers").scalar_one()
            transaction.set(TRANSFERS, [key], reference=noted)
        words[pair.dwp] |= {name: identity, told: identity}
        if kind in ("good", "facts"):
            words[pair.la] |= {name: identity, told: identity, noted: identity}
            sent[identity] = name
        if drawn.random() < 0.4:
            decided = Decision("somebody", say(pair.dwp, identity))
            log = Past(pair.dwp.home, {}).log()
            decisions.hold(pair.dwp.settings, log, identity, decided)
            decisions.release(pair.dwp.settings, log, identity, decided)
    pair.work()
    answers = pair.la.home.outcomes / "claim" / "DWP"
    for identity, name in sent.items():
        if drawn.random() < 0.6:
            said = say(pair.la, identity)
            words[pair.dwp][said] = identity
            (answers / f"{name}.xml.{drawn.choice(['accepted', 'rejected'])}").write_text(said)
    (pair.la.home.landing_in("DWP") / f"{say(pair.la, None)}.pgp").write_bytes(b"no message")
    for _ in range(3):
        pair.la.now += 100.0
        pair.work()
    pair.dwp.ledger.close()
    pair.la.ledger.close()
    return Past(pair.dwp.home, words[pair.dwp]), Past(pair.la.home, words[pair.la])


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "open_pgp", lambda settings: PretendedPgp(settings.site.code))


@pytest.fixture(params=range(2))
def pasts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Past, Past]]:
    with two_ledgers(tmp_path / "sites") as pair:
        yield live(pair, random.Random(f"retention {request.param}"))
