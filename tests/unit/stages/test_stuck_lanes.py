"""A lane that fails the same way again and again is an alarm: once, then daily, until the first success."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from gateway.domain.identity import from_text
from gateway.errors import GatewayError, LinkBroken, LinkTimeout, NameTaken, RemoteRefused, SizeUntold, UploadVanished
from gateway.ledger.migrate import migrate
from gateway.ledger.queries.events import chain
from gateway.ledger.queries.failing_lanes import FEW, STUCK, alarm, streak
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import Ledger
from gateway.ledger.tables import CONSIGNMENTS
from gateway.stages.lanes import LARGE
from gateway.stages.outbound.send import Send
from gateway.transport.contract import Parcel
from tests.fakes.transport import Post
from tests.fakes.two_ledgers import Bench, two_ledgers

LA = "E09000030"
DAY = 86400.0
MOST = 5


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with two_ledgers(tmp_path) as pair:
        yield pair.dwp


class _Lane:
    """DWP's lane to the authority, with one consignment; what its sending ends in is said try by try."""

    def __init__(self, bench: Bench, post: Post) -> None:
        self._bench, self._post, self._numbers = bench, post, count(1)
        self._start()

    def _start(self) -> None:
        self._rung = threading.Event()
        self._send = Send(self._bench.context, {LA: self._post.to(LA)}, self._rung.set)

    def restart(self) -> None:
        self.close()
        self._start()

    def close(self) -> None:
        self._send.close()

    def seal(self, identity: str, size: int = 10) -> None:
        row: dict[str, object] = {"id": identity, "direction": "out", "partner": LA, "state": "sealed", "flow": "claim"}
        row["sequence"] = next(self._numbers)
        row |= {
            "sealed_size": size,
            "sealed_sha256": "0" * 64,
            "created": self._bench.now,
            "updated": 0.0,
            "expires": self._bench.now + 90 * DAY,
        }
        with self._bench.ledger.write() as transaction:
            transaction.connection.execute(insert(CONSIGNMENTS), [row])

    def ends(self, *results: GatewayError | None, after: float = 1000.0) -> None:
        """So many tries, one after the other, each so many seconds after the last."""
        for result in results:
            self._post.refuses = _always(result)
            self._bench.now += after
            self._send.step()
            while self._send.busy:
                self._rung.wait(10)
                self._rung.clear()
                self._send._commit_results()

    def alarms(self) -> list[tuple[str, str, float]]:
        """What was told: of whom, why, and when."""
        with self._bench.ledger.read() as connection:
            events = [entry for entry in chain(connection) if entry.event == STUCK]
        return [(entry.subject, entry.detail, from_text(entry.at)) for entry in events]

    def due_in(self) -> float:
        with self._bench.ledger.read() as connection:
            return float(all_lanes(connection)[LA].due) - self._bench.now

    def is_alarmed(self) -> bool:
        with self._bench.ledger.read() as connection:
            return alarm(connection, LA, MOST) is not None


def _always(error: GatewayError | None) -> Callable[[str, Parcel], GatewayError | None]:
    return lambda _partner, _parcel: error


@contextmanager
def _lane(bench: Bench, *parcels: tuple[str, int]) -> Iterator[_Lane]:
    lane = _Lane(bench, Post())
    for identity, size in parcels or (("a", 10),):
        lane.seal(identity, size)
    try:
        yield lane
    finally:
        lane.close()


def test_so_many_equal_failures_in_a_row_are_one_alarm(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[RemoteRefused()] * (MOST - 1))
        assert not lane.alarms()
        assert not lane.is_alarmed()
        lane.ends(RemoteRefused())
        ((subject, detail, _),) = lane.alarms()
        assert (subject, "link-remote-refused" in detail) == (LA, True)
        lane.ends(*[RemoteRefused()] * 10)
        assert len(lane.alarms()) == 1
        assert lane.is_alarmed()


def test_failures_of_another_kind_start_the_count_anew(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[RemoteRefused()] * (MOST - 1), LinkBroken(), *[RemoteRefused()] * (MOST - 1))
        assert not lane.alarms()
        lane.ends(RemoteRefused())
        assert len(lane.alarms()) == 1


