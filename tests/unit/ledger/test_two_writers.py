"""Two processes that write at once: one chain, no move twice, whichever database it is."""

from __future__ import annotations

import multiprocessing
from contextlib import closing
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from gateway.domain.states import Direction, State
from gateway.errors import ImpossibleMove
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.place import Place
from gateway.ledger.queries import events, overview
from gateway.ledger.store import Ledger
from gateway.ledger.tables import TRANSFERS
from tests.fakes.ledgers import Ledgers

_FORK = multiprocessing.get_context("fork")
_COUNT = 40


def _identity(number: int) -> str:
    return f"019ab5f0-1c2d-7abc-8def-{number:012d}"


def _admit(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        for number in range(_COUNT):
            event = transaction.record("transfer.admitted", "transfer", _identity(number), "DWP", bytes=5)
            row = {"id": _identity(number), "direction": "out", "flow": "claim", "partner": "DWP", "name": "a.xml"}
            transaction.insert(TRANSFERS, [{**row, "size": 5, "sha256": "f" * 64, "state": "admitted", "event": event}])


def _race(place: Place, role: str, told: Pipe) -> None:
    """Move every transfer that the other one has not moved, each in a transaction of its own; which ones."""
    won = []
    with closing(Ledger(place, clock=lambda: 2000.0, role=role)) as ledger:
        told.send("ready")
        told.recv()
        for number in range(_COUNT):
            try:
                with ledger.write() as transaction:
                    event = transaction.record("transfer.validated", "transfer", _identity(number), "DWP")
                    change = {"key": number + 1, "state": State.VALIDATED, "event": event}
                    transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, [change])
                won.append(number)
            except ImpossibleMove:
                continue
    told.send(won)


def test_two_processes_cannot_fork_the_chain_nor_make_a_move_twice(ledgers: Ledgers, tmp_path: Path) -> None:
    place = ledgers.new(tmp_path / "ledger.sqlite3")
    with closing(Ledger(place, clock=lambda: 1000.0, role="test")) as ledger:
        _admit(ledger)
    ours, theirs = zip(*(_FORK.Pipe() for _ in range(2)), strict=True)
    racers = [
        _FORK.Process(target=_race, args=(place, role, end))
        for role, end in zip(("inspect", "vault"), theirs, strict=True)
    ]
    for each in racers:
        each.start()
    assert [end.recv() for end in ours] == ["ready", "ready"]
    for end in ours:
        end.send("go")
    won = [end.recv() for end in ours]
    for each in racers:
        each.join()
    assert sorted(won[0] + won[1]) == list(range(_COUNT)), "each move was made once"
    with closing(Ledger(place, clock=lambda: 3000.0, role="test")) as ledger, ledger.read() as connection:
        assert [*check_chain(connection), *check_rows(connection)] == []
        moves = [each for each in events.chain(connection) if each.event == "transfer.validated"]
        assert [len([each for each in moves if each.role == role]) for role in ("inspect", "vault")] == [*map(len, won)]
        assert {row.state for row in overview.transfers(connection)} == {State.VALIDATED}
