"""Issued receipts: a receipt to a partner is due, which the transaction that makes its content true records.

`inbound.acknowledge` writes the receipt and seals it. Raises what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import orjson

from gateway.domain.manifest import Manifest
from gateway.domain.receipt import Level, Outcome, ReceiptItem
from gateway.domain.states import Direction, State
from gateway.errors import GatewayError, ImpossibleMove
from gateway.ledger import units
from gateway.ledger.queries import consignments, receipts
from gateway.ledger.store import Transaction
from gateway.ledger.tables import RECEIPTS
from gateway.ledger.units import Consignment, Transfer, required

_MOST: Final = 2 << 20
"""Bytes of items after which the back office's answers go into another receipt: the reader of one takes 8 MiB."""


class Answered(Protocol):
    """What of a consignment's row a receipt needs."""

    @property
    def id(self) -> str: ...
    @property
    def partner(self) -> str: ...


def issue(
    transaction: Transaction,
    consignment: Answered,
    items: Sequence[ReceiptItem] | None = None,
    level: Level = Level.DELIVERED,
) -> None:
    """Record that a receipt is due.

    `items` are given where the ledger has no rows to make them from, since the consignment was quarantined, and where
    they are the back office's answers.
    """
    event = transaction.record("receipt.issued", "receipt", consignment.id, consignment.partner)
    transaction.insert(
        RECEIPTS,
        [
            {
                "direction": str(Direction.OUT),
                "partner": consignment.partner,
                "consignment": consignment.id,
                "level": str(level),
                "state": str(State.ISSUED),
                "answers": None if items is None else _written(items),
                "event": event,
            }
        ],
    )


def issue_quarantined(transaction: Transaction, consignment: Answered, manifest: Manifest, error: GatewayError) -> None:
    """Record that a receipt is due which says of every item of the manifest that it is quarantined."""
    items = [
        ReceiptItem(
            transfer=item.transfer,
            sha256=item.sha256,
            outcome=Outcome.QUARANTINED,
            code=error.code,
            reason=error.reason,
        )
        for item in manifest.items
    ]
    issue(transaction, consignment, items)


def answered_consignment(transaction: Transaction, partner: str, identity: str) -> Consignment | None:
    """The consignment of a delivered transfer once its own receipt is issued. None before that: the stage that issues
    that receipt adds the back office's answers too.
    """
    row = consignments.consignment_in(transaction.connection, partner, identity)
    if row is None:
        raise ImpossibleMove("a delivered transfer without its consignment")
    return row if row.state == State.DELIVERED else None


def add_answers(transaction: Transaction, consignment: Answered, answers: Sequence[ReceiptItem]) -> None:
    """Record what the back office said about some of a consignment's transfers, in the transaction that moves them.

    The answers join the receipt that is still to be written, if there is one, so it grows while a partner is away.
    """
    waiting = receipts.receipt_to_join(transaction.connection, consignment.partner, consignment.id, _MOST)
    joined: list[ReceiptItem] = []
    if waiting is not None:
        joined = [ReceiptItem.model_validate(item) for item in orjson.loads(required(waiting.answers))]
    size = 0 if waiting is None else len(required(waiting.answers))
    for answer in answers:
        joined.append(answer)
        size += len(_written([answer]))
        if size >= _MOST:
            _join(transaction, consignment, waiting, joined)
            waiting, joined, size = None, [], 0
    if joined:
        _join(transaction, consignment, waiting, joined)


def answer_of(row: Transfer) -> ReceiptItem:
    """The back office's answer about a transfer as a receipt has it."""
    outcome = Outcome.INGESTED if row.state == State.INGESTED else Outcome.REFUSED
    return ReceiptItem(transfer=row.id, sha256=row.sha256, outcome=outcome, code=row.code, reason=row.reason)


def _join(
    transaction: Transaction, consignment: Answered, waiting: units.Receipt | None, items: list[ReceiptItem]
) -> None:
    if waiting is None:
        issue(transaction, consignment, items, Level.INGESTED)
        return
    event = transaction.record("receipt.issued", "receipt", consignment.id, consignment.partner)
    transaction.set(RECEIPTS, [waiting.key], answers=_written(items), event=event)


def _written(items: Sequence[ReceiptItem]) -> str:
    return orjson.dumps([item.model_dump(mode="json") for item in items]).decode()
