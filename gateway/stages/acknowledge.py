"""Acknowledge: a consignment that came to its end here is answered with a signed receipt.

Inspect issues the receipt in the transaction that ends the consignment's last transfer, so a positive answer never
comes before the file is durably in place. Here its text is written down, once, and sealed to the partner.
"""

from __future__ import annotations

import io
from typing import Any, Protocol

import orjson
from sqlalchemy import Row

from gateway.crypto.contract import OpenPgp
from gateway.errors import GatewayError, ImpossibleMove
from gateway.ledger import queries
from gateway.ledger.store import Transaction, read_head
from gateway.ledger.tables import RECEIPTS
from gateway.stages.attempts import claim, failed
from gateway.stages.workplace import Step, Workplace
from gateway.transfer.identity import to_text
from gateway.transfer.manifest import AuditHead
from gateway.transfer.receipt import Answer, Level, Outcome, Receipt
from gateway.transfer.states import Direction, State

OUTCOMES = {
    State.DELIVERED: Outcome.DELIVERED,
    State.INGESTED: Outcome.DELIVERED,
    State.REJECTED: Outcome.REJECTED,
    State.QUARANTINED: Outcome.QUARANTINED,
}


class Answered(Protocol):
    """What of a consignment's row a receipt needs."""

    @property
    def id(self) -> str: ...
    @property
    def partner(self) -> str: ...


def issue(transaction: Transaction, consignment: Answered, answers: list[Answer] | None = None) -> None:
    """Note that a receipt is due, in the transaction that makes its content true.

    `answers` are given where the ledger has no rows to take them from: the consignment was quarantined.
    """
    event = transaction.record("receipt.issued", "receipt", consignment.id, consignment.partner)
    body = None if answers is None else orjson.dumps([answer.model_dump(mode="json") for answer in answers]).decode()
    transaction.insert(
        RECEIPTS,
        [
            {
                "direction": str(Direction.OUT),
                "partner": consignment.partner,
                "consignment": consignment.id,
                "level": str(Level.DELIVERED),
                "state": str(State.ISSUED),
                "body": body,
                "event": event,
            }
        ],
    )


class Acknowledge:
    """Issued to sealed, one receipt a step."""

    name = "acknowledge"

    def __init__(self, place: Workplace, engine: OpenPgp) -> None:
        self._place = place
        self._engine = engine

    def step(self) -> Step:
        place = self._place
        with place.ledger.read() as connection:
            rows = queries.due(connection, RECEIPTS, Direction.OUT, State.ISSUED, place.clock(), 1)
            due = queries.next_due(connection, RECEIPTS, Direction.OUT, [State.ISSUED])
        if not rows:
            return Step(due=due)
        self._seal(rows[0])
        return Step(done=1)

    def close(self) -> None:
        self._engine.close()

    def _seal(self, row: Row[Any]) -> None:
        place = self._place
        claim(place, "receipt", row)
        output = place.home.sealed_out / row.partner / f"{row.consignment}.receipt.pgp"
        try:
            output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            output.unlink(missing_ok=True)
            body = self._body(row)
            sealed = self._engine.seal(io.BytesIO(body), row.partner, output)
        except GatewayError as error:
            with place.ledger.write() as transaction:
                failed(place, transaction, "receipt", row, error)
            return
        with place.ledger.write() as transaction:
            event = transaction.record("receipt.sealed", "receipt", row.consignment, row.partner, bytes=sealed.size)
            transaction.move(
                RECEIPTS,
                Direction.OUT,
                State.ISSUED,
                [
                    {
                        "key": row.key,
                        "state": State.SEALED,
                        "body": body.decode(),
                        "sealed_size": sealed.size,
                        "sealed_sha256": sealed.sha256,
                        "attempts": 0,
                        "due": 0.0,
                        "event": event,
                    }
                ],
            )

    def _body(self, row: Row[Any]) -> bytes:
        """The receipt's text: as sealed before, where it was; else made from the ledger."""
        place = self._place
        given = [] if row.body is None else orjson.loads(row.body)
        if isinstance(given, dict):
            return str(row.body).encode()
        with place.ledger.read() as connection:
            consignment = queries.consignment_in(connection, row.partner, row.consignment)
            if consignment is None:
                raise ImpossibleMove("a receipt without its consignment")
            items = queries.carried(connection, Direction.IN, row.partner, row.consignment)
            head = read_head(connection)
            lane = queries.lanes(connection).get(row.partner, {})
        answers = [Answer.model_validate(answer) for answer in given] or [
            Answer(
                transfer=item.id,
                sha256=item.sha256,
                outcome=OUTCOMES[State(item.state)],
                code=item.code,
                reason=item.reason,
            )
            for item in items
        ]
        if not given:
            answers += [
                Answer(transfer=double["transfer"], sha256=double["sha256"], outcome=Outcome.DUPLICATE)
                for double in orjson.loads(consignment.duplicates or "[]")
            ]
        seen = lane.get("seen_sequence")
        return Receipt(
            consignment=row.consignment,
            sealed_sha256=consignment.sealed_sha256,
            sender=place.site,
            recipient=row.partner,
            level=Level(row.level),
            issued=to_text(place.clock()),
            audit_head=AuditHead(sequence=head.sequence, sha256=head.sha256),
            seen_head=None if seen is None else AuditHead(sequence=seen, sha256=lane["seen_sha256"]),
            items=tuple(answers),
        ).to_bytes()
