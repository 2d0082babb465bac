"""Another machine may go on with any file at any moment: before each step all that a site keeps vanishes from its own directories, and is
in its store alone. What comes of it is what comes of it at one machine.

At each commit, what the rows speak of is in the store; at the end nothing else is.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.domain.calendar import day_of
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.errors import FileInfected, SignatureBad, StoreUnreachable
from gateway.ledger.audit.files import check_files
from gateway.ledger.dispatch import Dispatch
from gateway.ledger.queries import fair_share, overview
from gateway.ledger.queries.events import chain
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.units import Consignment
from gateway.settings.directories import make, partner_directories, site_directories
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.home import Home
from gateway.spool.drops import Rule
from gateway.spool.exception_lists import ExceptionLists, Listed, ListKey
from gateway.spool.intake import Intake
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Stability
from gateway.stages import showing, statements
from gateway.stages.admission import submitted_copies
from gateway.stages.arrivals import ARRIVALS
from gateway.stages.attempts import refuse
from gateway.stages.context import Stage, Step
from gateway.stages.ended_files import areas_of, forget_ended
from gateway.stages.inbound.collect import Collect
from gateway.stages.itinerary import Role
from gateway.stages.kept_files import sealed_file
from gateway.stages.locked_away import file_in_quarantine, show
from gateway.stages.node_lanes import NodeLanes
from gateway.stages.outbound.admit import Admit
from gateway.stages.request_answers import decide
from gateway.storage.payloads import KeptFile
from tests.fakes.stores import VARIABLE, SiteStore, store_listing, watch_commits
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, Renamed, odd, two_ledgers

LA = "E09000030"
EXTRACT = f"hb{LA}_SHBE_555086k November 2026.csv"
WHY = Decision("somebody", "it is seen to")
DAY = 86_400.0
FLOWS = {
    **DEFAULT_FLOWS,
    "claim": DEFAULT_FLOWS["claim"].model_copy(update={"scan": True}),
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
    if isinstance(bench.context.payloads, SiteStore):
        for area in (*areas_of(bench.home, None), bench.home.evidence, bench.home.exceptions):
            for path in area.rglob("*"):
                if path.is_file() and path.parent.name != "arrivals":
                    path.unlink()


@contextmanager
def sites(root: Path, *, stored: bool) -> Iterator[Pair]:
    scanners = (WordScanner(b"virus here"), WordScanner(b"virus there"))
    with two_ledgers(root, FLOWS, scanners, stored=stored) as pair:
        pair._stages = [(bench, Moved(bench, stage)) for bench, stage in pair._stages]
        if stored:
            for bench in (pair.dwp, pair.la):
                watch_commits(bench.ledger, bench.home, bench.context.payloads, bench.code)
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


def work_unsent(pair: Pair, bench: Bench) -> None:
    """Have one site do all but send."""
    stages = [stage for stage in pair.stages_of(bench) if stage.name != "send"]
    while sum(stage.step().done for stage in stages):
        pass


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
    la.submit(EXTRACT, odd([7, 9], 400), "extract")
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
    for _ in range(3):
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
    work_unsent(pair, dwp)
    dwp.now += 100 * DAY
    work_unsent(pair, dwp)
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
        # What came with other bytes under a known name was kept for a row that it did not get.
        for bench, of_a_refused in ((pair.dwp, 0), (pair.la, 1)):
            assert forget_ended(bench.context, areas_of(bench.home, None)) == of_a_refused
            payloads = bench.context.payloads
            with bench.ledger.read() as connection:
                found = check_files(connection, store_listing(bench.home, payloads, bench.code))
                assert (found.faults, found.left_over) == ([], [])
            assert list(payloads.names(bench.home.custody)) == []
            assert list(payloads.names(bench.home.sealed_out)) == []
            assert list(payloads.names(bench.home.sealed_in)) == []


@dataclass(frozen=True)
class Troubled:
    """A stage at a machine to which the store does not answer, at some of its steps."""

    bench: Bench
    stage: Stage
    chance: random.Random

    @property
    def name(self) -> str:
        return self.stage.name

    def step(self) -> Step:
        store = self.bench.context.payloads
        assert isinstance(store, SiteStore)
        store.away = self.chance.random() < 0.3
        try:
            return Moved(self.bench, self.stage).step()
        except StoreUnreachable:
            return Step()  # as the stage loop has it: later once more
        finally:
            store.away = False
            self.bench.now += 1000.0

    def close(self) -> None:
        self.stage.close()


@pytest.mark.parametrize("seed", range(3))
def test_store_that_is_away_now_and_then_delays_files_and_changes_nothing(tmp_path: Path, seed: int) -> None:
    with sites(tmp_path, stored=True) as pair:
        chance = random.Random(f"store {seed}")
        pair._stages = [
            (bench, Troubled(bench, stage.stage, chance)) for bench, stage in pair._stages if isinstance(stage, Moved)
        ]
        sent = {f"{number}.xml": f"claim {number}".encode() for number in range(6)}
        for name, content in {**sent, "wrong.xml": b"wrong claim", "caught.xml": b"virus there"}.items():
            pair.dwp.submit(name, content)
        for _ in range(12):
            for _, stage in pair._stages:
                stage.step()
        pair._stages = [(bench, stage.stage) for bench, stage in pair._stages if isinstance(stage, Troubled)]
        pair.work()
        there = pair.la.home.inbound / "claim" / "DWP"
        assert {path.name: path.read_bytes() for path in there.iterdir()} == sent
        with pair.dwp.ledger.read() as connection:
            states = {row.name: row.state for row in overview.transfers(connection)}
        assert states == {**dict.fromkeys(sent, "receipted"), "wrong.xml": "rejected", "caught.xml": "quarantined"}
        for bench in (pair.dwp, pair.la):
            forget_ended(bench.context, areas_of(bench.home, None))
            for area in (bench.home.custody, bench.home.sealed_out, bench.home.sealed_in):
                assert list(bench.context.payloads.names(area)) == []


def test_what_lands_at_another_node_than_the_one_that_has_its_lane_is_recorded_there_and_once(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        dwp, la = pair.dwp, pair.la
        dwp.submit("a.xml", b"claim")
        pair.work_alone(dwp)
        names = {path.name for path in la.home.landing_in("DWP").iterdir()}
        (la.home.landing_in("DWP") / "rubbish").symlink_to("/etc/passwd")
        (la.home.landing_in("DWP") / "rübbish\n").write_bytes(b"no message")
        there = Home(tmp_path / "second" / la.code)
        there.root.mkdir(parents=True)
        make([*site_directories(there), *partner_directories(there, "DWP", (), ())])
        store = la.context.payloads
        assert isinstance(store, SiteStore)
        landed_here = replace(la.context, lanes=cast("NodeLanes", SimpleNamespace(elsewhere=frozenset({"DWP"}))))
        owner = replace(
            la.context,
            settings=replace(la.settings, home=there),
            lanes=cast("NodeLanes", SimpleNamespace(elsewhere=frozenset())),
            payloads=SiteStore(there.state, store.root, la.code),
        )
        first, second = Collect(landed_here, Renamed()), Collect(owner, Renamed())
        woken: list[set[str]] = []
        la.ledger.dispatch = cast("Dispatch", SimpleNamespace(wake=lambda _transaction, lanes: woken.append({*lanes})))
        first.step()
        assert woken[0] == {"DWP"}, "whoever is to record it"
        with la.ledger.read() as connection:
            assert [row.code for row in quarantined(connection)] == ["landing-unexpected"] * 2
            assert fair_share.lanes(connection, Consignment, Direction.IN, State.LANDED) == []
        assert list((la.home.sealed_in / "DWP" / ARRIVALS).iterdir()) == []
        second.step()
        assert {path.name for path in (there.sealed_in / "DWP").glob("*.pgp")} == names
        with la.ledger.read() as connection:
            (landed,) = fair_share.due(connection, Consignment, Direction.IN, State.LANDED, la.now, 9)
        la.now += 10.0
        assert second.step().done == 0
        assert list(store.names(la.home.sealed_in)) == [tuple(sealed_file(la.home, landed))]


def test_arrival_waits_for_its_lane_where_there_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with two_ledgers(tmp_path) as pair:
        pair.dwp.submit("a.xml", b"claim")
        pair.work_alone(pair.dwp)
        elsewhere = cast("NodeLanes", SimpleNamespace(elsewhere=frozenset({"DWP"})))
        Collect(replace(pair.la.context, lanes=elsewhere), Renamed()).step()
        pair.work()
        assert (pair.la.home.inbound / "claim" / "DWP" / "a.xml").read_bytes() == b"claim"


def test_dropped_file_stays_where_it_is_until_the_store_has_its_copy(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench, store = pair.dwp, pair.dwp.context.payloads
        assert isinstance(store, SiteStore)
        drop = bench.home.outbound / "claim" / LA / "a.xml"
        drop.write_bytes(b"claim")
        aside = SetAside(bench.home.outbound, {}, 60.0, lambda: bench.now)
        rules = {"claim": Rule(0.0, 1000, frozenset({LA}))}
        intake = Intake(bench.home.outbound, rules, frozenset({LA}), Stability(lambda: bench.now), aside)
        admit = Admit(bench.context, intake, aside)
        store.away = True
        for _ in range(3):
            with suppress(StoreUnreachable):
                admit.step()
            bench.now += 10.0
        assert drop.exists()
        assert list(bench.home.custody.iterdir()) == []
        store.away = False
        watch_commits(bench.ledger, bench.home, store, bench.code)
        for _ in range(3):
            admit.step()
            bench.now += 10.0
        admit.close()
        assert not drop.exists()
        assert len(list(store.names(bench.home.custody))) == 1


def test_submitted_files_are_in_the_store_before_they_are_in_custody(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        context = pair.dwp.context
        with submitted_copies(context) as copies:
            _, copied = copies.write(b"claim", context.new_id())
            assert list(context.payloads.names(context.home.custody)) == []
            copies.commit()
            kept = KeptFile(context.home.custody / copied.transfer, copied.sha256)
            assert list(context.payloads.names(context.home.custody)) == [kept]
            assert not kept.path.exists()
            copies.move_in()
            assert kept.path.read_bytes() == b"claim"
        assert not kept.path.exists(), "it was not recorded"
        assert list(context.payloads.names(context.home.custody)) == []


def test_plaintext_without_a_row_leaves_the_store_after_two_days(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        context, home = pair.dwp.context, pair.dwp.home
        kept = {home.custody / context.new_id(): b"claim", home.infected / context.new_id(): b"virus"}
        for path, content in kept.items():
            path.write_bytes(content)
            context.payloads.keep({path: hashlib.sha256(content).hexdigest()})
        with_row = pair.dwp.submit("a.xml", b"claim")
        pair.dwp.now += 1.9 * DAY
        assert forget_ended(context, areas_of(home, Role.INSPECT)) == 0
        pair.dwp.now += 0.2 * DAY
        assert forget_ended(context, areas_of(home, Role.INSPECT)) == 2
        assert [path.name for path, _ in context.payloads.names(home.custody)] == [with_row]


def test_list_of_exceptions_is_found_by_its_name_and_goes_with_its_row(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        context = pair.dwp.context
        lists = ExceptionLists(context.home.exceptions, context.payloads)
        key, other = (ListKey("out", LA, context.new_id()) for _ in range(2))
        lists.keep({each: [Listed(1, "8", "extract-date", "Not a date.")] for each in (key, other)})
        vanish(pair.dwp)
        assert lists.read(key) is not None
        lists.forget(key)
        assert lists.read(key) is None
        assert list(lists.kept()) == [other]


def test_what_is_to_be_looked_at_is_brought_first(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        context = pair.dwp.context
        identity = pair.dwp.submit("a.xml", b"claim")
        vanish(pair.dwp)
        row, _ = showing.asked_for(context, identity)
        assert showing._payload(context, row, tmp_path / "copy").read_bytes() == b"claim"


def test_what_is_in_quarantine_is_brought_before_a_reader_looks_at_it(tmp_path: Path) -> None:
    class Looked(Exception):
        pass

    class Readers:
        def sandbox(self, _plans: object) -> None:
            raise Looked

    with sites(tmp_path, stored=True) as pair:
        pair.dwp.submit("infected.xml", b"virus here")
        pair.work()
        with pair.dwp.ledger.read() as connection:
            (row,) = quarantined(connection)
        vanish(pair.dwp)
        what = file_in_quarantine(pair.dwp.context, row.id)
        with pytest.raises(Looked):
            show(
                pair.dwp.context, cast("Any", Readers()), pair.dwp.context.new_id(), what, {"claim": cast("Any", None)}
            )
        assert what.path.read_bytes() == b"virus here"


def test_what_is_locked_away_is_brought_first_where_it_vanished_since_it_was_read(tmp_path: Path) -> None:
    with sites(tmp_path, stored=True) as pair:
        pair.dwp.submit("a.xml", b"claim")
        pair.work_alone(pair.dwp)
        (collect,) = [stage for stage in pair.stages_of(pair.la) if stage.name == "collect"]
        while not collect.step().done:
            pass
        la = pair.la
        with la.ledger.read() as connection:
            (row,) = fair_share.due(connection, Consignment, Direction.IN, State.LANDED, la.now, 9)
        sealed = sealed_file(la.home, row)
        vanish(la)
        refuse(la.context, row, SignatureBad("not theirs"))
        with la.ledger.read() as connection:
            (locked,) = quarantined(connection)
        assert (locked.sha256, locked.size) == (sealed.sha256, row.sealed_size)
        assert [sha256 for _, sha256 in la.context.payloads.names(la.home.quarantine)] == [sealed.sha256]
        assert [*la.context.payloads.names(la.home.sealed_in)] == []
