"""An authority that was away: what waited is delivered oldest first in each flow; what nobody answers for too long is an alarm."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select

from gateway.administration.views.inbound import PendingFilter, PendingGroup, pending, pending_groups
from gateway.domain.states import Direction
from gateway.ledger.queries.events import some_named
from gateway.ledger.tables import EVENTS, TRANSFERS
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.settings.model import Limits
from gateway.stages.timers.overdue_answers import OverdueAnswers
from gateway.validation.contract import Report
from gateway.validation.sandbox.pool import Job, Sandbox
from tests.fakes.two_ledgers import Bench, Pair, PretendedReaders, two_ledgers

DAY = 86400.0
ALL = PendingFilter()
FLOWS = ("claim", "etd", "laid")
AGREED = {
    **{name: flow.model_copy(update={"expires_hours": 1000.0}) for name, flow in DEFAULT_FLOWS.items()},
    "etd": DEFAULT_FLOWS["etd"].model_copy(update={"answer_days": 5, "expires_hours": 1000.0}),
}


class Backwards(PretendedReaders):
    """Readers of whom the last is done first."""

    def validate(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Report]]:
        yield from super().validate(list(reversed(jobs)))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path, AGREED, limits=Limits(consignment_files=4)) as made:
        for bench in (made.dwp, made.la):
            # What is under way is never a day old, as half a file of a client that went away would be.
            bench.now = time.time() - 60 * DAY
        yield made


def delivered(bench: Bench) -> dict[str, list[str]]:
    """By flow, the names in the order in which the chain says that they were delivered."""
    query = (
        select(TRANSFERS.c.flow, TRANSFERS.c.name)
        .join(EVENTS, EVENTS.c.subject == TRANSFERS.c.id)
        .where(EVENTS.c.event == "transfer.delivered", TRANSFERS.c.direction == str(Direction.IN))
    )
    found: dict[str, list[str]] = {}
    with bench.ledger.read() as connection:
        for flow, name in connection.execute(query.order_by(EVENTS.c.sequence)):
            found.setdefault(flow, []).append(name)
    return found


def drop(bench: Bench, days: int, work: Callable[[], None] = lambda: None) -> dict[str, list[str]]:
    """Three files of each flow on each of these days, under names that are in no order, and `work` after each; by flow, as dropped."""
    dropped: dict[str, list[str]] = {flow: [] for flow in FLOWS}
    for day in range(days):
        for number, flow in itertools.product(range(3), FLOWS):
            name = f"{(day * 7 + number * 3) % 31:02d}-{flow}-{day}-{number}.xml"
            bench.submit(name, f"{flow} {day} {number}".encode(), flow=flow)
            dropped[flow].append(name)
        work()
        bench.now += DAY
    return dropped


def test_what_waited_for_a_month_at_the_sender_is_delivered_oldest_first_in_each_flow(pair: Pair) -> None:
    dropped = drop(pair.dwp, days=30)
    pair.la.now = pair.dwp.now
    pair.work()
    assert delivered(pair.la) == dropped


def test_what_landed_while_nothing_ran_is_delivered_oldest_first_in_each_flow(pair: Pair) -> None:
    dropped = drop(pair.dwp, 30, lambda: pair.work_alone(pair.dwp))
    landing = pair.la.home.landing_in("DWP")
    landed = sorted(landing.iterdir(), reverse=True)
    assert len(landed) >= 68
    for path in landed:  # so that the directory has them in another order
        path.rename(path.with_suffix(".away"))
        path.with_suffix(".away").rename(path)
    pair.la.now = pair.dwp.now
    pair.work()
    assert delivered(pair.la) == dropped


def test_readers_that_are_done_at_different_times_deliver_a_batch_oldest_first(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, readers=cast("Sandbox", Backwards())) as pair:
        dropped = drop(pair.dwp, days=2)
        pair.la.now = pair.dwp.now
        pair.work()
        assert delivered(pair.la) == dropped
        inbound = pair.la.home.inbound / "claim" / "DWP"
        assert {path.name for path in inbound.iterdir()} == set(dropped["claim"])


# -- what is not answered


def groups(bench: Bench, wanted: PendingFilter = ALL) -> list[PendingGroup]:
    with bench.ledger.read() as connection:
        return list(pending_groups(bench.settings, connection, wanted, bench.now))


def alarms(bench: Bench) -> list[tuple[str, str]]:
    with bench.ledger.read() as connection:
        return [(each.subject, each.detail) for each in some_named(connection, ["backlog.overdue"], 0, 10**9, 100)]


def test_how_much_waits_and_how_old_the_oldest_is_by_flow_and_partner(pair: Pair) -> None:
    la = pair.la
    first = pair.dwp.submit("a.xml", b"etd a", flow="etd")
    pair.work()
    la.now += 6 * DAY
    pair.dwp.now = la.now
    for name in ("b.xml", "c.xml"):
        pair.dwp.submit(name, name.encode(), flow="etd")
    pair.dwp.submit("d.xml", b"claim d")
    pair.work()
    claims, etds = groups(la)
    assert (claims.flow, claims.partner, claims.number, claims.answer_days, claims.overdue) == (
        *("claim", "DWP", 1, 0),
        False,
    )
    assert (etds.number, etds.oldest, etds.oldest_name, etds.overdue) == (3, first, "a.xml", True)
    assert 6 * DAY <= etds.age_seconds < 6 * DAY + 60
    assert groups(la, PendingFilter(flow="claim")) == [claims]
    assert groups(la, PendingFilter(partner="nobody")) == []
    assert [each.number for each in groups(la, PendingFilter(older_than=DAY))] == [1]
    with la.ledger.read() as connection:
        listed = pending(connection, PendingFilter(flow="etd"), la.now, limit=2)
    assert [each.name for each in listed] == ["a.xml", "b.xml"]


def test_what_was_not_answered_in_the_agreed_time_is_an_alarm_once_a_day_until_it_is(pair: Pair) -> None:
    la = pair.la
    for flow in ("etd", "claim"):
        pair.dwp.submit("a.xml", f"{flow} a".encode(), flow=flow)
    pair.work()
    stage = OverdueAnswers(la.context)
    la.now += 4.9 * DAY
    assert stage.step().done == 0
    la.now += 0.2 * DAY
    assert stage.step().done == 1
    assert OverdueAnswers(la.context).step().done == 0, "a restart says nothing twice"
    ((subject, detail),) = alarms(la)
    assert subject == "DWP/etd"
    assert '"count":1' in detail
    la.now += DAY
    assert stage.step().done == 1
    (la.home.outcomes / "etd" / "DWP").mkdir(parents=True, exist_ok=True)
    answer = la.home.outcomes / "etd" / "DWP" / "a.xml.accepted"
    answer.touch()
    pair.work_alone(la)
    la.now += DAY
    pair.work_alone(la)
    assert not answer.exists()
    assert stage.step().done == 0
    assert [each.flow for each in groups(la)] == ["claim"]


def test_where_nothing_is_agreed_nothing_is_asked(pair: Pair) -> None:
    plain: dict[str, FlowSettings] = dict(DEFAULT_FLOWS)
    context = replace(pair.la.context, settings=replace(pair.la.settings, flows=plain))
    step = OverdueAnswers(context).step()
    assert (step.done, step.due) == (0, None)
