"""The vault: a large consignment is worked on beside the small ones, and what happens to it is written down once."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from gateway.assembly import roles
from gateway.crypto.contract import Opened, Sealed
from gateway.errors import GatewayError, LedgerCorrupt, SignatureBad
from gateway.ledger.tables import CONSIGNMENTS
from gateway.stages.background import LARGE_PLAIN, LARGE_SEALED, Background
from gateway.stages.context import Stage
from gateway.stages.inbound.open import Open
from gateway.stages.outbound.pack import Pack
from gateway.stages.outbound.seal import Seal
from gateway.stages.outbound.send import Send
from gateway.stages.outbound.validate import Validate
from gateway.storage.byte_reader import ByteReader
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, two_ledgers


class SlowPgp(PretendedPgp):
    """Waits for leave before it does anything; with an `error`, it fails then."""

    def __init__(self, own: str) -> None:
        super().__init__(own)
        self.begun, self.leave = threading.Event(), threading.Event()
        self.error: GatewayError | None = None

    def seal(self, plaintext: ByteReader, partner: str, output: Path, *more: Any) -> Sealed:
        self._wait()
        return super().seal(plaintext, partner, output, *more)

    def open(self, sealed: Path, partner: str, output: Path, max_bytes: int) -> Opened:
        self._wait()
        return super().open(sealed, partner, output, max_bytes)

    def _wait(self) -> None:
        self.begun.set()
        assert self.leave.wait(60)
        if self.error is not None:
            raise self.error


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def _states(bench: Bench, direction: str) -> list[str]:
    query = select(CONSIGNMENTS.c.state).where(CONSIGNMENTS.c.direction == direction).order_by(CONSIGNMENTS.c.key)
    with bench.ledger.read() as connection:
        return list(connection.execute(query).scalars())


def _step(pair: Pair, bench: Bench, *kinds: type[Stage]) -> None:
    for stage in pair.stages_of(bench):
        if isinstance(stage, kinds):
            stage.step()


def _until(stage: Stage, done: threading.Event) -> None:
    """Step until the work beside is written down."""
    assert done.wait(60)
    assert stage.step().done == 1


def _packed(pair: Pair, *contents: tuple[str, bytes]) -> None:
    for flow, content in contents:
        pair.dwp.submit(flow, content, flow=flow)
        _step(pair, pair.dwp, Validate, Pack)


def test_claim_is_sealed_while_an_extract_is_being_sealed(pair: Pair) -> None:
    slow, woken = SlowPgp("DWP"), threading.Event()
    beside = Background[Any](slow, woken.set)
    seal = Seal(pair.dwp.context, PretendedPgp("DWP"), partial(roles._archive, pair.dwp.context), beside)
    try:
        _packed(pair, ("extract", b"extract" + bytes(LARGE_PLAIN)))
        step = seal.step()
        assert slow.begun.wait(60)
        assert (step.done, step.due) == (0, None), "nobody looks again before it rings"
        _packed(pair, ("claim", b"claim"))
        assert seal.step().done == 1
        assert _states(pair.dwp, "out") == ["packed", "sealed"]
        slow.leave.set()
        _until(seal, woken)
        assert _states(pair.dwp, "out") == ["sealed", "sealed"]
    finally:
        slow.leave.set()
        seal.close()
    pair.work()
    assert _states(pair.dwp, "out") == ["receipted", "receipted"]


def _landed(pair: Pair) -> None:
    """A large and then a small consignment lie sealed at the authority."""
    noise = random.Random(7).randbytes(LARGE_SEALED + 100_000)
    _packed(pair, ("scan", noise))
    _step(pair, pair.dwp, Seal)
    _packed(pair, ("claim", b"claim"))
    _step(pair, pair.dwp, Seal, Send)
    pair.work_alone(pair.dwp)
    _step(pair, pair.la, *(type(stage) for stage in pair.stages_of(pair.la) if stage.name == "collect"))
    assert _states(pair.la, "in") == ["landed", "landed"]


@pytest.mark.parametrize(
    ("error", "state"), [(None, "opened"), (SignatureBad(), "quarantined")], ids=["good", "bad signature"]
)
def test_claim_is_opened_while_a_large_one_is_being_opened_whatever_becomes_of_that(
    pair: Pair, error: GatewayError | None, state: str
) -> None:
    _landed(pair)
    slow, woken = SlowPgp("E09000030"), threading.Event()
    slow.error = error
    context = pair.la.context
    opening = Open(context, PretendedPgp("E09000030"), partial(roles._unpack, 10**9), Background[Any](slow, woken.set))
    try:
        assert opening.step().done == 1
        assert slow.begun.wait(60)
        with pair.la.ledger.read() as connection:
            rows = connection.execute(select(CONSIGNMENTS.c.sealed_size, CONSIGNMENTS.c.state)).all()
        assert {row.state for row in rows if row.sealed_size > LARGE_SEALED} == {"landed"}
        assert {row.state for row in rows if row.sealed_size <= LARGE_SEALED} == {"opened"}
        slow.leave.set()
        _until(opening, woken)
        assert sorted(_states(pair.la, "in")) == sorted(["opened", state])
    finally:
        slow.leave.set()
        opening.close()


def test_error_that_stops_the_gateway_comes_out_of_the_work_beside(pair: Pair) -> None:
    _landed(pair)
    slow, woken = SlowPgp("E09000030"), threading.Event()
    slow.error = LedgerCorrupt("a test")
    slow.leave.set()
    context = pair.la.context
    opening = Open(context, PretendedPgp("E09000030"), partial(roles._unpack, 10**9), Background[Any](slow, woken.set))
    try:
        opening.step()
        assert woken.wait(60)
        with pytest.raises(LedgerCorrupt):
            opening.step()
    finally:
        opening.close()


def test_what_was_sealed_beside_for_a_lane_that_was_lost_is_not_recorded(pair: Pair) -> None:
    lanes = SimpleNamespace(elsewhere=frozenset(), newest=3, has_kept=lambda _partner, since: since > 3)
    context = replace(pair.dwp.context, lanes=lanes)  # type: ignore[arg-type]
    slow, woken = SlowPgp("DWP"), threading.Event()
    slow.leave.set()
    seal = Seal(context, PretendedPgp("DWP"), partial(roles._archive, context), Background[Any](slow, woken.set))
    try:
        _packed(pair, ("extract", b"extract" + bytes(LARGE_PLAIN)))
        seal.step()
        lanes.newest = 4  # it came back, in another epoch: what begins now is recorded
        _until(seal, woken)
        assert _states(pair.dwp, "out") == ["packed"]
        woken.clear()
        _until(seal, woken)
        assert _states(pair.dwp, "out") == ["sealed"]
    finally:
        seal.close()
