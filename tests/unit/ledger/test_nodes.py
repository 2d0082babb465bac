"""Several nodes in one ledger: who leads what by the database's clock, and that a node writes nothing late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from gateway.administration.views.nodes import NodesView, listed
from gateway.daemon.heartbeat import Heartbeat
from gateway.daemon.node_needs import require_right_clock
from gateway.domain.ownership import AS_LANE, AS_NODE, AS_SITE, SITE, Moves, owner_of
from gateway.domain.states import Direction, State
from gateway.errors import (
    DiskFailed,
    GatewayError,
    ImpossibleMove,
    LaneLost,
    LedgerAway,
    LostRace,
    NodeClock,
    NodeHeld,
    NodeTaken,
    StoreUnreachable,
)
from gateway.ledger import nodes
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.fence import Fence, outside, session_of
from gateway.ledger.store import Ledger, Transaction
from gateway.ledger.tables import EVENTS, LANE_OWNERS, LANES, NODES, TRANSFERS
from gateway.settings.node import NodeSettings
from gateway.stages.node_lanes import NodeLanes

PARTNERS = tuple(f"E{number:08}" for number in range(6))
LEASE = 100.0  # of time that the tests make pass


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with closing(opened(place)) as made:
        yield made


def opened(place: str, fence: Fence | None = None, session: Mapping[str, str] | None = None) -> Ledger:
    return Ledger(place, clock=lambda: 1_795_000_000.0, role="test", fence=fence, session=session)


class Site:
    """Nodes without threads, whose time passes when the test says so."""

    def __init__(self, place: str, ledger: Ledger) -> None:
        self.place, self.ledger, self.said = place, ledger, list[tuple[str, dict[str, Any]]]()
        self.beats: dict[str, Heartbeat] = {}
        self.known: dict[str, list[int]] = {}
        self.ahead: dict[str, float] = {}
        """Seconds by which a node's clock is before the database's."""

    def beat(self, *names: str, rounds: int = 1) -> None:
        for name in names * rounds:
            (self.beats.get(name) or self.start(name)).beat()

    def start(self, name: str, known: list[int] | None = None) -> Heartbeat:
        """A machine starts as that node; `known` are the incarnations that it had, the last one last."""
        known = [] if known is None else known
        self.known[name] = known
        self.beats[name] = Heartbeat(
            opened(self.place, outside(name)),
            name,
            lease=LEASE,
            every=1.0,
            version="1",
            partners=PARTNERS,
            say=lambda event, **keys: self.said.append((event, keys)),
            changed=lambda: None,
            there=known.append,
            before=lambda: known[-1] if known else None,
            reach=lambda: self.require_right_clock(name),
        )
        return self.beats[name]

    def require_right_clock(self, name: str) -> None:
        with self.ledger.read() as connection:
            require_right_clock(connection, time.time() + self.ahead.get(name, 0.0))

    def pass_time(self, seconds: float) -> None:
        """As if all that happened had happened so much earlier."""
        with self.ledger.beside_chain() as connection:
            for table, columns in ((NODES, ("since", "seen")), (LANE_OWNERS, ("since", "leaving"))):
                connection.execute(update(table).values({name: table.c[name] - seconds for name in columns}))

    def read(self) -> nodes.Site:
        with self.ledger.read() as connection:
            return nodes.read(connection)

    def leads(self, name: str) -> set[str]:
        return {lane for lane, row in self.read().lanes.items() if row.node == name and row.leaving is None}

    def fence(self, name: str, acts_as: str = AS_LANE) -> Fence:
        with self.ledger.read() as connection:
            incarnation, newest, _ = nodes.version(connection, name)
        return Fence(name, incarnation or 0, newest, acts_as)


@pytest.fixture
def site(place: str, ledger: Ledger) -> Iterator[Site]:
    made = Site(place, ledger)
    yield made
    for beat in made.beats.values():
        beat._ledger.close()


def expected(*names: str) -> dict[str, set[str]]:
    lanes = (SITE, *PARTNERS)
    return {name: {lane for lane in lanes if owner_of(lane, names) == name} for name in names}


def admit(transaction: Transaction, partner: str, number: int) -> None:
    identity = f"019ab5f0-1c2d-7abc-8def-0123456789{number:02}"
    event = transaction.record("transfer.admitted", "transfer", identity, partner)
    row = {"id": identity, "direction": "out", "flow": "claim", "partner": partner, "name": "a", "size": 1}
    transaction.insert(TRANSFERS, [row | {"sha256": "0" * 64, "state": "admitted", "event": event}])


def validate(transaction: Transaction, partner: str) -> None:
    key = transaction.connection.execute(select(TRANSFERS.c.key).where(TRANSFERS.c.partner == partner)).scalar_one()
    transaction.record("transfer.validated", "transfer", "x", partner)
    transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, [{"key": key, "state": State.VALIDATED}])


def suspend(transaction: Transaction, partner: str) -> None:
    """Something that no trigger asks about."""
    transaction.record("partner.suspended", "partner", partner, partner)


def refused(ledger: Ledger, fence: Fence | None, what: Any, *arguments: Any) -> type[GatewayError] | None:
    """The error with which the ledger refuses it; that nothing of it stays is looked at."""
    ledger.fence = fence

    def stored() -> list[Any]:
        with ledger.read() as connection:
            return [connection.execute(select(table)).all() for table in (TRANSFERS, EVENTS, LANES)]

    before = stored()
    try:
        with ledger.write() as transaction:
            what(transaction, *arguments)
    except GatewayError as error:
        assert stored() == before
        return type(error)
    return None


def test_one_node_has_all(site: Site) -> None:
    site.beat("a")
    assert site.leads("a") == {SITE, *PARTNERS}
    with site.ledger.read() as connection:
        (detail,) = connection.execute(text("SELECT detail FROM events WHERE event = 'node.taken-over'")).scalars()
        assert PARTNERS[0] in detail
        assert [*check_chain(connection), *check_rows(connection)] == []


def test_nodes_come_and_go(site: Site) -> None:
    """A lane is left for a lease and then given up; one of a node that is gone is taken over, with a warning in the chain."""
    site.beat("a")
    site.beat("b", "a")
    shares = expected("a", "b")
    assert (site.leads("a"), site.leads("b")) == (shares["a"], set())
    for _ in range(3):
        site.pass_time(LEASE / 2)
        site.beat("a", "b")
    assert {name: site.leads(name) for name in "ab"} == shares
    before = site.read().lanes
    site.pass_time(LEASE + 1)
    site.beat("b")
    assert site.leads("b") == shares["b"]  # it had not been there itself
    site.pass_time(LEASE / 2)
    site.beat("b")
    site.pass_time(LEASE / 2)
    site.beat("b")
    assert site.leads("b") == {SITE, *PARTNERS}
    after = site.read().lanes
    newest = max(row.epoch for row in before.values())
    assert all(after[lane].epoch > newest for lane in shares["a"])
    assert all(after[lane] == before[lane]._replace(since=after[lane].since) for lane in shares["b"])
    with site.ledger.read() as connection:
        lost = connection.execute(text("SELECT detail FROM events WHERE event = 'node.lost'")).scalars().all()
        assert [*check_chain(connection), *check_rows(connection)] == []
    assert len(lost) == 1
    assert '"gone":["a"]' in lost[0]


def test_a_node_that_stood_still_is_fenced(site: Site) -> None:
    """What was begun before a lane was lost is refused, also where the node has it again; and so is a new row while it counts as gone."""
    site.beat("a", "b")
    (lane, *_) = sorted(expected("a", "b")["a"] - {SITE})
    before = site.fence("a")
    assert refused(site.ledger, before, admit, lane, 1) is None
    site.pass_time(LEASE + 1)
    assert refused(site.ledger, before, admit, lane, 2) is LaneLost
    assert refused(site.ledger, before._replace(acts_as=AS_NODE), validate, lane) is LaneLost
    for _ in range(3):
        site.pass_time(LEASE / 2)
        site.beat("b")
    assert lane in site.leads("b")
    assert refused(site.ledger, before, validate, lane) is LaneLost
    assert refused(site.ledger, before._replace(newest=10**6), validate, lane) is LaneLost
    for _ in range(4):
        site.pass_time(LEASE / 2)
        site.beat("a", "b")
    assert lane in site.leads("a")
    assert refused(site.ledger, before, validate, lane) is LaneLost
    assert refused(site.ledger, before, admit, lane, 2) is LaneLost  # of an incarnation from before
    assert refused(site.ledger, site.fence("a"), admit, lane, 2) is None
    with site.ledger.read() as connection:
        assert [*check_chain(connection), *check_rows(connection)] == []


def test_who_may_write_what(site: Site) -> None:
    """The site's node decides about any lane, a node about what its own directories tell, a command about all; a stranger about nothing."""
    site.beat("a")
    assert refused(site.ledger, None, admit, PARTNERS[0], 1) is LaneLost
    assert refused(site.ledger, outside("a"), admit, PARTNERS[0], 1) is None
    site.beat("b", "a")
    for _ in range(3):
        site.pass_time(LEASE / 2)
        site.beat("a", "b")
    leads = expected("a", "b")
    here, there = ("a", "b") if SITE in leads["a"] else ("b", "a")
    (theirs, *_) = sorted(leads[there] - {SITE})
    assert refused(site.ledger, site.fence(here, AS_NODE), admit, theirs, 2) is None
    assert refused(site.ledger, site.fence(here), Transaction.set_lane, theirs) is LaneLost
    assert refused(site.ledger, site.fence(there, AS_SITE), Transaction.set_lane, theirs) is LaneLost
    for fence in (site.fence(there), site.fence(here, AS_SITE), site.fence(here, AS_NODE), outside(here)):
        assert refused(site.ledger, fence, Transaction.set_lane, theirs) is None
    assert refused(site.ledger, None, Transaction.set_lane, theirs) is LaneLost


