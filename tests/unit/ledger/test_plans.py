"""No question that is asked at work reads the whole ledger: each finds its rows by an index that fits."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event

from gateway.domain.checks import Quarter
from gateway.domain.decision import Decision
from gateway.domain.logins import Count, Login, Result, hour_of, render
from gateway.domain.requests import OPEN, Act
from gateway.domain.states import State
from gateway.ledger import proposals, requests
from gateway.ledger.queries import (
    backlog,
    checks,
    consignments,
    custody,
    events,
    figures,
    identities,
    known_faults,
    overview,
    search,
    waiting,
)
from gateway.ledger.queries.conversation import conversation
from gateway.ledger.queries.enquiries import everything
from gateway.ledger.queries.events import first_named, some_named
from gateway.ledger.queries.logins import recorded
from gateway.ledger.queries.requests import count_proposed, page
from gateway.ledger.units import Consignment, Transfer
from gateway.stages.outbound.conclude import Conclude
from gateway.stages.timers.login_records import LoginRecords
from gateway.stages.timers.overdue_receipts import OverdueReceipts
from gateway.stages.timers.requests import INSPECT_ACTS, Requests
from tests.fakes.staff import hire
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

HOUR: Final = 3600.0
WHOLE: Final = re.compile(
    r"SCAN (?:transfers|consignments|receipts|requests|events|openings|checks|printings|later|missing)"
    r"(?! USING (?:COVERING )?INDEX (?:transfers_(?:to_notify|with_spool_file|to_purge|unanswered)|requests_(?:waiting|proposed)|checks_outstanding))"
    # One side of all traffic, or all that ever left custody, is as good as everything.
    r"|SEARCH \w+ USING (?:COVERING )?INDEX (?:sqlite_autoindex_\w+ \(direction=\?\)|transfers_in_custody \(custody=\?\))$"
)
FEW: Final = re.compile(r"transfers\.custody IS 1|FROM events ORDER BY events\.sequence DESC\s+LIMIT")
"""What is still in custody; and the chain's last event, which is the table's last row."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as sites:
        yield sites


