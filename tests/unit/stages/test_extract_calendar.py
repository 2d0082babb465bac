"""Expecting extracts: who is expected since when, and what is alarmed, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.calendar import Month, expected_from
from gateway.ledger.queries import events
from gateway.stages.timers.extract_calendar import ExtractCalendar
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        at(made, date(2026, 11, 1))
        yield made


def at(pair: Pair, day: date, hour: int = 9) -> None:
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()
    pair.dwp.now, pair.la.now = moment, moment + 0.5


def said(bench: Bench) -> list[tuple[str, str, Any]]:
    """What the chain has about extracts."""
    with bench.ledger.read() as connection:
        return [
            (entry.event, entry.subject, json.loads(entry.detail).get("due"))
            for entry in events.chain(connection)
            if entry.kind == "extract"
        ]


def look(bench: Bench) -> None:
    """As after a restart: the stage that runs looks once an hour."""
    ExtractCalendar(bench.context).step()


def send(pair: Pair, name: str) -> None:
    pair.la.submit(name, b"facts " + json.dumps({"records": "100"}).encode() + b"\n" + name.encode(), "extract")
    pair.work()


def test_a_missing_extract_is_alarmed_once_its_deadline_has_passed_and_only_once(pair: Pair) -> None:
    stage = ExtractCalendar(pair.dwp.context)
    stage.step()
    assert said(pair.dwp) == [("extract.expected", LA, None)]
    at(pair, date(2026, 11, 19), 23)
    stage.step()
    assert len(said(pair.dwp)) == 1
    at(pair, date(2026, 11, 20), 0)
    assert stage.step().done == 1
    assert said(pair.dwp)[1:] == [("extract.missing", f"{LA}/2026-11", "2026-11-19")]
    at(pair, date(2026, 11, 20), 5)
    assert (stage.step().done, ExtractCalendar(pair.dwp.context).step().done) == (0, 0)


def test_an_extract_after_its_deadline_is_alarmed_as_late_and_a_second_one_is_not(pair: Pair) -> None:
    look(pair.dwp)
    at(pair, date(2026, 11, 21))
    send(pair, "hbE09000030 November 2026.csv")
    look(pair.dwp)
    send(pair, "hbE09000030 November 2026 corrected.csv")
    look(pair.dwp)
    assert said(pair.dwp)[1:] == [("extract.late", f"{LA}/2026-11", "2026-11-19")]


def test_an_extract_in_time_alarms_nobody_even_when_it_is_corrected_late(pair: Pair) -> None:
    look(pair.dwp)
    at(pair, date(2026, 11, 19), 23)
    send(pair, "hbE09000030 November 2026.csv")
    at(pair, date(2026, 12, 1))
    send(pair, "hbE09000030 November 2026 corrected.csv")
    look(pair.dwp)
    assert len(said(pair.dwp)) == 1


def test_months_before_a_partner_was_known_are_nobody_s_fault(pair: Pair) -> None:
    at(pair, date(2026, 11, 25))
    look(pair.dwp)
    send(pair, "hbE09000030 October 2026.csv")
    look(pair.dwp)
    assert len(said(pair.dwp)) == 1
    with pair.dwp.ledger.read() as connection:
        known = events.events_about(connection, ["extract.expected"], [LA])
    assert expected_from(known, 7) == {LA: Month(2026, 12)}


def test_a_gateway_that_was_stopped_for_months_tells_all_of_them(pair: Pair) -> None:
    look(pair.dwp)
    at(pair, date(2027, 1, 25))
    look(pair.dwp)
    assert [subject for _, subject, _ in said(pair.dwp)[1:]] == [
        f"{LA}/{month}" for month in ("2026-11", "2026-12", "2027-01")
    ]


def test_the_stage_looks_once_an_hour_and_not_at_all_at_an_authority(pair: Pair) -> None:
    stage = ExtractCalendar(pair.dwp.context)
    due = stage.step().due
    assert due is not None
    assert 3500 < due - pair.dwp.now <= 3600
    assert stage.step().done == 0
    assert ExtractCalendar(pair.la.context).step().due is None
    assert said(pair.la) == []
