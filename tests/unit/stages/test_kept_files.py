"""Another machine may go on with any file at any moment: before each step all that a site keeps vanishes from its own directories, and is
in its store alone. What comes of it is what comes of it at one machine.

At each commit, what the rows speak of is in the store; at the end nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.calendar import day_of
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.errors import FileInfected
from gateway.ledger.audit.files import Area, Listing, check_files
from gateway.ledger.queries import overview
from gateway.ledger.queries.events import chain
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.store import Transaction
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.home import Home
from gateway.stages import statements
from gateway.stages.context import Stage, Step
from gateway.stages.ended_files import areas_of, forget_ended
from gateway.stages.request_answers import decide
from gateway.storage.payloads import Payloads
from tests.fakes.stores import DirectoryStore
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, odd, two_ledgers

LA = "E09000030"
WHY = Decision("somebody", "it is seen to")
DAY = 86_400.0
FLOWS = {
    **DEFAULT_FLOWS,
    "claim": DEFAULT_FLOWS["claim"].model_copy(update={"scan": True}),
    "referral": DEFAULT_FLOWS["referral"].model_copy(update={"tolerated_percent": 50.0}),
}


@dataclass(frozen=True)
class WordScanner:
    """Objects to files with a word in them."""

    word: bytes

    def scan(self, path: Path) -> None:
        if self.word in path.read_bytes():
            raise FileInfected("the virus scanner found Pretended.Virus")


@dataclass(frozen=True)
class Moved:
    """A stage whose every step is done at a machine that has nothing of the site's files."""

    bench: Bench
    stage: Stage

    @property
    def name(self) -> str:
        return self.stage.name

    def step(self) -> Step:
        vanish(self.bench)
        step = self.stage.step()
        done = self.bench.let_send_end() if self.stage is self.bench.send else 0
        return Step(step.done + done, step.due)

    def close(self) -> None:
        self.stage.close()


def vanish(bench: Bench) -> None:
    """Remove all kept files from the directories of this machine."""
    if isinstance(bench.context.payloads, DirectoryStore):
        for area in areas_of(bench.home, None):
            for path in area.rglob("*"):
                if path.is_file() and path.parent.name != "arrivals":
                    path.unlink()


def listing(home: Home, payloads: Payloads, site: str) -> Listing:
    roots = {
        Area.CUSTODY: home.custody,
        Area.SEALED_OUT: home.sealed_out,
        Area.SEALED_IN: home.sealed_in,
        Area.QUARANTINE: home.quarantine,
        Area.INFECTED: home.infected,
        Area.EVIDENCE: home.evidence,
        Area.STATEMENTS: home.statements,
        Area.DISPOSALS: home.disposals,
    }
    stored = {
        area: {str(path.relative_to(root)): sha256 for path, sha256 in payloads.names(root)}
        for area, root in roots.items()
    }
    files: dict[Area, dict[str, int | None]] = {area: dict.fromkeys(names) for area, names in stored.items()}
    return Listing(files, lambda area, name: stored[area][name], site)


def watch_commits(bench: Bench) -> None:
    """Compare the store with the rows at each commit: what a stage keeps later than that comes too late."""
    write = bench.ledger.write

    @contextmanager
    def watched() -> Iterator[Transaction]:
        with write() as transaction:
            yield transaction
        with bench.ledger.read() as connection:
            found = check_files(connection, listing(bench.home, bench.context.payloads, bench.code))
            assert found.faults == []

    bench.ledger.write = watched  # type: ignore[method-assign]


@contextmanager
def sites(root: Path, *, stored: bool) -> Iterator[Pair]:
    scanners = (WordScanner(b"virus here"), WordScanner(b"virus there"))
    with two_ledgers(root, FLOWS, scanners, stored=stored) as pair:
        pair._stages = [(bench, Moved(bench, stage)) for bench, stage in pair._stages]
        if stored:
            watch_commits(pair.dwp)
            watch_commits(pair.la)
        yield pair


