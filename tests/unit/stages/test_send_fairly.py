"""Send: one partner's trouble, backlog or large file does not change when the others get theirs."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import insert, select

from gateway.errors import LinkTimeout
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.stages.context import Step
from gateway.stages.lanes import LARGE
from gateway.stages.node_lanes import NodeLanes
from gateway.stages.outbound.pack import Pack
from gateway.stages.outbound.send import Send
from tests.fakes.transport import Post
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"
MANY = [f"P{number:03d}" for number in range(380)]
_NUMBERS = itertools.count(1000)
STALLED, BACKLOGGED = MANY[7], MANY[200]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def _seal(bench: Bench, *partners: str, count: int = 1, flow: str = "claim", size: int = 10, first: int = 0) -> None:
    """Rows of sealed consignments; the counting transport asks for no bytes."""
    rows = [
        {"id": f"{flow}-{first + number}", "direction": "out", "partner": partner, "state": "sealed", "flow": flow}
        | {
            "sequence": next(_NUMBERS),
            "sealed_size": size,
            "sealed_sha256": "0" * 64,
            "created": 0.0,
            "updated": 0.0,
            "expires": bench.now + 1e6,
        }
        for partner in partners
        for number in range(count)
    ]
    with bench.ledger.write() as transaction:
        transaction.connection.execute(insert(CONSIGNMENTS), rows)


class Link:
    """One site's link: `Send` on a counting transport."""

    def __init__(self, bench: Bench, post: Post, partners: Sequence[str]) -> None:
        self.post = post
        self.rung = threading.Event()
        self.send = Send(bench.context, {partner: post.to(partner) for partner in partners}, self.rung.set)

    def round(self, stuck: int = 0) -> None:
        """One look at what is due, and every lane that it started brought to its end, but for so many stuck ones."""
        self.send.step()
        while True:
            self.rung.clear()
            self.send._commit_results()
            if len(self.send._busy) <= stuck:
                return
            assert self.rung.wait(60), "lanes that do not end"


@contextmanager
def _link(bench: Bench, post: Post, partners: Sequence[str] = (LA,)) -> Iterator[Link]:
    link = Link(bench, post, partners)
    try:
        yield link
    finally:
        link.send.close()


def _state(bench: Bench, identity: str) -> tuple[str, str | None]:
    query = select(CONSIGNMENTS.c.state, CONSIGNMENTS.c.code).where(CONSIGNMENTS.c.id == identity)
    with bench.ledger.read() as connection:
        row = connection.execute(query).one()
    return row.state, row.code


def test_claim_overtakes_the_extract_that_is_being_sent_to_the_same_partner(pair: Pair) -> None:
    post = Post(stalls=lambda _partner, parcel: parcel.size > LARGE)
    with _link(pair.dwp, post) as link:
        _seal(pair.dwp, LA, flow="extract", size=500_000_000)
        link.round(stuck=1)
        assert post.stalled.wait(60)
        _seal(pair.dwp, LA, flow="claim")
        link.round(stuck=1)
        assert post.sent == [(LA, "claim-0.pgp")]
        assert post.connections[LA] == 2, "a second session, since the first is in use"
        assert _state(pair.dwp, "claim-0") == ("sent", None)
        assert _state(pair.dwp, "extract-0") == ("sealed", None)


def test_one_session_is_enough_while_nothing_has_to_overtake(pair: Pair) -> None:
    with _link(pair.dwp, post := Post()) as link:
        for number in range(3):
            _seal(pair.dwp, LA, first=number)
            link.round()
            _seal(pair.dwp, LA, flow="extract", size=LARGE + 1, first=number)
            link.round()
    assert len(post.sent) == 6
    assert post.connections == {LA: 1}


@pytest.mark.parametrize("at_once", [1, 2])
def test_so_many_partners_are_sent_to_at_once_as_the_settings_say(pair: Pair, at_once: int) -> None:
    first, second = MANY[:2]
    settings = pair.dwp.context.settings
    link_settings = settings.link.model_copy(update={"lanes_at_once": at_once})
    pair.dwp.context = replace(pair.dwp.context, settings=replace(settings, link=link_settings))
    post = Post(stalls=lambda partner, _parcel: partner == first)
    with _link(pair.dwp, post, MANY[:2]) as link:
        _seal(pair.dwp, first, second)
        link.round(stuck=3 - at_once)
        assert post.stalled.wait(60)
        assert post.sent == [(second, "claim-0.pgp")][: at_once - 1]


def _sent_step(link: Link) -> Step:
    """Send what is sealed; the step that records it."""
    link.send.step()
    while not (step := link.send.step()).done:
        assert link.rung.wait(60), "lanes that do not end"
        link.rung.clear()
    return step


def test_vault_is_woken_where_something_waits_for_what_was_sent_and_otherwise_not(pair: Pair) -> None:
    with _link(pair.dwp, Post()) as link:
        _seal(pair.dwp, LA)
        assert _sent_step(link).quiet
        pair.dwp.submit("a.xml", b"claim a")
        pair.stages_of(pair.dwp)[0].step()
        _seal(pair.dwp, LA, first=1)
        assert not _sent_step(link).quiet, "a file that is to be packed"
    with _link(pair.la, Post(), ["DWP"]) as link:
        _seal(pair.la, "DWP")
        row = {"direction": "out", "partner": "DWP", "consignment": "1", "level": "delivered", "state": "issued"}
        with pair.la.ledger.write() as transaction:
            transaction.connection.execute(insert(RECEIPTS), row | {"created": 0.0, "updated": 0.0})
        assert not _sent_step(link).quiet, "a receipt behind another"