def test_a_lost_race_is_none_to_halt_for(site: Site) -> None:
    with site.ledger.write() as transaction:
        admit(transaction, PARTNERS[0], 1)
    with site.ledger.write() as transaction:
        validate(transaction, PARTNERS[0])
    assert refused(site.ledger, None, validate, PARTNERS[0]) is ImpossibleMove
    site.beat("a")
    assert refused(site.ledger, site.fence("a"), validate, PARTNERS[0]) is LostRace


def test_a_machine_takes_the_name_of_one_that_is_gone_and_of_no_other(site: Site) -> None:
    """The one before is refused from then on, whatever it reads; and stops once it has seen that the other is there."""
    site.beat("a")
    (lane, *_) = sorted(site.leads("a") - {SITE})
    first, known = site.beats["a"], site.known["a"]
    before = site.fence("a")
    assert refused(site.ledger, before, admit, lane, 1) is None
    second = site.start("a")
    with pytest.raises(NodeHeld):
        second.beat()  # it may be gone, and is not yet
    first.beat()
    with pytest.raises(NodeTaken):
        second.beat()
    second._ledger.close()

    third = site.start("a")
    with pytest.raises(NodeHeld):
        third.beat()
    site.pass_time(LEASE + 1)
    third.beat()
    assert site.leads("a") == {SITE, *PARTNERS}
    others_known = site.known["a"]
    lanes = NodeLanes(site.ledger, PARTNERS, "a", lambda: known[-1])
    others = NodeLanes(site.ledger, PARTNERS, "a", lambda: others_known[-1])
    for each in (lanes, others):
        each.look()
    for acts_as, what in ((AS_LANE, validate), (AS_SITE, validate), (AS_NODE, validate), (AS_NODE, suspend)):
        # The lanes are the node's, in an epoch that both have read by its name.
        late = before._replace(newest=site.fence("a").newest, acts_as=acts_as)
        assert refused(site.ledger, late, what, lane) is LaneLost
    assert not any(lanes.may_begin(stage) for stage in ("seal", "requests", "admit"))
    assert lanes.elsewhere == {*PARTNERS}
    assert (others.incarnation, others.elsewhere) == (site.known["a"][-1], frozenset())
    third.beat()
    with pytest.raises(NodeTaken):
        lanes.look()
    assert [first._beaten(), first._beaten()] == [True, True]  # node-held is told, until the other was seen again
    third.beat()
    assert not first._beaten()
    with pytest.raises(NodeTaken):
        first.insist()
    assert [keys["code"] for _, keys in site.said] == ["node-held"]
    assert refused(site.ledger, site.fence("a"), validate, lane) is None
    first._ledger.close()


