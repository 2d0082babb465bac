"""Local copies: which plaintext leaves a node's vault, and from which second on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import Direction
from gateway.errors import FileInfected
from gateway.ledger.queries import identities
from gateway.ledger.queries.quarantine import quarantined
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.stages.node_lanes import NodeLanes
from gateway.stages.request_answers import decide
from gateway.stages.timers.local_copies import AWAY, LocalCopies
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"
MINUTE = 60.0


@dataclass
class Node:
    """One node of a site: its looks, and copies in its vault."""

    pair: Pair
    bench: Bench
    lanes: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(elsewhere=frozenset()))

    def __post_init__(self) -> None:
        lanes = cast("NodeLanes", self.lanes)
        self.stage = LocalCopies(replace(self.bench.context, lanes=lanes, clock=lambda: self.bench.now))

    def look(self, now: float) -> set[str]:
        """The names of the plaintext that is here after a look at that moment."""
        self.bench.now = now
        self.stage.step()
        home = self.bench.home
        return {path.name for area in (home.custody, home.opened, home.infected) for path in area.iterdir()}

    def copied(self, directory: Path, name: str) -> str:
        """A copy as another node's work leaves it here."""
        (directory / name).write_bytes(b"plaintext")
        return name

    def updated(self, transfer: str) -> float:
        with self.bench.ledger.read() as connection:
            (row,) = identities.by_ids(connection, Direction.OUT, [transfer])
        return row.updated


@contextmanager
def a_node(root: Path, code: str = "DWP") -> Iterator[Node]:
    with two_ledgers(root, stored=True) as pair:
        yield Node(pair, pair.dwp if code == "DWP" else pair.la)


def test_lane_that_is_elsewhere_keeps_its_copies_for_ten_minutes_and_not_a_second_longer(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        transfer, moved = node.bench.submit("a.xml", b"claim"), node.bench.now
        node.lanes.elsewhere = frozenset({LA})
        assert node.look(moved) == {transfer}
        assert node.look(moved + AWAY - 0.1) == {transfer}
        node.stage._look = 0.0
        assert node.look(moved + AWAY) == set()
        assert [path.name for path, _ in node.bench.context.payloads.names(node.bench.home.custody)] == [transfer]


def test_lane_that_came_back_in_between_begins_anew(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        transfer, moved = node.bench.submit("a.xml", b"claim"), node.bench.now
        for minutes, elsewhere in ((0, {LA}), (9, set()), (10, {LA}), (19, {LA})):
            node.lanes.elsewhere = frozenset(elsewhere)
            assert node.look(moved + minutes * MINUTE) == {transfer}
        assert node.look(moved + 20 * MINUTE) == set()


def test_lane_of_ours_keeps_what_is_under_way_however_old(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        transfer = node.bench.submit("a.xml", b"claim")
        assert node.look(node.bench.now + 100 * AWAY) == {transfer}


def test_copy_of_a_file_that_another_node_ended_goes_ten_minutes_after_that_though_the_lane_is_ours(
    tmp_path: Path,
) -> None:
    with a_node(tmp_path) as node:
        ended, under_way = node.bench.submit("a.xml", b"claim"), node.bench.submit("b.xml", b"another claim")
        decide(node.bench.context, Act.HOLD, under_way, Decision("somebody", "it waits"))
        decide(node.bench.context, Act.HOLD, ended, Decision("somebody", "it waits"))
        decide(node.bench.context, Act.RETURN, ended, Decision("somebody", "it is not to go"))
        node.pair.work_alone(node.bench)
        at = node.updated(ended)
        node.copied(node.bench.home.custody, ended)
        assert node.look(at + AWAY - 0.1) == {ended, under_way}, "whoever reads it may not be done"
        node.stage._look = 0.0
        assert node.look(at + AWAY) == {under_way}


def test_copy_without_a_row_stays_since_its_row_may_be_on_its_way(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        loose = node.copied(node.bench.home.custody, node.bench.context.new_id())
        node.lanes.elsewhere = frozenset({LA})
        for looks in range(1, 4):
            assert node.look(node.bench.now + looks * 10 * AWAY) == {loose}


def test_opened_consignment_that_another_node_delivered_goes_and_one_that_waits_stays(tmp_path: Path) -> None:
    with a_node(tmp_path, LA) as node:
        pair, home = node.pair, node.bench.home
        pair.dwp.submit("a.xml", b"claim")
        pair.work_alone(pair.dwp)
        opening = [stage for stage in pair.stages_of(node.bench) if stage.name in ("collect", "open")]
        while sum(stage.step().done for stage in opening):
            pass
        (opened,) = (path.name for path in home.opened.iterdir())
        assert node.look(node.bench.now + 100 * AWAY) == {opened}
        pair.work()
        assert list(home.opened.iterdir()) == []
        delivered = node.bench.now
        (home.opened / opened).mkdir()
        assert node.look(delivered + AWAY - 1) == {opened}
        assert node.look(delivered + AWAY + MINUTE) == set()


class _Scanner:
    def scan(self, path: Path) -> None:
        if b"virus" in path.read_bytes():
            raise FileInfected("the virus scanner found Pretended.Virus")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_infected_copy_goes_with_its_lane_or_once_another_node_discarded_it(tmp_path: Path, *, elsewhere: bool) -> None:
    flows = {**DEFAULT_FLOWS, "claim": DEFAULT_FLOWS["claim"].model_copy(update={"scan": True})}
    with two_ledgers(tmp_path, flows, (_Scanner(), _Scanner()), stored=True) as pair:
        node = Node(pair, pair.dwp)
        pair.dwp.submit("a.xml", b"virus")
        pair.work()
        with pair.dwp.ledger.read() as connection:
            (locked,) = quarantined(connection)
        node.lanes.elsewhere = frozenset({LA} if elsewhere else ())
        assert node.look(pair.dwp.now + MINUTE) == {locked.id}
        if not elsewhere:
            assert node.look(pair.dwp.now + 10 * AWAY) == {locked.id}
            decide(pair.dwp.context, Act.DISCARD, locked.id, Decision("somebody", "it is a virus"))
            node.copied(pair.dwp.home.infected, locked.id)
        assert node.look(pair.dwp.now + 10 * AWAY) == set()
