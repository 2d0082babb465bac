"""Codes of authorities where files are judged and passed on: the real stages of DWP and Tower Hamlets in one process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from gateway.domain.decision import Decision
from gateway.domain.states import Direction
from gateway.errors import UsageWrong
from gateway.flows.routes import routes
from gateway.ledger.queries import overview
from gateway.ledger.units import Transfer
from gateway.settings.authorities import extended
from gateway.settings.model import Partner
from gateway.stages import redirecting
from gateway.stages.context import StageContext
from gateway.stages.redirecting import Order
from gateway.validation.sandbox.pool import Sandbox
from tests.fakes.two_ledgers import Bench, Pair, PretendedReaders, two_ledgers

HERE, DIGITS, OTHER = "E09000030", "5900", "E08000004"
READERS = cast("Sandbox", PretendedReaders())


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def naming(code: str, number: int = 1) -> bytes:
    return f'facts {{"authority": "{code}", "records": "1"}}\nfile {number}'.encode()


def row_of(bench: Bench, name: str, direction: Direction) -> Transfer:
    with bench.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection, direction=direction) if row.name == name]
    return row


@pytest.mark.parametrize("code", [HERE, DIGITS])
def test_a_claim_may_name_its_authority_by_either_code_at_both_ends(pair: Pair, code: str) -> None:
    pair.dwp.submit("claim-1.xml", naming(code))
    pair.work()
    assert row_of(pair.dwp, "claim-1.xml", Direction.OUT).state == "receipted"
    assert row_of(pair.la, "claim-1.xml", Direction.IN).state == "delivered"


@pytest.mark.parametrize("code", [HERE, DIGITS])
def test_an_outcome_may_name_its_sender_by_either_code_at_both_ends(pair: Pair, code: str) -> None:
    pair.la.submit("outcome-1.xml", naming(code), "outcome")
    pair.work()
    assert row_of(pair.la, "outcome-1.xml", Direction.OUT).state == "receipted"
    assert row_of(pair.dwp, "outcome-1.xml", Direction.IN).state == "delivered"


@pytest.mark.parametrize("code", [OTHER, "4220", "9999", "E99999999", "DWP"])
def test_a_claim_for_another_authority_still_comes_back(pair: Pair, code: str) -> None:
    pair.dwp.submit("claim-1.xml", naming(code))
    pair.work()
    row = row_of(pair.dwp, "claim-1.xml", Direction.OUT)
    assert (row.state, row.code) == ("rejected", "wrong-authority")


def test_the_receiver_judges_by_its_own_table(pair: Pair) -> None:
    """A row that DWP has added, and the authority has not: DWP sends, and the authority's gateway says no."""
    added = "ons\tbilling\tname\tfrom\tuntil\tsuccessor\nE07000901\t5900\tOldborough\t\t\t\n"
    table, _ = extended(added)
    context = pair.dwp.context
    for stage in pair.stages_of(pair.dwp):
        if hasattr(stage, "_context"):
            stage._context = replace(context, settings=replace(context.settings, authorities=table))
    pair.dwp.submit("claim-1.xml", naming("E07000901"))
    pair.work()
    row = row_of(pair.la, "claim-1.xml", Direction.IN)
    assert (row.state, row.code) == ("rejected", "wrong-authority")


def connected(bench: Bench, *codes: str) -> StageContext:
    """The authority's surroundings, with further authorities among its partners."""
    more = {code: Partner(code=code, name=code, fingerprint="C" * 40, link="none") for code in codes}
    settings = replace(bench.settings, partners={**bench.settings.partners, **more})
    return replace(bench.context, settings=settings, routes=routes(settings))


def order(to: str) -> Order:
    return Order(to, "moved", "by-system", None, Decision("tester"))


def test_nothing_is_passed_on_to_oneself_under_ones_other_code(pair: Pair) -> None:
    pair.dwp.submit("claim-1.xml", naming(HERE))
    pair.work()
    row = row_of(pair.la, "claim-1.xml", Direction.IN)
    with pytest.raises(UsageWrong, match="5900 is this site"):
        redirecting.redirect(connected(pair.la, DIGITS), row.id, order(DIGITS), READERS)
