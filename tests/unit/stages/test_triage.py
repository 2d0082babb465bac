"""What triage says of records, by what came before them: in a batch, after a crash, of other partners, and once it is forgotten."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from stat import S_IMODE
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from gateway.administration.views.triage import case
from gateway.domain.retention import Clock, Kind, Rule
from gateway.domain.states import Direction, State
from gateway.domain.triage import Finding, TriageCounts, claim_digest, keyed
from gateway.ledger.queries import overview
from gateway.ledger.queries.facts import told_of
from gateway.ledger.retention import erase
from gateway.ledger.units import Transfer
from gateway.sample.catalog import samplers
from gateway.settings.directories import SHARED
from gateway.settings.flow_settings import DEFAULT_FLOWS, TriagedSettings
from gateway.stages.triage import Judged, Triage
from gateway.validation.contract import RecordMark, Report
from gateway.validation.sandbox.pool import Sandbox
from tests.examples import examples
from tests.fakes.two_ledgers import ActualReaders, Bench, Pair, two_ledgers

KEY = bytes(32)
ACTUAL = cast("Sandbox", ActualReaders())


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path, readers=ACTUAL) as made:
        yield made


@pytest.fixture
def site(pair: Pair) -> Bench:
    return pair.dwp


def mark(row: int, fact: int, award: int = 0, age: int = 1, claim: str = "") -> RecordMark:
    """Of a decision `age` days before the site's clock."""
    day = (datetime.fromtimestamp(1_795_000_000, UTC) - timedelta(days=age)).date().toordinal()
    claims = (claim_digest(claim),) if claim else ()
    return RecordMark(row, fact.to_bytes(16), award.to_bytes(16) if award else b"", day, claims)


def file_of(site: Bench, *marks: RecordMark, flow: str = "etd") -> tuple[Transfer, Report]:
    identity = site.submit(f"{len(marks)}.xml", b"a", flow)
    with site.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection) if row.id == identity]
    return row, Report("etd/1.1", marks=marks)


def judge(site: Bench, *files: tuple[Transfer, Report], key: bytes = KEY) -> list[Judged]:
    """Each in turn, and remembered; what was made of them, in their order."""
    triage = Triage(site.context, key, Direction.OUT)
    with site.ledger.write() as transaction:
        made = triage.judge(transaction.connection, files)
        transaction.record("transfer.repeated", "transfer", "0", None)
        triage.remember(transaction, made)
    return [made[row.key] for row, _ in files]


def said(judged: Judged) -> list[tuple[int, Sequence[Finding]]]:
    return [(each.record, each.findings) for each in judged.records]


def test_a_repetition_is_known_within_a_file_a_batch_and_later(site: Bench) -> None:
    first, second = file_of(site, mark(1, 7), mark(2, 7)), file_of(site, mark(1, 8), mark(2, 7))
    one, two = judge(site, second, first)[::-1]
    assert said(one) == [(2, (Finding.REPEATS,))]
    assert said(two) == [(2, (Finding.REPEATS,))]
    assert two.records[0].earlier == (first[0].key,)
    (three,) = judge(site, file_of(site, mark(1, 8), mark(2, 9)))
    assert said(three) == [(1, (Finding.REPEATS,))]
    assert three.counts == TriageCounts(2, repeats=1)
    assert not three.whole


def test_an_earlier_decision_that_comes_later_is_superseded(site: Bench) -> None:
    judge(site, file_of(site, mark(1, 1, award=5, age=3)))
    older, newer = judge(site, file_of(site, mark(1, 2, award=5, age=9)), file_of(site, mark(1, 3, award=5, age=2)))
    assert said(older) == [(1, (Finding.SUPERSEDED,))]
    assert older.whole
    assert said(newer) == []
    (same_day,) = judge(site, file_of(site, mark(1, 4, award=5, age=2)))
    assert said(same_day) == [], "two decisions of one day stand side by side"


def test_what_is_older_than_the_flows_days_is_out_of_date(site: Bench) -> None:
    (judged,) = judge(site, file_of(site, mark(1, 1, award=1, age=90), mark(2, 2, award=2, age=91)))
    assert said(judged) == [(2, (Finding.OUT_OF_DATE,))]


def test_partners_flows_and_keys_are_kept_apart(site: Bench) -> None:
    row, report = file_of(site, mark(1, 7))
    judge(site, (row, report))
    again = file_of(site, mark(1, 7))
    assert said(judge(site, (again[0]._replace(partner="E06000001"), report))[0]) == []
    assert said(judge(site, file_of(site, mark(1, 7), flow="referral"))[0]) == []
    assert said(judge(site, file_of(site, mark(1, 7)), key=b"\x01" * 32)[0]) == []


def test_after_a_crash_a_file_is_judged_as_it_was(site: Bench) -> None:
    first = file_of(site, mark(1, 7, award=3, age=5))
    (before,) = judge(site, first)
    judge(site, file_of(site, mark(1, 7, award=3, age=1)), file_of(site, mark(1, 8, award=3, age=1)))
    (after,) = judge(site, first)
    assert said(before) == said(after) == []


def test_a_flow_without_triage_remembers_nothing(site: Bench) -> None:
    object.__setattr__(
        site.settings, "flows", {**DEFAULT_FLOWS, "etd": TriagedSettings(priority=10, triage_sending="off")}
    )
    triage = Triage(site.context, KEY, Direction.OUT)
    with site.ledger.read() as connection:
        assert triage.judge(connection, [file_of(site, mark(1, 7))]) == {}


