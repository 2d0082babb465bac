"""Ownership of lanes: every lane has one owner among the nodes that live, all nodes agree on it, and no more moves than has to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.ownership import SITE, Moves, Node, Owner, living, moves, owner_of, unowned

LEASE = 10.0
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True)
NODES = st.lists(NAMES, min_size=1, max_size=6, unique=True)
LANES = [SITE, *(f"E{number:08}" for number in range(11))]


@given(NODES, NAMES)
def test_minimal_moves(nodes: list[str], other: str) -> None:
    """A node that comes takes lanes for itself alone; one that goes gives its own away alone. The order of nodes says nothing."""
    before = {lane: owner_of(lane, tuple(sorted(nodes))) for lane in LANES}
    after = {lane: owner_of(lane, tuple(sorted({*nodes, other}))) for lane in LANES}
    assert before == {lane: owner_of(lane, tuple(sorted(nodes, reverse=True))) for lane in LANES}
    assert {after[lane] for lane in LANES if after[lane] != before[lane]} <= {other}


def test_shares() -> None:
    """Three nodes have about a third each, as sums of digests do; and the answer is the same for ever."""
    lanes = [f"E{number:08}" for number in range(3000)]
    counts = [sum(owner_of(lane, ("a", "b", "c")) == node for lane in lanes) for node in "abc"]
    assert all(900 < count < 1100 for count in counts)
    assert [owner_of(lane, ("a", "b", "c")) for lane in LANES[:8]] == ["c", "a", "a", "b", "b", "c", "b", "a"]


@dataclass
class World:
    """The rows of a site, and its clock."""

    now: float = 1000.0
    nodes: dict[str, Node] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)

    def beat(self, name: str) -> Moves:
        known = self.nodes.get(name)
        unbroken = known is not None and known.until > self.now
        self.nodes[name] = Node(self.now + LEASE, known.since if known and unbroken else self.now)
        todo = moves(name, self.now, self.nodes, self.owners, LANES, LEASE)
        for lane in todo.take:
            owner = self.owners.get(lane, Owner(None)).node
            assert owner is None or self.nodes[owner].until <= self.now
            self.owners[lane] = Owner(name)
        for lane in (*todo.leave, *todo.free, *todo.keep):
            assert self.owners[lane].node == name
        self.owners |= {lane: Owner(name, self.now) for lane in todo.leave}
        self.owners |= dict.fromkeys(todo.free, Owner(None)) | dict.fromkeys(todo.keep, Owner(name))
        return todo


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from((0.0, 1.0, 4.0, 11.0))), max_size=25), NODES)
def test_every_lane_finds_its_owner(past: list[tuple[str, float]], last: list[str]) -> None:
    """Whatever came and went before: nodes that stay have all lanes among them, each where it belongs, and then nothing moves."""
    world = World()
    for name, pause in past:
        world.now += pause
        world.beat(name)
    for _ in range(25):
        world.now += LEASE / 5
        for name in last:
            world.beat(name)
    there = living(world.nodes, world.now)
    assert there == tuple(sorted(last))
    assert unowned(world.owners, LANES, there) == frozenset()
    assert world.owners == {lane: Owner(owner_of(lane, there)) for lane in LANES}
    assert all(world.beat(name) == Moves() for name in last)


def one(owners: Mapping[str, Owner], *, now: float = 100.0, since: float = 0.0, until: float = 101.0) -> Moves:
    return moves("a", now, {"a": Node(until, since), "b": Node(50.0, 0.0)}, owners, [], LEASE)


def test_who_was_away_itself_does_not_judge_others() -> None:
    """After an outage of the database the first node to come back sees all others gone."""
    owners = {"E1": Owner("b")}
    assert one(owners, since=99.0) == Moves()
    assert one(owners, since=90.0) == Moves(take=("E1",))
    assert one({"E1": Owner(None)}, since=99.0) == Moves(take=("E1",))


def test_who_counts_as_gone_does_nothing() -> None:
    assert one({"E1": Owner(None), "E2": Owner("b")}, until=100.0) == Moves()


def test_a_lane_is_left_for_a_lease_before_it_is_free() -> None:
    nodes = {"a": Node(101.0, 0.0), "b": Node(101.0, 0.0)}
    (lane,) = [lane for lane in LANES[1:9] if owner_of(lane, ("a", "b")) == "b"][:1]
    assert moves("a", 100.0, nodes, {lane: Owner("a")}, [], LEASE) == Moves(leave=(lane,))
    assert moves("a", 100.0, nodes, {lane: Owner("a", 91.0)}, [], LEASE) == Moves()
    assert moves("a", 100.0, nodes, {lane: Owner("a", 90.0)}, [], LEASE) == Moves(free=(lane,))
    assert moves("b", 100.0, nodes, {lane: Owner("a", 90.0)}, [], LEASE) == Moves()
    assert moves("a", 100.0, {"a": nodes["a"]}, {lane: Owner("a", 91.0)}, [], LEASE) == Moves(keep=(lane,))