class Listener:
    """Collects what a ledger is asked."""

    def __init__(self, bench: Bench) -> None:
        self._engine = bench.ledger._engine
        self._asked: dict[str, Any] = {}
        event.listen(self._engine, "before_cursor_execute", self._note)

    def _note(self, _c: object, _cursor: object, statement: str, parameters: Any, _x: object, many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's signature
        if re.match(r"\s*(?:SELECT|UPDATE|DELETE|WITH)", statement):
            self._asked.setdefault(statement, parameters[0] if many else parameters)

    def whole(self) -> list[tuple[str, str]]:
        """The statements that read a whole table, each with that line of its plan."""
        event.remove(self._engine, "before_cursor_execute", self._note)
        found = []
        with self._engine.connect() as connection:
            for statement, parameters in self._asked.items():
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found += [(line[3], statement) for line in plan if WHOLE.search(line[3]) and not FEW.search(statement)]
        assert self._asked
        return found


def test_work_from_drop_to_settlement_reads_no_whole_table(pair: Pair) -> None:
    listeners = [Listener(pair.dwp), Listener(pair.la)]
    for number in range(3):
        pair.dwp.submit(f"{number}.xml", f"claim {number}".encode())
    pair.dwp.submit("w.xml", b"wrong")
    pair.work()
    for listener in listeners:
        assert listener.whole() == []


def test_requests_are_asked_taken_and_answered_without_reading_all_there_ever_were(pair: Pair) -> None:
    context, ledger = pair.dwp.context, pair.dwp.ledger
    hire(ledger, "hb1001", "hb1002")
    listener = Listener(pair.dwp)
    with ledger.write() as transaction:
        requests.ask(transaction, context.new_id(), Act.RETRY, pair.dwp.other, "hb1001", "its server is back")
        asked = requests.ask(transaction, context.new_id(), Act.RELEASE, pair.dwp.other, "hb1001", "its server is back")
        proposals.agree(transaction, asked.id, Decision("hb1002", "it is"), 0.0)
        requests.ask(transaction, context.new_id(), Act.RELEASE, pair.dwp.other, "hb1001", "its server is back")
    with ledger.read() as connection:
        assert [len(page(connection, 1, states=[state]).rows) for state in OPEN] == [1, 1]
        assert count_proposed(connection) == 1
    assert Requests(context, "requests", INSPECT_ACTS).step().done == 2
    assert Requests(context, "requests", INSPECT_ACTS).step().done == 0
    pair.dwp.now += 8 * 86_400
    assert Requests(context, "requests", INSPECT_ACTS).step().done == 1, "a proposal lapsed"
    assert listener.whole() == []


def test_what_is_unanswered_is_asked_by_its_own_index_whatever_narrows_it(pair: Pair) -> None:
    listener = Listener(pair.la)
    with pair.la.ledger.read() as connection:
        for flow, partner in itertools.product((None, "claim"), (None, "DWP")):
            backlog.backlogs(connection, 2e9, flow=flow, partner=partner)
            backlog.unanswered(connection, 2e9, flow=flow, partner=partner, limit=5)
    with listener._engine.connect() as connection:
        for statement, parameters in listener._asked.items():
            plan = [line[3] for line in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert len(plan) == 1, "nothing is sorted"
            assert "transfers_unanswered" in plan[0], statement
    assert len(listener._asked) == 8


def test_who_looked_is_asked_without_reading_all_that_was_ever_opened(pair: Pair) -> None:
    listener = Listener(pair.dwp)
    with pair.dwp.ledger.read() as connection:
        checks.to_acknowledge(connection, "hb1001")
        checks.outstanding(connection)
        checks.drawn_between(connection, 0.0, 1.0)
        checks.decided_in(connection, Quarter(2026, 4))
        checks.openings(connection, user="hb1001")
        checks.openings(connection, unit="019a", before=5)
        checks.printings(connection, "2026-11-28")
    assert listener.whole() == []


def test_people_look_without_reading_all_transfers(pair: Pair) -> None:
    """SQLite plans the same for three transfers as for a million: it has no statistics of a ledger."""
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    listener = Listener(pair.dwp)
    ways: tuple[overview.Meant, ...] = ({"partner": "E09000030"}, {"state": "held"}, {"state": "receipted"}, {})
    with pair.dwp.ledger.read() as connection:
        for meant in ways[:-1]:
            overview.transfers(connection, **meant, limit=50)
            overview.count_transfers(connection, **meant)
        for meant in ways:
            timed: overview.Meant = {**meant, "since": 1.0, "before": 2e9}
            overview.transfers(connection, **timed, limit=50)
            overview.count_transfers(connection, **timed)
        overview.oldest_waiting(connection)
        identities.named_so(connection, "a.xml", 5)
        backlog.backlogs(connection, 2e9)
        backlog.overdue(connection, {"claim": 1}, 2e9)
        backlog.unanswered(connection, 2e9, flow="claim", partner="E09000030", limit=5)
        (row,) = overview.transfers(connection, partner="E09000030", limit=1)
        for flow, facts in (("enquiry", {"reference": "E"}), ("referral", {"rms": '["R"]'}), ("redirect", {})):
            told = json.dumps({**facts, "original_transfer": "01"})
            conversation(
                connection,
                row._replace(flow=flow, facts=told, message_id="M", redirected_to="01", state=State.REJECTED),
            )
        identities.matching(connection, Transfer, "01a1")
        identities.matching(connection, Consignment, "01a1")
        search.with_digest(connection, "aa" * 32, 50)
        search.telling_of(connection, "ENQ-DWP-20261128-KTRWB")
        events.last_before(connection, "2026")
        events.flows_of(connection, events.some_after(connection, 0, 100))
    # The first partner of all is one seek, and so is the chain's last event.
    assert [
        (line, statement)
        for line, statement in listener.whole()
        if not ("RECURSIVE" in statement and line.endswith("(direction=?)")) and "max(events.sequence)" not in statement
    ] == []
    listener = Listener(pair.dwp)
    with pair.dwp.ledger.read() as connection:
        search.named(connection, "a.xml", 50)
    assert {line for line, _ in listener.whole()} == {"SCAN transfers USING COVERING INDEX transfers_by_name"}


def test_start_and_idleness_read_no_whole_table(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim")
    listener = Listener(pair.dwp)
    with pair.dwp.ledger.read() as connection:
        custody.ids_in_custody(connection)
        custody.not_set_aside(connection, None)
        custody.to_purge(connection)
        waiting.due_now(connection, pair.dwp.now)
    Conclude(pair.dwp.context).step()
    assert listener.whole() == []


def test_a_question_for_everything_is_noticed(pair: Pair) -> None:
    listener = Listener(pair.dwp)
    with pair.dwp.ledger.read() as connection:
        overview.counts(connection)
        connection.exec_driver_sql("SELECT count(*) FROM transfers WHERE name = ?", ("x",)).scalar_one()
    assert any("SCAN transfers" in line for line, _ in listener.whole())


def test_gaps_are_looked_for_among_new_consignments_only_and_each_is_found(pair: Pair) -> None:
    """Numbers 1, 3 and 6 come; 2, and 5 alone of what lies before 6, are told, each once, however often one looks."""

    def told() -> list[str]:
        with pair.la.ledger.read() as connection:
            rows = connection.exec_driver_sql("SELECT subject FROM events WHERE event = 'sequence.gap-found'")
            return [row[0] for row in rows]

    overdue = OverdueReceipts(pair.la.context)
    for number in (1, 3, 6):
        pair.dwp.sql("UPDATE lanes SET sequence = ?", number - 1)
        pair.dwp.submit(f"{number}.xml", f"claim {number}".encode())
        pair.work()
        for _ in range(2):
            overdue.step()
            pair.la.now += 2 * HOUR
            overdue.step()
    assert told() == ["DWP/2", "DWP/5"]
    listener = Listener(pair.la)
    pair.la.now += HOUR
    overdue.step()
    assert listener.whole() == []
    with pair.la.ledger.read() as connection:
        last = connection.exec_driver_sql("SELECT max(key) FROM consignments").scalar_one()
        assert consignments.gaps(connection, pair.la.now, 0)[1] == last


def test_log_ins_are_recorded_and_found_without_reading_the_whole_chain(pair: Pair) -> None:
    bench = pair.dwp
    path = bench.home.logins / f"{bench.context.new_id()}.logins"
    path.write_bytes(render(Count(hour_of(bench.now), {Login(Result.WRONG_KEY): 1})))
    listener = Listener(bench)
    LoginRecords(bench.context).step()
    with bench.ledger.read() as connection:
        assert len(list(recorded(connection, bench.now))) == 1
    assert listener.whole() == []


def test_enquiries_and_the_board_are_found_without_reading_everything(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    for bench in (pair.dwp, pair.la):
        listener = Listener(bench)
        with bench.ledger.read() as connection:
            everything(connection, bench.settings.codes)
            known_faults.own_board(connection, bench.now)
            known_faults.received_board(connection)
            known_faults.receipts(connection, "faults-00001.xml", bench.settings.codes)
        assert [found for found in listener.whole() if "lanes" not in found[0]] == []


def test_notices_read_the_events_that_came_and_no_others(pair: Pair) -> None:
    pair.dwp.submit("1.xml", b"claim")
    pair.work()
    listener = Listener(pair.dwp)
    with pair.dwp.ledger.read() as connection:
        assert first_named(connection, ["transfer.admitted"], 0) is not None
        assert first_named(connection, ["transfer.admitted"], 3) is None
        assert some_named(connection, ["transfer.admitted", "lane.held"], 0, 10, 10)
        assert some_named(connection, ["transfer.admitted"], 3, 10, 10) == []
    assert listener.whole() == []


def test_metrics_count_by_the_index_on_lanes_and_find_the_rest_by_indexes(pair: Pair) -> None:
    pair.dwp.submit("1.xml", b"claim")
    pair.work()
    listener = Listener(pair.dwp)
    with pair.dwp.ledger.read() as connection:
        figures.transfer_counts(connection)
        figures.waiting_transfers(connection)
        list(figures.held_units(connection))
        figures.overdue_receipts(connection, pair.dwp.now)
        figures.last_receipt(connection, pair.la.code)
        figures.event_counts(connection, 3, figures.last_sequence(connection))
        assert len(list(figures.ended_transfers(connection, 0, figures.last_sequence(connection)))) == 1
    whole = {line for line, _ in listener.whole()}
    # All transfers are counted: by the narrowest index that has what tells them apart, and by no row.
    assert whole <= {"SCAN transfers USING COVERING INDEX transfers_by_lane"}