def test_a_gateway_that_is_started_again_is_its_node_at_once(site: Site) -> None:
    site.beat("a")
    first, known = site.beats["a"], site.known["a"]
    first._ledger.close()
    site.start("a", known)
    site.beat("a")
    assert known == [known[0], known[0] + 1]


def test_incarnation_that_the_roles_could_not_be_told_is_not_seen_again(site: Site) -> None:
    """Else they would take it for another machine's."""
    site.beat("a")
    beat, seen = site.beats["a"], site.read().nodes["a"].seen

    def fails(_incarnation: int) -> None:
        raise DiskFailed("read-only")

    beat._there = fails
    for _ in range(2):
        site.pass_time(LEASE + 1)  # so that there is another one
        assert beat._beaten()
    assert site.read().nodes["a"].seen == pytest.approx(seen - LEASE - 1, abs=60)
    beat._there = site.known["a"].append
    beat.beat()
    assert site.known["a"][-1] == site.read().nodes["a"].incarnation


def test_writer_of_before_ends_before_another_machine_is_the_node(site: Site) -> None:
    """So what it has written is there when the other looks, or is refused."""
    site.beat("a")
    fence = site.fence("a")
    (lane, *_) = sorted(site.leads("a") - {SITE})
    site.beats["a"]._ledger.close()
    second = site.start("a")
    with closing(opened(site.place, fence)) as first:
        with first.write() as transaction:
            site.pass_time(LEASE + 1)
            thread = threading.Thread(target=second.beat)
            thread.start()
            thread.join(0.5)
            assert thread.is_alive()
            transaction.record("transfer.admitted", "transfer", "x", lane)
        thread.join(60)
        assert not thread.is_alive()
        assert refused(first, fence, suspend, lane) is LaneLost


