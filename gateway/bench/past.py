"""A past for two sites: ledgers as years of work leave them, so that a bench shows what their size costs.

Rows, events and chains are what real work would have written, through the ledger's own door, and `gateway audit verify`
agrees with them; only the files themselves are gone, as they would be. Raises what the ledger raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson

from gateway.domain.identity import new_id
from gateway.domain.states import Direction, State
from gateway.ledger.head_file import HeadFile
from gateway.ledger.store import Ledger, Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.settings.home import Home

_DAYS: Final = 90 * 86400.0
_SIZE: Final = 6000
PER_CONSIGNMENT: Final = 500


@dataclass(frozen=True)
class Past:
    """`count` claims from a site to a partner, all receipted, in the ninety days before `until`."""

    sender: str
    recipient: str
    count: int
    until: float
    seed: int


@dataclass(frozen=True)
class _Consignment:
    id: str
    sequence: int
    at: float
    transfers: tuple[str, ...]

    @property
    def head(self) -> tuple[int, str]:
        """The sender's head that came with it."""
        return self.sequence * PER_CONSIGNMENT, hashlib.sha256(self.id.encode()).hexdigest()


def write_past(past: Past, sender: Home, recipient: Home) -> None:
    """Write both sites' ledgers; neither site may have exchanged anything with the other before, nor be running."""
    with ProcessPoolExecutor(2) as processes:
        list(processes.map(partial(_write, past), (sender, recipient), (Direction.OUT, Direction.IN)))


def write_sent(past: Past, home: Home) -> None:
    """Write the sender's ledger alone."""
    _write(past, home, Direction.OUT)


def _write(past: Past, home: Home, direction: Direction) -> None:
    moment = [past.until]
    ledger = Ledger(home.ledger, clock=lambda: moment[0], role="bench", head_file=HeadFile(home.ledger_head))
    try:
        for consignment in _consignments(past):
            moment[0] = consignment.at
            with ledger.write() as transaction:
                if direction is Direction.OUT:
                    _sent(transaction, past.recipient, consignment)
                else:
                    _received(transaction, past.sender, consignment)
    finally:
        ledger.close()


def _consignments(past: Past) -> Iterator[_Consignment]:
    number = -(-past.count // PER_CONSIGNMENT)
    for sequence in range(1, number + 1):
        at = past.until - _DAYS + _DAYS * sequence / (number + 1)
        count = min(PER_CONSIGNMENT, past.count - (sequence - 1) * PER_CONSIGNMENT)
        yield _Consignment(
            _id(past, at, sequence, 0),
            sequence,
            at,
            tuple(_id(past, at, sequence, position) for position in range(1, count + 1)),
        )


def _id(past: Past, at: float, sequence: int, position: int) -> str:
    return new_id(at, hashlib.sha256(f"{past.seed}/{sequence}/{position}".encode()).digest()[:10])


def _sent(transaction: Transaction, partner: str, consignment: _Consignment) -> None:
    for transfer in consignment.transfers:
        transaction.record("transfer.admitted", "transfer", transfer, partner, flow="claim", bytes=_SIZE)
        transaction.record("transfer.validated", "transfer", transfer, partner, flow="claim")
    _carried(transaction, partner, consignment, "consignment.packed")
    transaction.record("consignment.sealed", "consignment", consignment.id, partner, sequence=consignment.sequence)
    transaction.record("consignment.sent", "consignment", consignment.id, partner)
    events = _each(transaction, partner, consignment, "transfer.receipted")
    event = transaction.record("consignment.receipted", "consignment", consignment.id, partner)
    transaction.set_lane(partner, sequence=consignment.sequence)
    _rows(transaction, partner, consignment, Direction.OUT, State.RECEIPTED, event, events)


def _received(transaction: Transaction, partner: str, consignment: _Consignment) -> None:
    transaction.record("consignment.landed", "consignment", consignment.id, partner)
    _carried(transaction, partner, consignment, "consignment.opened", head=list(consignment.head))
    events = _each(transaction, partner, consignment, "transfer.delivered")
    event = transaction.record("consignment.delivered", "consignment", consignment.id, partner)
    transaction.lane(partner)
    _rows(transaction, partner, consignment, Direction.IN, State.DELIVERED, event, events)


def _each(transaction: Transaction, partner: str, consignment: _Consignment, name: str) -> list[int]:
    """The same event for every transfer; their numbers in the chain."""
    return [transaction.record(name, "transfer", each, partner, flow="claim") for each in consignment.transfers]


def _carried(transaction: Transaction, partner: str, consignment: _Consignment, name: str, **detail: Any) -> None:
    transaction.record(
        name,
        "consignment",
        consignment.id,
        partner,
        sequence=consignment.sequence,
        count=len(consignment.transfers),
        transfers=[*consignment.transfers],
        **detail,
    )


def _rows(
    transaction: Transaction,
    partner: str,
    consignment: _Consignment,
    direction: Direction,
    state: State,
    event: int,
    events: Sequence[int],
) -> None:
    common: dict[str, Any] = {"direction": str(direction), "partner": partner, "state": str(state)}
    whole: dict[str, Any] = {
        "id": consignment.id,
        "sequence": consignment.sequence,
        "items": len(consignment.transfers),
        "bytes": _SIZE * len(consignment.transfers),
        "event": event,
    }
    if direction is Direction.IN:
        whole |= {"head_sequence": consignment.head[0], "head_sha256": consignment.head[1]}
    transaction.insert(CONSIGNMENTS, [common | whole])
    transaction.insert(
        TRANSFERS,
        [
            common
            | {
                "id": transfer,
                "flow": "claim",
                "name": f"past-{transfer}.xml",
                "size": _SIZE,
                "sha256": hashlib.sha256(transfer.encode()).hexdigest(),
                "schema": "claim/1.0",
                "message_id": f"past-{transfer}",
                "facts": orjson.dumps({"message_id": f"past-{transfer}", "records": "1"}).decode(),
                "consignment": consignment.id,
                "position": position,
                "custody": False,
                "event": events[position - 1],
            }
            for position, transfer in enumerate(consignment.transfers, 1)
        ],
    )
