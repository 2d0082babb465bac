"""Whose turn it is: a backlog takes what the others leave, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, insert
from sqlalchemy.engine import Engine

from gateway.domain.states import Direction, State
from gateway.ledger.engine import open_engine
from gateway.ledger.migrate import migrate
from gateway.ledger.queries import fair_share
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Transfer
from tests.fakes.ledgers import Ledgers

NOW = 1000.0
_LANES = st.dictionaries(st.tuples(st.sampled_from("ABC"), st.sampled_from(["claim", "laid"])), st.integers(1, 30))


@pytest.fixture(scope="module")
def engine(ledgers: Ledgers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = open_engine(ledgers.new(tmp_path_factory.mktemp("shares") / "ledger.sqlite3"))
    yield made.execution_options(gateway_write=True)
    made.dispose()


def _fill(connection: Connection, waiting: Mapping[tuple[str, str], int], **values: object) -> None:
    rows = [
        {"id": f"{partner}{flow}{number}", "direction": "out", "flow": flow, "partner": partner, "name": "n", "size": 1}
        | {"sha256": "", "state": "admitted", "created": 0.0, "updated": 0.0, "claims": 0, "due": 0.0, **values}
        for (partner, flow), count in waiting.items()
        for number in range(count)
    ]
    if rows:
        connection.execute(insert(TRANSFERS), rows)


def _due(connection: Connection, limit: int) -> Counter[tuple[str, str]]:
    rows = fair_share.due(connection, Transfer, Direction.OUT, State.ADMITTED, NOW, limit)
    assert len({row.key for row in rows}) == len(rows)
    return Counter((row.partner, row.flow) for row in rows)


@given(_LANES, st.integers(1, 60))
def test_every_lane_gets_its_share_and_nothing_that_fits_is_left(
    engine: Engine, waiting: Mapping[tuple[str, str], int], limit: int
) -> None:
    with engine.connect() as connection:
        _fill(connection, waiting)
        found = _due(connection, limit)
        connection.rollback()
    assert found.total() == min(limit, sum(waiting.values()))
    for lane, count in waiting.items():
        assert found[lane] >= min(count, limit // len(waiting))


@given(_LANES)
def test_units_are_taken_partner_by_partner_whatever_each_has_waiting(
    engine: Engine, waiting: Mapping[tuple[str, str], int]
) -> None:
    with engine.connect() as connection:
        _fill(connection, waiting)
        partners, order, after = sorted({partner for partner, _ in waiting}), [], ""
        for _ in partners * 2:
            row = fair_share.next_in_turn(connection, Transfer, Direction.OUT, State.ADMITTED, NOW, after)
            assert row is not None
            order.append(after := row.partner)
        connection.rollback()
    assert order == partners * 2


def test_what_broke_off_an_attempt_waits_for_all_others_and_what_is_deferred_for_its_time(engine: Engine) -> None:
    with engine.connect() as connection:
        _fill(connection, {("A", "claim"): 1}, claims=1)
        _fill(connection, {("B", "claim"): 2})
        _fill(connection, {("C", "claim"): 1}, due=NOW + 1)
        first = fair_share.next_in_turn(connection, Transfer, Direction.OUT, State.ADMITTED, NOW, "")
        assert first is not None
        assert first.partner == "B"
        rows = fair_share.due(connection, Transfer, Direction.OUT, State.ADMITTED, NOW, 10)
        assert [row.partner for row in rows] == ["B", "B", "A"]
        assert set(fair_share.lanes(connection, Transfer, Direction.OUT, State.ADMITTED)) == {
            (partner, "claim") for partner in "ABC"
        }
        connection.rollback()


def test_lanes_are_found_by_seeks_and_not_by_reading_what_waits(tmp_path: Path) -> None:
    """The query plan that SQLite chooses: every step of it is a search in the index of lanes, or of keys."""
    migrate(tmp_path / "ledger.sqlite3")
    made = create_engine(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    for table in (TRANSFERS, CONSIGNMENTS):
        query = fair_share._of_each(table, Direction.OUT, State.SEALED, fair_share.anything, lateral=False)
        sql = str(query.params(now=NOW, share=3).compile(made, compile_kwargs={"literal_binds": True}))
        with made.connect() as connection:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
        searches = [step for step in plan if step.startswith("SEARCH")]
        assert [
            step for step in plan if step.startswith("SCAN") and "heads" not in step and "CONSTANT" not in step
        ] == []
        assert all(f"{table.name}_by_lane" in step or "PRIMARY KEY" in step for step in searches), plan
    made.dispose()