def test_a_node_that_renewed_meanwhile_keeps_its_lanes(site: Site) -> None:
    """Between the look and the take-over it came back."""
    site.beat("a", "b")
    site.pass_time(LEASE + 1)
    site.beat("b")
    seen = site.read()
    with site.ledger.beside_chain() as connection:
        was = seen.nodes["a"].incarnation
        assert nodes.renew(connection, "a", was) == was + 1
    with site.ledger.write() as transaction:
        nodes.apply(transaction, "b", seen, Moves(take=(SITE, *PARTNERS)))
    assert site.read().lanes == seen.lanes
    assert site.leads("a") == {SITE, *PARTNERS}


def test_without_nodes_nothing_is_asked(ledger: Ledger) -> None:
    """A writer of a site with one gateway says nothing of nodes, and the fence lets it be."""
    with ledger.write() as transaction:
        admit(transaction, PARTNERS[0], 1)
        asked = transaction.connection.execute(text("SELECT current_setting('gateway.node', true)")).scalar()
    assert not asked


def test_rows_past_the_program_are_fenced(site: Site) -> None:
    """The database refuses, whoever writes: also a gateway without a name that is pointed to the ledger of nodes."""
    site.beat("a")

    def by_hand(transaction: Transaction) -> None:
        transaction.connection.execute(insert(LANES).values(partner="E1", salt="", updated=0.0))

    assert refused(site.ledger, None, by_hand) is LaneLost


def settings_of(name: str) -> Any:
    return SimpleNamespace(codes=PARTNERS, node=NodeSettings(name=name))


def test_what_stages_are_told(site: Site) -> None:
    """Lanes of others are as partners that are stopped; one that is left begins nothing, and what is under way there is recorded."""
    site.beat("a")
    ledger = opened(site.place, outside("a"))
    lanes = NodeLanes(ledger, PARTNERS, "a", lambda: site.known["a"][-1])
    assert lanes.elsewhere == {*PARTNERS}  # before the first look
    lanes.look()
    assert not lanes.elsewhere
    assert [lanes.may_begin(stage) for stage in ("seal", "requests", "admit")] == [True, True, True]
    begun = lanes.newest
    site.beat("b", "a")
    lanes.look()
    leads = expected("a", "b")
    assert lanes.elsewhere == leads["b"] - {SITE}
    assert all(lanes.has_kept(partner, begun) for partner in PARTNERS)
    assert lanes.may_begin("requests") is (SITE in leads["a"])
    for _ in range(3):
        site.pass_time(LEASE / 2)
        site.beat("a", "b")
    lanes.look()
    assert {partner for partner in PARTNERS if lanes.has_kept(partner, begun)} == leads["a"] - {SITE}
    assert lanes.may_begin("admit")
    assert ledger.fence == site.fence("a", AS_NODE)
    site.pass_time(LEASE + 1)
    lanes.look()
    assert lanes.elsewhere == {*PARTNERS}
    assert not any(lanes.has_kept(partner, lanes.newest) for partner in PARTNERS)
    ledger.close()