def test_numbers_go_with_the_names_of_their_transfer(site: Bench) -> None:
    kept, gone = file_of(site, mark(1, 7)), file_of(site, mark(1, 8))
    judge(site, kept, gone)
    site.sql("UPDATE transfers SET state = 'receipted', custody = 0 WHERE key = ?", gone[0].key)
    with site.ledger.write() as transaction:
        erase(transaction, Rule(Kind.TRANSFERS, Clock.TRANSFERS, 1, site.now + 1), None, 10)
    assert site.sql("DELETE FROM marks WHERE transfer = ?", gone[0].key) == 0
    assert said(judge(site, file_of(site, mark(1, 8)))[0]) == []
    assert said(judge(site, file_of(site, mark(1, 7)))[0]) == [(1, (Finding.REPEATS,))]


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.binary(max_size=20))
@examples(50)
def test_a_number_is_of_its_key_and_scope(key: bytes, other: bytes, scope: bytes) -> None:
    made = keyed(key, scope, b"a" * 16)
    assert -(2**63) <= made < 2**63
    assert made == keyed(key, scope, b"a" * 16)
    assert (made == keyed(other, scope, b"a" * 16)) is (key == other)
    assert made != keyed(key, scope + b"x", b"a" * 16)


def notices(number: int) -> bytes:
    """The same notices each time, by another message id."""
    made = samplers()["etd"].make(
        sender="DWP", recipient="E09000030", index=1, random=Random(6), today=datetime.now(UTC).date()
    )
    return re.sub(rb"<MessageId>[^<]*", b"<MessageId>ETD-DWP-%d" % number, made.content)


def test_a_flow_may_hold_what_repeats_and_a_case_is_found(pair: Pair) -> None:
    settings = {**DEFAULT_FLOWS, "etd": TriagedSettings(priority=10, triage_sending="hold", triage="set-aside")}
    for bench in (pair.dwp, pair.la):
        object.__setattr__(bench.settings, "flows", settings)
    pair.dwp.submit("one.xml", notices(1), "etd")
    pair.work()
    again = pair.dwp.submit("two.xml", notices(2), "etd")
    pair.work()
    with pair.dwp.ledger.read() as connection:
        (held,) = [row for row in overview.transfers(connection) if row.id == again]
    assert (held.state, held.code, held.resume) == (State.HELD, "content-repeated", State.VALIDATED)
    reference = re.findall(rb"<HbReference>([^<]+)", notices(1))[0].decode()
    with pair.la.ledger.read() as connection:
        (found,) = case(connection, KEY, f" {reference.lower()}")
        assert case(connection, KEY, f"{reference}0") == []
    assert found.delivered_as == "one.xml"
    assert found.records
    assert json.dumps(reference) not in str(found)


def test_no_file_that_is_called_repeats_is_in_the_way_of_those_that_are_set_aside(pair: Pair) -> None:
    object.__setattr__(pair.la.settings, "flows", {**DEFAULT_FLOWS, "etd": TriagedSettings(triage="set-aside")})
    inbound = pair.la.home.inbound / "etd" / "DWP"
    first = pair.dwp.submit("repeats", notices(1), "etd")
    pair.work()
    pair.dwp.submit("two.xml", notices(2), "etd")
    pair.work()
    assert {path.name for path in inbound.iterdir()} == {f"repeats~{first}", "repeats"}
    assert S_IMODE((inbound / "repeats").stat().st_mode) == SHARED
    assert (inbound / "repeats" / "two.xml").is_file()
    shutil.rmtree(inbound / "repeats")
    (inbound / "repeats").touch()  # somebody's
    pair.dwp.submit("three.xml", notices(3), "etd")
    pair.work()
    assert (inbound / "three.xml").is_file()


def test_no_delivered_file_passes_for_what_lies_beside_another_one(pair: Pair) -> None:
    inbound = pair.la.home.inbound / "etd" / "DWP"
    for number, name in enumerate(("one.xml.triage.json", "one.xml.Exceptions.csv", "one.xml.done"), 1):
        pair.dwp.submit(name, notices(number), "etd")
        pair.work()
    names = {path.name for path in inbound.iterdir()}
    assert {"one.xml.triage.json_", "one.xml.Exceptions.csv_", "one.xml.done"} <= names
    assert names.isdisjoint({"one.xml.triage.json", "one.xml.Exceptions.csv"})


def test_what_comes_back_has_not_gone_before(pair: Pair) -> None:
    first = pair.dwp.submit("a.xml", notices(1), "etd")
    other = pair.dwp.submit("b.xml", notices(1) + b"\n", "etd")
    pair.work()
    assert told_of_repeats(pair.dwp) == {}  # of one message id one came back, and the other is the first of its kind
    with pair.dwp.ledger.write() as transaction:
        for identity in (first, other):
            values = {"state": str(State.REJECTED), "id": identity}
            transaction.connection.execute(text("UPDATE transfers SET state = :state WHERE id = :id"), values)
    pair.dwp.submit("c.xml", notices(2), "etd")
    pair.work()
    assert told_of_repeats(pair.dwp) == {}
    pair.dwp.submit("d.xml", notices(3), "etd")
    pair.work()
    assert told_of_repeats(pair.dwp).keys() == {"d.xml"}


def told_of_repeats(site: Bench) -> dict[str, int]:
    """How many records of each file the site says repeat others."""
    with site.ledger.read() as connection:
        rows = overview.transfers(connection)
    counts = {row.name: TriageCounts.of(told_of(row.facts)) for row in rows}
    return {name: each.repeats for name, each in counts.items() if each is not None and each.repeats}