def test_last_parcel_and_the_end_of_the_lane_ring_once(pair: Pair) -> None:
    rings: list[int] = []
    with _link(pair.dwp, Post()) as link:

        def ring() -> None:
            rings.append(1)
            link.rung.set()

        link.send._wake = ring
        _seal(pair.dwp, LA, count=3)
        link.round()
    assert len(rings) == 3


def test_large_parcel_that_breaks_off_waits_by_itself_and_the_small_ones_go_on(pair: Pair) -> None:
    post = Post(refuses=lambda _partner, parcel: LinkTimeout() if parcel.size > LARGE else None)
    with _link(pair.dwp, post) as link:
        _seal(pair.dwp, LA, flow="extract", size=LARGE + 1)
        link.round()
        assert _state(pair.dwp, "extract-0") == ("sealed", "link-timeout")
        _seal(pair.dwp, LA, flow="claim")
        link.round()
        assert post.sent == [(LA, "claim-0.pgp")]
        post.refuses = lambda _partner, _parcel: None
        link.round()
        assert len(post.sent) == 1, "it waits for its time"
        pair.dwp.now += 900.0
        link.round()
        assert _state(pair.dwp, "extract-0") == ("sent", None)


def test_the_most_urgent_goes_first_and_never_behind_more_than_one_go(pair: Pair) -> None:
    with _link(pair.dwp, post := Post()) as link:
        _seal(pair.dwp, LA, count=8, flow="extract", size=LARGE // 2)
        _seal(pair.dwp, LA, flow="laid", size=LARGE // 4)
        _seal(pair.dwp, LA, flow="claim", size=LARGE // 4)
        link.round()
        assert [name for _, name in post.sent] == ["claim-0.pgp", "laid-0.pgp", "extract-0.pgp"]
        _seal(pair.dwp, LA, flow="claim", first=1)
        link.round()
        assert post.sent[3] == (LA, "claim-1.pgp")


def test_with_a_stalled_and_a_backlogged_partner_the_others_get_theirs_in_the_same_round(tmp_path: Path) -> None:
    """380 partners, a consignment for each in every round; how many rounds each waited is compared with a quiet link."""
    waits = []
    for trouble in (False, True):
        with two_ledgers(tmp_path / str(trouble)) as pair:
            post = Post(stalls=lambda partner, _parcel: partner == STALLED) if trouble else Post()
            dwp, sent_in = pair.dwp, Counter[int]()
            with _link(dwp, post, MANY) as link:
                if trouble:
                    _seal(dwp, BACKLOGGED, count=3000, flow="laid", size=LARGE // 4)
                for number in range(3):
                    for partner in MANY:
                        _seal(dwp, partner, first=number)
                    before = len(post.sent)
                    link.round(stuck=1 if trouble else 0)
                    dwp.now += 1.0
                    got = {partner for partner, name in post.sent[before:] if name == f"claim-{number}.pgp"}
                    sent_in[number] += len(got - {STALLED, BACKLOGGED})
            waits.append(sent_in)
    assert waits[0] == waits[1] == Counter(dict.fromkeys(range(3), len(MANY) - 2))


def test_files_of_a_flow_wait_for_its_window_and_others_do_not(tmp_path: Path) -> None:
    night = {**DEFAULT_FLOWS, "extract": DEFAULT_FLOWS["extract"].model_copy(update={"windows": ("20:00-06:00",)})}
    with two_ledgers(tmp_path, night) as pair:
        dwp = pair.dwp
        dwp.now = 1_795_003_200.0  # 18 November 2026, 12:00 in London
        pack = next(stage for stage in pair.stages_of(dwp) if isinstance(stage, Pack))
        for name in ("extract", "claim"):
            dwp.submit(name, name.encode(), flow=name)
        pair.stages_of(dwp)[0].step()
        step = pack.step()
        assert (step.done, step.due) == (1, 1_795_032_000.0), "the claim; and the window opens at 20:00"
        # What was sealed before its window closed waits on the link, and a receipt does not.
        with _link(dwp, post := Post()) as link:
            _seal(dwp, LA, flow="extract")
            _seal(dwp, LA, flow="laid")
            link.round()
            assert post.sent == [(LA, "laid-0.pgp")]
            dwp.now = 1_795_032_000.0
            link.round()
            assert post.sent[1:] == [(LA, "extract-0.pgp")]
        assert pack.step().done == 1


@dataclass
class Lanes:
    """What a node knows, as a test says it: nothing is another's, and the lane was kept or not."""

    kept: bool = True
    elsewhere: frozenset[str] = frozenset()
    newest: int = 7

    def has_kept(self, partner: str, since: int) -> bool:
        return self.kept and (partner, since) == (LA, 7)


def test_what_was_sent_for_a_lane_that_was_lost_meanwhile_is_not_recorded(pair: Pair) -> None:
    """The node that has it sends it again; and a lane of another node is left alone."""
    _seal(pair.dwp, LA, count=2)
    lanes = Lanes()
    context = replace(pair.dwp.context, lanes=cast("NodeLanes", lanes))
    with _link(pair.dwp, post := Post()) as link:
        link.send._context = context
        lanes.elsewhere = frozenset({LA})
        link.round()
        assert post.sent == []
        lanes.elsewhere = frozenset()
        lanes.kept = False
        link.round()
        assert len(post.sent) == 2
        assert _state(pair.dwp, "claim-0") == ("sealed", None)
        lanes.kept = True
        link.round()
        assert _state(pair.dwp, "claim-0") == _state(pair.dwp, "claim-1") == ("sent", None)