@dataclass
class Became:
    """What can be seen of a site's work from outside, and its story."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    locked: list[tuple[Any, ...]] = field(default_factory=list)
    told: list[tuple[Any, ...]] = field(default_factory=list)
    spool: dict[str, bytes] = field(default_factory=dict)


def became(bench: Bench) -> Became:
    with bench.ledger.read() as connection:
        rows = [
            (row.id, row.direction, row.name, row.state, row.code, row.sha256, row.custody)
            for row in overview.transfers(connection)
        ]
        locked = [
            (row.kind, row.code, row.sha256, row.discarded is None) for row in quarantined(connection, discarded=True)
        ]
        told = [(each.event, each.kind, each.subject) for each in chain(connection)]
    spool = {
        str(path.relative_to(bench.home.spool)): b"" if path.name.endswith(".receipt.json") else path.read_bytes()
        for path in bench.home.spool.rglob("*")
        if path.is_file()
    }
    return Became(sorted(rows), sorted(locked), told, spool)


def live(pair: Pair) -> None:
    """A file of every end, at both sites."""
    dwp, la = pair.dwp, pair.la
    for name, content in {
        "good": b"claim one",
        "wrong": b"wrong claim",
        "infected": b"virus here",
        "caught": b"virus there",
        "refused": b"claim two",
    }.items():
        dwp.submit(f"{name}.xml", content)
    dwp.submit("odd.xml", odd([2], 40), "referral")
    kept_back = dwp.submit("back.xml", b"claim three")
    decide(dwp.context, Act.HOLD, kept_back, WHY)
    decide(dwp.context, Act.RETURN, kept_back, WHY)
    pair.work_alone(dwp)
    landing = la.home.landing_in("DWP")
    (sealed, *_) = sorted(landing.glob("*.pgp"))
    came = sealed.read_bytes()
    pair.work()
    outcomes = la.home.outcomes / "claim" / "DWP"
    (outcomes / "good.xml.accepted").write_text("")
    (outcomes / "refused.xml.rejected").write_text("no such account")
    la.now += 100.0
    pair.work()
    # Again the same, then other bytes of its name, then what is nothing at all.
    for content in (came, b"other bytes", came):
        (landing / sealed.name).write_bytes(content)
        pair.work()
    (landing / f"{la.context.new_id()}.pgp").write_bytes(b"no message")
    (landing / "rubbish.txt").write_bytes(b"rubbish")
    (dwp.home.landing_in(LA) / f"{dwp.context.new_id()}.receipt.pgp").write_bytes(b"no receipt")
    pair.work()
    with la.ledger.read() as connection:
        one, other, *_ = [row for row in quarantined(connection) if row.kind == "consignment"]
    vanish(la)
    decide(la.context, Act.EXAMINE_SEALED, one.id, WHY)
    decide(la.context, Act.DISCARD, other.id, WHY)
    # What never gets there comes back.
    dwp.submit("late.xml", b"claim four")
    pair.seal_alone(dwp)
    dwp.now += 100 * DAY
    pair.seal_alone(dwp)
    statements.make(dwp.context, PretendedPgp("DWP"), day_of(dwp.now) - timedelta(days=1))
    pair.work()


@pytest.fixture(scope="module")
def at_one_machine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Became, Became]:
    with sites(tmp_path_factory.mktemp("one"), stored=False) as pair:
        live(pair)
        return became(pair.dwp), became(pair.la)


def test_work_that_moves_at_every_step_ends_as_it_does_at_one_machine(
    tmp_path: Path, at_one_machine: tuple[Became, Became]
) -> None:
    with sites(tmp_path, stored=True) as pair:
        live(pair)
        for bench, alone in zip((pair.dwp, pair.la), at_one_machine, strict=True):
            moved = became(bench)
            assert moved.rows == alone.rows
            assert moved.locked == alone.locked
            assert moved.told == alone.told
            assert moved.spool == alone.spool


def test_at_the_end_the_store_has_what_rows_speak_of_and_nothing_else(tmp_path: Path) -> None:
    with sites(tmp_path, stored=True) as pair:
        live(pair)
        for bench in (pair.dwp, pair.la):
            forget_ended(bench.context, areas_of(bench.home, None))
            payloads = bench.context.payloads
            with bench.ledger.read() as connection:
                found = check_files(connection, listing(bench.home, payloads, bench.code))
                assert (found.faults, found.left_over) == ([], [])
            assert list(payloads.names(bench.home.custody)) == []
            assert list(payloads.names(bench.home.sealed_out)) == []
            assert list(payloads.names(bench.home.sealed_in)) == []