def test_who_leads_what(site: Site) -> None:
    site.beat("a", "b", "a")
    site.pass_time(LEASE + 1)
    site.beat("b")
    with site.ledger.read() as connection:
        found = listed(settings_of("b"), connection)
        assert listed(settings_of(""), connection) == NodesView()
    assert [(node.name, node.state, node.lanes, node.site) for node in found.nodes] == [
        ("a", "gone", len(PARTNERS), True),
        ("b", "up", 0, False),
    ]
    assert found.nodes[0].partners == PARTNERS
    assert found.without == (SITE, *PARTNERS)


def test_a_writer_that_was_stopped_in_a_statement_does_not_hold_the_head(site: Site) -> None:
    """No time limit of the server's is for that: the others end what a node that is gone has begun long ago, and nothing else of it."""
    site.beat("a", "b")
    with site.ledger.beside_chain() as connection:
        connection.execute(update(NODES).values(lease=0.2).where(NODES.c.name == "a"))
    ended: list[GatewayError] = []

    def hold() -> None:
        with closing(opened(site.place, outside("a"), session_of("a", 100.0))) as ledger:
            try:
                with ledger.write() as transaction:
                    holding.set()
                    transaction.connection.execute(text("SELECT pg_sleep(100)"))
            except GatewayError as error:
                ended.append(error)

    holding = threading.Event()
    thread = threading.Thread(target=hold)
    with closing(opened(site.place, outside("a"), session_of("a", 100.0))) as back, back.read() as connection:
        thread.start()
        assert holding.wait(60)
        time.sleep(0.5)
        connection.execute(text("SELECT 1"))  # only now a view begins
        site.beat("b")
        thread.join(60)
        assert connection.execute(text("SELECT 2")).scalar() == 2
    assert [type(error) for error in ended] == [LedgerAway]
    with site.ledger.write():
        pass


def test_a_node_that_does_not_reach_the_store_is_away_and_the_others_have_its_lanes(site: Site) -> None:
    site.beat("a", "b")
    there, reached = list[int](), [True]

    def reach() -> None:
        if not reached[0]:
            raise StoreUnreachable

    site.beats["a"]._reach, site.beats["a"]._there = reach, there.append
    codes = list[str | None]()
    site.beats["a"]._away = codes.append
    site.beat("a")
    assert len(there) == 1
    reached[0] = False
    for _ in range(4):
        site.pass_time(LEASE * 0.6)
        assert site.beats["a"]._beaten(), "it goes on trying"
        site.beat("b")
    assert (len(there), site.leads("b")) == (1, {SITE, *PARTNERS})
    assert [keys["code"] for event, keys in site.said if event == "work.deferred"] == ["store-unreachable"], "told once"
    reached[0] = True
    for _ in range(2):
        assert site.beats["a"]._beaten()
    assert len(there) == 3
    assert codes == ["store-unreachable"] * 4 + [None], "for who asks now, as often as it is so"
    assert [keys for event, keys in site.said if event == "work.resumed"] == [{"stage": "heartbeat"}], (
        "and once that it is over"
    )


@pytest.mark.parametrize("ahead", [18_000.0, -7_200.0])
def test_a_node_whose_clock_is_wrong_leads_nothing_until_it_is_right(site: Site, ahead: float) -> None:
    site.beat("a", "b")
    shares = expected("a", "b")

    def settle() -> None:
        for _ in range(4):
            site.pass_time(LEASE / 2)
            site.beat("a", "b")
        assert {name: site.leads(name) for name in "ab"} == shares

    settle()
    site.ahead["b"] = ahead / abs(ahead) * 290.0
    site.beat("b")
    site.ahead["b"] = ahead
    way = "ahead of" if ahead > 0 else "behind"
    for _ in range(3):
        site.pass_time(LEASE / 2)
        site.beat("a")
        with pytest.raises(NodeClock, match=f"{abs(ahead) / 60:.0f} minutes {way} the database's"):
            site.beat("b")
    site.beat("a")
    assert site.leads("a") == {SITE, *PARTNERS}
    site.ahead["b"] = 0.0
    settle()
