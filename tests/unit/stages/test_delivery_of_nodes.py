"""Delivery where a site has nodes: its proof is in the ledger, and plaintext stays at the node that wrote it.

Between any two operations of a delivery its node is killed, or stands still while another has its lane and ends the work, and then goes on.
The back office gets each file once, whole, and nothing is left beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.administration.site.nodes import remove_copies
from gateway.administration.views.records import trouble
from gateway.assembly import roles
from gateway.errors import DiskFailed, LaneLost
from gateway.ledger.queries import overview
from gateway.ledger.store import Ledger, Transaction
from gateway.settings.directories import make, partner_directories, site_directories
from gateway.settings.home import Home
from gateway.settings.node import NodeSettings
from gateway.settings.shared_place import MARK
from gateway.stages.context import StageContext
from gateway.stages.inbound.acknowledge import Acknowledge
from gateway.stages.inbound.deliver import Deliver
from gateway.stages.inbound.open import Open
from gateway.stages.node_lanes import NodeLanes
from gateway.stages.timers.local_copies import AWAY, DiscardedCopies, LocalCopies
from gateway.storage.durable import Disk
from tests.fakes.stores import SiteStore
from tests.fakes.two_ledgers import PRETENDED, Bench, Pair, PretendedPgp, two_ledgers

FILES = {"a.xml": b"claim one", "b.xml": b"claim two", "c.xml": b"claim three"}
EVERY = 2
"""Every other point is enough for each run of the tests: the two ways of going on take turns."""


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class Reached:
    """Counts a node's operations at its disk; at number `at` it does `then`."""

    at: int
    then: Callable[[], None]
    count: int = 0

    def disk(self) -> Disk:
        return Disk(**{each.name: partial(self._do, getattr(Disk, each.name)) for each in fields(Disk)})

    def _do(self, operation: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.count += 1
        if self.count == self.at:
            self.then()
        return operation(*arguments, **named)


@dataclass
class Fenced:
    """The ledger as a node has it, until it has `lost` its lanes."""

    ledger: Ledger
    lost: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        if self.lost:
            raise LaneLost("the lane is another node's")
        with self.ledger.write() as transaction:
            yield transaction


class Node:
    """One node of the authority: directories of its own, but for what people and back offices see."""

    def __init__(self, bench: Bench, name: str, root: Path) -> None:
        self.home = Home(root / name)
        self.home.root.mkdir(parents=True)
        make([*site_directories(self.home), *partner_directories(self.home, bench.other, (), ())])
        shutil.rmtree(self.home.inbound)
        self.home.inbound.symlink_to(bench.home.inbound)
        (bench.home.spool / MARK).write_text(bench.code)
        store = bench.context.payloads
        assert isinstance(store, SiteStore)
        self.ledger = Fenced(bench.ledger)
        self.context: StageContext = replace(
            bench.context,
            settings=replace(bench.settings, home=self.home, node=NodeSettings(name=name)),
            ledger=cast("Ledger", self.ledger),
            payloads=SiteStore(self.home.state, store.root, bench.code),
        )
        self.open = Open(self.context, PretendedPgp(bench.code), partial(roles._unpack, 10**9))
        self.deliver = Deliver(self.context, PRETENDED)
        self.acknowledge = Acknowledge(self.context, PretendedPgp(bench.code))
        self._bench = bench

    def starts(self, disk: Disk) -> None:
        self.deliver = Deliver(self.context, PRETENDED, disk=disk)

    def work(self) -> None:
        """Until nothing moves, though time goes by."""
        quiet = 0
        while quiet < 3:
            self._bench.now += 2.0
            quiet = 0 if self.open.step().done + self.deliver.step().done + self.acknowledge.step().done else quiet + 1

    def close(self) -> None:
        for stage in (self.open, self.deliver, self.acknowledge):
            stage.close()

    def hidden(self) -> list[Path]:
        return list(self.home.inbound.glob("*/*/.*"))


@contextmanager
def opened_at_north(root: Path) -> Iterator[tuple[Pair, Node, Node]]:
    """An authority of two nodes: a consignment of three files is opened at one, and not delivered."""
    with two_ledgers(root, stored=True) as pair:
        for name, content in FILES.items():
            pair.dwp.submit(name, content)
        pair.work_alone(pair.dwp)
        for stage in pair.stages_of(pair.la):
            if stage.name == "collect":
                stage.step()
        nodes = tuple(Node(pair.la, name, root) for name in ("north", "south"))
        north, south = nodes
        while north.open.step().done:
            pass
        try:
            yield pair, north, south
        finally:
            for node in nodes:
                node.close()


def assert_delivered(pair: Pair, north: Node, south: Node) -> None:
    there = pair.la.home.inbound / "claim" / "DWP"
    assert {path.name: path.read_bytes() for path in there.iterdir()} == FILES
    with pair.la.ledger.read() as connection:
        rows = {row.name: (row.state, row.delivered_name) for row in overview.transfers(connection)}
    assert rows == {name: ("delivered", name) for name in FILES}
    assert [*north.hidden(), *south.hidden()] == []
    assert list(south.home.opened.iterdir()) == []


def test_what_was_opened_at_a_node_that_lost_its_lane_is_opened_again_and_delivered(tmp_path: Path) -> None:
    with opened_at_north(tmp_path) as (pair, north, south):
        assert len(list(north.home.opened.iterdir())) == 1
        assert south.deliver.step().done == 0, "what does not lie here is no proof of anything"
        south.work()
        assert_delivered(pair, north, south)
        pair.work()
        with pair.dwp.ledger.read() as connection:
            states = {row.name: row.state for row in overview.transfers(connection)}
        assert states == dict.fromkeys(FILES, "receipted")


@pytest.mark.parametrize("missing", [False, True])
def test_what_cannot_be_opened_again_since_the_store_has_lost_it_waits_alone_and_goes_on_once_it_is_back(
    tmp_path: Path,
    missing: bool,  # noqa: FBT001
) -> None:
    with opened_at_north(tmp_path) as (pair, _, south):
        store = pair.la.context.payloads
        assert isinstance(store, SiteStore)
        (found,) = (path for path in (store.root / "sealed/in/DWP").iterdir() if path.is_file())
        content = found.read_bytes()
        found.unlink()
        if not missing:
            found.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        pair.dwp.submit("d.xml", b"claim four")
        pair.work_alone(pair.dwp)
        collect = next(stage for stage in pair.stages_of(pair.la) if stage.name == "collect")
        collect.step()
        for _ in range(5):
            pair.la.now += 1000.0
            south.work()
        there = pair.la.home.inbound / "claim" / "DWP"
        assert [path.name for path in there.iterdir()] == ["d.xml"], "what else comes goes on"
        with pair.la.ledger.read() as connection:
            told = trouble(connection, "DWP", 5)
        assert told is not None
        assert (told.code, found.name in told.reason) == ("store-file-lost", True)
        found.unlink(missing_ok=True)
        found.write_bytes(content)
        pair.la.now += 1000.0
        south.work()
        assert {path.name for path in there.iterdir()} == {*FILES, "d.xml"}
        with pair.la.ledger.read() as connection:
            assert trouble(connection, "DWP", 5) is None


def test_what_lies_in_part_at_the_node_is_opened_again_whole(tmp_path: Path) -> None:
    with opened_at_north(tmp_path) as (pair, north, south):
        (directory,) = north.home.opened.iterdir()
        (directory / "0002").unlink()
        north.work()
        assert_delivered(pair, south, north)


def points(root: Path) -> int:
    """How many operations the delivery makes."""
    with opened_at_north(root) as (_, north, _south):
        reached = Reached(0, lambda: None)
        north.starts(reached.disk())
        north.work()
        return reached.count


@pytest.fixture(scope="module")
def all_points(tmp_path_factory: pytest.TempPathFactory) -> int:
    return points(tmp_path_factory.mktemp("points"))


def test_a_node_that_is_killed_between_any_two_operations_is_followed_by_another(
    tmp_path: Path, all_points: int
) -> None:
    assert all_points > 10
    for at in range(1, all_points + 1, EVERY):
        with opened_at_north(tmp_path / str(at)) as (pair, north, south):

            def end() -> None:
                raise KilledError

            north.starts(Reached(at, end).disk())
            with pytest.raises(KilledError):
                north.work()
            south.work()
            north.starts(Disk())  # it is there again, and has nothing to do
            north.work()
            assert_delivered(pair, north, south)


def test_a_node_that_is_killed_and_given_up_leaves_nothing_beside_peoples_files(
    tmp_path: Path, all_points: int
) -> None:
    for at in range(1, all_points + 1, EVERY):
        with opened_at_north(tmp_path / str(at)) as (pair, north, south):

            def end() -> None:
                raise KilledError

            north.starts(Reached(at, end).disk())
            with pytest.raises(KilledError):
                north.work()
            remove_copies(south.context, "north")
            south.work()
            assert_delivered(pair, south, south)


def test_a_node_that_stands_still_and_goes_on_after_another_has_done_the_work_changes_nothing(
    tmp_path: Path, all_points: int
) -> None:
    for at in range(2, all_points + 1, EVERY):
        with opened_at_north(tmp_path / str(at)) as (pair, north, south):

            def stand_still(north: Node = north, south: Node = south) -> None:
                north.ledger.lost = True
                south.work()

            north.starts(Reached(at, stand_still).disk())
            # Or it finds in the middle of its rename that there is nothing to rename any more, and looks again.
            with pytest.raises((LaneLost, DiskFailed)):
                north.work()
            north.ledger.lost = False
            north.work()
            assert_delivered(pair, north, south)


def test_plaintext_of_a_lane_that_is_elsewhere_leaves_the_node_after_a_while_and_nothing_else_does(
    tmp_path: Path,
) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        dwp = pair.dwp
        kept = [dwp.submit(name, content) for name, content in FILES.items()]
        loose = dwp.home.custody / dwp.context.new_id()
        loose.write_bytes(b"on its way into the ledger")
        lanes = SimpleNamespace(elsewhere=frozenset())
        stage = LocalCopies(replace(dwp.context, lanes=cast("NodeLanes", lanes)))
        dwp.now += 2 * AWAY
        assert stage.step().done == 0
        lanes.elsewhere = frozenset({pair.la.code})
        dwp.now += 2 * AWAY
        assert stage.step().done == 0, "it has been elsewhere for a moment only, as far as this node knows"
        dwp.now += AWAY + 1
        assert stage.step().done == len(FILES)
        assert [path.name for path in dwp.home.custody.iterdir()] == [loose.name]
        stored = {path.name for path, _ in dwp.context.payloads.names(dwp.home.custody)}
        assert stored == set(kept)


def test_what_is_discarded_at_another_node_leaves_this_one_and_what_is_kept_stays(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        dwp = pair.dwp
        context = replace(dwp.context, lanes=cast("NodeLanes", SimpleNamespace(elsewhere=frozenset())))
        names = [dwp.context.new_id() for _ in range(3)]
        for directory, ending in ((dwp.home.quarantine, ".sealed"), (dwp.home.infected, "")):
            for name in names:
                (directory / f"{name}{ending}").write_bytes(b"locked away")
        for name, discarded in ((names[0], 1.0), (names[1], None)):
            dwp.sql(
                "INSERT INTO quarantine VALUES (?, 'consignment', 'c', ?, 'replay', 'r', 1, 1, 'x', ?, '')",
                name, pair.la.code, discarded,
            )  # fmt: skip
        assert DiscardedCopies(dwp.context).step().done == 0  # a gateway alone has discarded its own
        sealed, infected = DiscardedCopies(context), LocalCopies(context)
        assert (sealed.step().done, infected.step().done) == (1, 1)
        assert (sealed.step().due or 0.0) > dwp.now + 50  # not before a minute has passed
        assert {path.stem for path in dwp.home.quarantine.iterdir()} == set(names[1:])  # the last one has no row yet
        assert {path.name for path in dwp.home.infected.iterdir()} == set(names[1:])


def test_opened_consignment_of_a_lane_that_is_elsewhere_leaves_the_node(tmp_path: Path) -> None:
    with opened_at_north(tmp_path) as (pair, north, south):
        lanes = cast("NodeLanes", SimpleNamespace(elsewhere=frozenset({"DWP"})))
        stage = LocalCopies(replace(north.context, lanes=lanes))
        stage.step()
        pair.la.now += AWAY + 61
        assert stage.step().done == 1
        assert list(north.home.opened.iterdir()) == []
        south.work()
        assert_delivered(pair, north, south)
