"""Lanes: what is urgent neither travels with bulk files nor waits for them, and nobody waits for another's backlog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.stages.context import Stage
from gateway.stages.outbound.pack import Pack
from gateway.stages.outbound.seal import Seal
from gateway.stages.outbound.send import Send
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def _stage(pair: Pair, bench: Bench, kind: type[Stage]) -> Any:
    return next(stage for stage in pair.stages_of(bench) if isinstance(stage, kind))


def _consignments(bench: Bench) -> list[tuple[str, str, int]]:
    """State, flow and number of files of each outbound consignment."""
    with bench.ledger.read() as connection:
        found = connection.execute(
            select(CONSIGNMENTS.c.state, CONSIGNMENTS.c.flow, CONSIGNMENTS.c["items"])
            .where(CONSIGNMENTS.c.direction == "out")
            .order_by(CONSIGNMENTS.c.key)
        )
        return [(row[0], row[1], row[2]) for row in found]


def _validated(pair: Pair, *flows: str) -> None:
    for flow in flows:
        pair.dwp.submit(flow, f"{flow} {pair.dwp.context.new_id()}".encode(), flow=flow)
    for stage in pair.stages_of(pair.dwp)[:1]:
        stage.step()


def test_urgent_and_bulk_files_never_share_a_consignment_and_the_most_urgent_names_it(pair: Pair) -> None:
    _validated(pair, "extract", "scan", "claim", "laid", "extract")
    assert _stage(pair, pair.dwp, Pack).step().done == 5
    assert sorted(_consignments(pair.dwp)) == [("packed", "claim", 3), ("packed", "extract", 2)]


def test_lane_full_of_extracts_has_room_for_a_claim(pair: Pair) -> None:
    pack = _stage(pair, pair.dwp, Pack)
    for _ in range(6):
        _validated(pair, "extract")
        pack.step()
    assert len(_consignments(pair.dwp)) == pair.dwp.settings.limits.lane_consignments
    _validated(pair, "claim")
    assert pack.step().done == 1
    assert _consignments(pair.dwp)[-1] == ("packed", "claim", 1)


def test_claim_is_sealed_before_the_extracts_that_were_packed_before_it(pair: Pair) -> None:
    pack, seal = _stage(pair, pair.dwp, Pack), _stage(pair, pair.dwp, Seal)
    for _ in range(3):
        _validated(pair, "extract")
        pack.step()
    _validated(pair, "claim")
    pack.step()
    seal.step()
    assert [flow for state, flow, _ in _consignments(pair.dwp) if state == "sealed"] == ["claim"]
    pair.work()
    assert {state for state, _, _ in _consignments(pair.dwp)} == {"receipted"}


def test_receipts_for_a_partner_that_is_away_do_not_keep_others_from_theirs(pair: Pair) -> None:
    """More of them than a step looks at: before lanes had shares, those of the partner that is away were all it saw."""
    away = [
        {"direction": "out", "partner": "W06000015", "consignment": str(number), "level": "delivered"}
        | {"state": "sealed", "sealed_size": 1, "created": 0.0, "updated": 0.0}
        for number in range(600)
    ]
    with pair.la.ledger.write() as transaction:
        transaction.connection.execute(insert(RECEIPTS), away)
        transaction.set_lane("W06000015", failures=3, due=pair.la.now + 3600.0)
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    assert {state for state, _, _ in _consignments(pair.dwp)} == {"receipted"}
    assert _stage(pair, pair.la, Send).step().done == 0
