"""Somebody moves a unit while a stage works on it: the stage drops its result, and the gateway goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.assembly import roles
from gateway.crypto.contract import Sealed
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.ledger.queries import overview
from gateway.stages.inbound.deliver import Deliver
from gateway.stages.outbound.pack import Pack
from gateway.stages.outbound.seal import Seal
from gateway.stages.outbound.validate import Validate
from gateway.stages.request_answers import decide
from gateway.stages.timers.overdue_receipts import OverdueReceipts
from gateway.storage.byte_reader import ByteReader
from gateway.validation.contract import Report
from gateway.validation.sandbox.pool import Job, Sandbox
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, PretendedReaders, two_ledgers

DECISION = Decision("operator", "it is the wrong file")


class BusyReaders(PretendedReaders):
    """While it reads the first file, something else happens."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    def validate(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Report]]:
        while self._meanwhile:
            self._meanwhile.pop()()
        return super().validate(jobs)


class BusyPgp(PretendedPgp):
    """While it seals, something else happens."""

    def __init__(self, own: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(own)
        self._meanwhile = meanwhile

    def seal(self, plaintext: ByteReader, partner: str, output: Path, *more: Any) -> Sealed:
        self._meanwhile()
        return super().seal(plaintext, partner, output, *more)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def states(bench: Bench, direction: Direction) -> dict[str, str]:
    with bench.ledger.read() as connection:
        return {row.name: row.state for row in overview.transfers(connection) if row.direction == direction}


def test_a_person_holds_a_file_while_it_is_validated(pair: Pair) -> None:
    bench = pair.dwp
    held = bench.submit("a.xml", b"claim a")
    bench.submit("b.xml", b"claim b")
    readers = cast("Sandbox", BusyReaders(lambda: decide(bench.context, Act.HOLD, held, DECISION)))
    validate = Validate(bench.context, readers)
    validate.step()
    assert states(bench, Direction.OUT) == {"a.xml": State.HELD, "b.xml": State.VALIDATED}
    decide(bench.context, Act.RELEASE, held, DECISION)
    validate.step()
    assert states(bench, Direction.OUT) == {"a.xml": State.VALIDATED, "b.xml": State.VALIDATED}


def test_a_person_returns_a_file_while_it_is_validated_for_delivery(pair: Pair) -> None:
    bench = pair.la
    returned = pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("b.xml", b"claim b")
    pair.work_alone(pair.dwp)
    for stage in pair.stages_of(bench):
        if not isinstance(stage, Deliver):
            stage.step()
    assert states(bench, Direction.IN) == {"a.xml": State.OPENED, "b.xml": State.OPENED}
    meanwhile = partial(decide, bench.context, Act.RETURN, returned, DECISION)
    Deliver(bench.context, cast("Sandbox", BusyReaders(meanwhile))).step()
    assert states(bench, Direction.IN) == {"a.xml": State.REJECTED, "b.xml": State.DELIVERED}
    delivered = bench.home.inbound / "claim" / "DWP"
    assert [path.name for path in delivered.iterdir()] == ["b.xml"]


def test_a_consignment_expires_while_it_is_sealed(pair: Pair) -> None:
    bench = pair.dwp
    bench.submit("a.xml", b"claim a")
    for stage in pair.stages_of(bench):
        if isinstance(stage, Validate | Pack):
            stage.step()

    def expire() -> None:
        bench.now += 10**7
        OverdueReceipts(bench.context).step()

    archive = partial(roles._archive, bench.context)
    Seal(bench.context, BusyPgp("DWP", expire), archive).step()
    assert states(bench, Direction.OUT) == {"a.xml": State.EXPIRED}
    assert list((bench.home.sealed_out / bench.other).iterdir()) == []