def test_lane_that_fails_in_every_way_in_turn_is_an_alarm_too(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[LinkBroken(), LinkTimeout()] * (2 * MOST - 1))
        assert not lane.alarms()
        lane.ends(LinkBroken(), LinkTimeout())
        assert len(lane.alarms()) == 1


def test_count_outlives_a_restart(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[RemoteRefused()] * (MOST - 1))
        lane.restart()
        lane.ends(RemoteRefused())
        assert len(lane.alarms()) == 1
        lane.restart()
        lane.ends(RemoteRefused())
        assert len(lane.alarms()) == 1


def test_alarm_is_told_again_each_day_while_it_lasts(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[RemoteRefused()] * (MOST + 24 * 3), after=3600.0)
        times = [at for *_, at in lane.alarms()]
        assert len(times) == 4
        assert all(DAY <= later - earlier <= DAY + 3700.0 for earlier, later in pairwise(times))


def test_clock_that_is_put_back_does_not_silence_the_alarm(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[RemoteRefused()] * MOST)
        bench.now -= 30 * DAY
        bench.sql("UPDATE lanes SET due = 0")  # as the clock guard does
        lane.ends(RemoteRefused())
        assert len(lane.alarms()) == 2


def test_first_success_ends_it_and_the_next_trouble_is_told_anew(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[RemoteRefused()] * MOST, None)
        assert not lane.is_alarmed()
        lane.seal("b")
        lane.ends(*[RemoteRefused()] * (MOST - 1))
        assert len(lane.alarms()) == 1
        lane.ends(RemoteRefused())
        assert len(lane.alarms()) == 2


def test_number_of_failures_is_a_setting(bench: Bench) -> None:
    link = bench.settings.link.model_copy(update={"alarm_failures": 2})
    bench.context = replace(bench.context, settings=replace(bench.settings, link=link))
    with _lane(bench) as lane:
        lane.ends(RemoteRefused())
        assert not lane.alarms()
        lane.ends(RemoteRefused())
        assert len(lane.alarms()) == 1


def test_uploads_that_vanish_are_told_of_early_and_tried_seldom(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[UploadVanished()] * (FEW - 1))
        assert not lane.alarms()
        assert lane.due_in() <= 4.0
        lane.ends(UploadVanished())
        assert len(lane.alarms()) == 1
        assert lane.due_in() >= bench.settings.link.retry_cap_seconds / 2.0 - 1.0


@pytest.mark.parametrize("error", [RemoteRefused, SizeUntold])
def test_large_file_that_is_put_off_again_and_again_is_told_of_beside_a_lane_that_goes_on(
    bench: Bench, error: type[GatewayError]
) -> None:
    with _lane(bench, ("large", LARGE + 1)) as lane:
        lane.ends(*[error()] * (MOST - 1))
        assert not lane.alarms()
        lane.ends(error())
        ((subject, detail, _),) = lane.alarms()
        assert (subject, error.code in detail) == (f"{LA}/parcels", True)
        lane.ends(*[error()] * 3)
        assert len(lane.alarms()) == 1
        lane.ends(None)
        assert not lane.is_alarmed()


def test_name_that_is_taken_waits_for_the_partner_and_is_no_alarm(bench: Bench) -> None:
    with _lane(bench) as lane:
        lane.ends(*[NameTaken()] * (3 * MOST))
        assert not lane.alarms()
        assert not lane.is_alarmed()


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    path = tmp_path_factory.mktemp("streak") / "ledger.sqlite3"
    migrate(path)
    ledger = Ledger(path, clock=lambda: 1000.0, role="link")
    yield ledger
    ledger.close()


_partners = count()


@given(st.lists(st.sampled_from(["link-broken", "link-timeout", "well"]), max_size=30))
def test_streak_is_the_equal_failures_since_the_last_success(chains: Ledger, history: Sequence[str]) -> None:
    partner = f"P{next(_partners)}"
    with chains.write() as transaction:
        for code in history:
            if code == "well":
                transaction.record("lane.recovered", "lane", partner, partner)
            else:
                transaction.record("lane.deferred", "lane", partner, partner, code=code, reason="it did")
            transaction.record("lane.deferred", "lane", "E06000001", "E06000001", code="other", reason="not its own")
    with chains.read() as connection:
        found = streak(connection, partner)
    expected = 0
    for code in reversed(history):
        if code == "well" or code != history[-1]:
            break
        expected += 1
    assert (0 if found is None else found.times) == expected
