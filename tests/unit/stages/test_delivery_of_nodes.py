"""Delivery where a site has nodes: its proof is in the ledger, and plaintext stays at the node that wrote it.

Between any two operations of a delivery its node is killed, or stands still while another has its lane and ends the work, and then goes on.
The back office gets each file once, whole, and nothing is left beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


def lanes_of(incarnation: int) -> NodeLanes:
    """All of them, at a node of that incarnation."""
    known = SimpleNamespace(elsewhere=frozenset(), newest=0, has_kept=lambda *_: True, incarnation=incarnation)
    return cast("NodeLanes", known)


class Node:
    """One node of the authority, on a `machine` with directories of its own, but for what people and back offices see."""

    def __init__(
        self, bench: Bench, name: str, root: Path, machine: str | None = None, incarnation: int | None = None
    ) -> None:
        self.home = Home(root / (machine or name))
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
            lanes=None if incarnation is None else lanes_of(incarnation),
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
def opened_at_north(root: Path, *, one_name: bool = False) -> Iterator[tuple[Pair, Node, Node]]:
    """An authority of two nodes: a consignment of three files is opened at one, and not delivered. With `one_name` the second is another machine that has
    taken the first one's name.
    """
    with two_ledgers(root, stored=True) as pair:
        for name, content in FILES.items():
            pair.dwp.submit(name, content)
        pair.work_alone(pair.dwp)
        for stage in pair.stages_of(pair.la):
            if stage.name == "collect":
                stage.step()
        if one_name:
            north, south = Node(pair.la, "north", root, "first", 7), Node(pair.la, "north", root, "second", 8)
        else:
            north, south = (Node(pair.la, name, root) for name in ("north", "south"))
        nodes = (north, south)
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


def test_a_machine_that_stands_still_while_another_takes_its_name_changes_nothing(
    tmp_path: Path, all_points: int
) -> None:
    for at in range(2, all_points + 1, EVERY):
        with opened_at_north(tmp_path / str(at), one_name=True) as (pair, first, second):

            def stand_still(first: Node = first, second: Node = second) -> None:
                first.ledger.lost = True
                second.work()

            first.starts(Reached(at, stand_still).disk())
            with pytest.raises((LaneLost, DiskFailed)):
                first.work()
            second.starts(Disk())  # it is started again, and removes what the old one has copied since
            second.work()
            assert_delivered(pair, first, second)


def test_a_machine_that_goes_on_and_dies_in_a_copy_leaves_alone_what_the_new_one_has_placed(
    tmp_path: Path, all_points: int
) -> None:
    """The new one stands before its renames meanwhile: it publishes then what it has placed, whole."""
    for at in range(2, all_points):
        with opened_at_north(tmp_path / str(at), one_name=True) as (pair, first, second):
            went_on: list[int] = []

            def publish(source: Path, target: Path, first: Node = first, went_on: list[int] = went_on) -> None:
                if not went_on:
                    went_on.append(1)
                    with suppress(KilledError, LaneLost, DiskFailed):
                        first.work()
                Disk().rename_new(source, target)

            def end() -> None:
                raise KilledError

            second.starts(replace(Disk(), rename_new=publish))
            first.ledger.lost = True
            first.starts(Reached(at, end).disk())
            with suppress(
                DiskFailed
            ):  # the old one renamed that very copy, by its row: the next look finds it published
                second.work()
            second.starts(Disk())
            second.work()
            assert_delivered(pair, first, second)


def test_copies_of_a_later_incarnation_are_left_alone(tmp_path: Path) -> None:
    """A machine that stood still and goes on does not remove what the one that took its name is about to publish."""
    with opened_at_north(tmp_path, one_name=True) as (_, first, second):
        there = first.home.inbound / "claim" / "DWP"
        names = [f".gateway-{first.context.new_id()}.north{of}.part" for of in ("", ".6", ".7", ".8", ".7.x")]
        names.append(f".gateway-{first.context.new_id()}.north-2.part")
        for name in names:
            (there / name).touch()
        first.deliver.step()
        assert {path.name for path in first.hidden()} == {names[3], names[4], names[5]}
        remove_copies(second.context, "north")
        assert {path.name for path in first.hidden()} == {names[4], names[5]}


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
