"""Acknowledge: a consignment that came to its end here is answered with a signed receipt.

Inspect issues the receipt in the transaction that ends the consignment's last transfer, so a positive answer never
comes before the file is durably in place. Here its text is written down, once, and sealed to the partner. What the back
office says later goes in further receipts about the same consignment. On the wire they all have one name, so they follow
each other: the next is sealed when the last is sent, and never has the size of an earlier one, since a file of that name
and size at the partner means "it is there already".
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import orjson

from gateway.crypto.contract import OpenPgp, Sealed
from gateway.domain.identity import to_text
from gateway.domain.manifest import AuditHead
from gateway.domain.receipt import Answer, ExceptionCount, Level, Outcome, Receipt, queue_name
from gateway.domain.states import Direction, State
from gateway.errors import GatewayError, ImpossibleMove
from gateway.ledger import units
from gateway.ledger.queries import consignments, fair_share
from gateway.ledger.queries import receipts as asked
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import Transaction, read_head
from gateway.ledger.tables import RECEIPTS
from gateway.ledger.units import Lane, Transfer, required
from gateway.stages.attempts import claim, failed
from gateway.stages.context import StageContext, Step
from gateway.stages.signing import Signing

OUTCOMES = {
    State.DELIVERED: Outcome.DELIVERED,
    State.INGESTED: Outcome.DELIVERED,
    State.REJECTED: Outcome.REJECTED,
    State.QUARANTINED: Outcome.QUARANTINED,
}


_MOST: Final = 2 << 20
"""Bytes of answers after which the back office's words go into a receipt of their own: its reader takes 8 MiB."""

_APART: Final = 64
"""Bytes by which a receipt is made longer than the longest before it, where it would have the size of one of them: the
length of a signature varies by a few.
"""


class Answered(Protocol):
    """What of a consignment's row a receipt needs."""

    @property
    def id(self) -> str: ...
    @property
    def partner(self) -> str: ...


def issue(
    transaction: Transaction,
    consignment: Answered,
    answers: Sequence[Answer] | None = None,
    level: Level = Level.DELIVERED,
) -> None:
    """Note that a receipt is due, in the transaction that makes its content true.

    `answers` are given where the ledger has no rows to take them from: the consignment was quarantined; and where they
    are the back office's.
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
                "answers": None if answers is None else _written(answers),
                "event": event,
            }
        ],
    )


def pass_on(transaction: Transaction, consignment: Answered, words: Sequence[Answer]) -> None:
    """Note what the back office said about some of a consignment's transfers, in the transaction that moves them.

    It joins the receipt that is still to be written, if there is one: while a partner is away, one grows.
    """
    waiting = asked.receipt_to_join(transaction.connection, consignment.partner, consignment.id, _MOST)
    joined: list[Answer] = []
    if waiting is not None:
        joined = [Answer.model_validate(answer) for answer in orjson.loads(required(waiting.answers))]
    size = 0 if waiting is None else len(required(waiting.answers))
    for word in words:
        joined.append(word)
        size += len(_written([word]))
        if size >= _MOST:
            _say(transaction, consignment, waiting, joined)
            waiting, joined, size = None, [], 0
    if joined:
        _say(transaction, consignment, waiting, joined)


def _say(transaction: Transaction, consignment: Answered, waiting: units.Receipt | None, answers: list[Answer]) -> None:
    if waiting is None:
        issue(transaction, consignment, answers, Level.INGESTED)
        return
    event = transaction.record("receipt.issued", "receipt", consignment.id, consignment.partner)
    transaction.set(RECEIPTS, [waiting.key], answers=_written(answers), event=event)


def spoken(row: Transfer) -> Answer:
    """The answer that carries the back office's word about a transfer."""
    outcome = Outcome.INGESTED if row.state == State.INGESTED else Outcome.REFUSED
    return Answer(transfer=row.id, sha256=row.sha256, outcome=outcome, code=row.code, reason=row.reason)


def _exceptions(item: Transfer) -> ExceptionCount | None:
    """How many exceptions a delivered file has, None for any other."""
    counts = exceptions_in(item.facts) if OUTCOMES[item.state] is Outcome.DELIVERED else None
    return None if counts is None else ExceptionCount(count=counts[0], records=counts[1])


def _written(answers: Sequence[Answer]) -> str:
    return orjson.dumps([answer.model_dump(mode="json") for answer in answers]).decode()


class Acknowledge:
    """Issued to sealed, one receipt a step."""

    name = "acknowledge"

    def __init__(self, context: StageContext, engine: OpenPgp) -> None:
        self._context = context
        self._engine = engine
        self._signing = Signing(context)
        self._after = ""
        self._claimed: set[int] = set()

    def step(self) -> Step:
        context = self._context
        going = fair_share.but(context.settings.stopped)

        ready = fair_share.both(asked.not_behind_another, going)
        with context.ledger.read() as connection:
            now = context.clock()
            row = fair_share.next_in_turn(
                connection, units.Receipt, Direction.OUT, State.ISSUED, now, self._after, ready
            )
            due = asked.next_receipt_to_seal(connection, but=context.settings.stopped)
        if row is None:
            return Step(due=due)
        self._after = row.partner
        self._seal(row)
        self._claimed.discard(row.key)
        return Step(done=1)

    def close(self) -> None:
        self._engine.close()

    def _seal(self, row: units.Receipt) -> None:
        context = self._context
        claim(context, "receipt", row, self._claimed)
        output = context.home.sealed_out / row.partner / queue_name(row.consignment, row.level, row.key)
        try:
            output.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
            body = self._body(row)
            sealed = self._sealed(row, body, output)
        except GatewayError as error:
            with context.ledger.write() as transaction:
                failed(context, transaction, "receipt", row, error)
            return
        with context.ledger.write() as transaction:
            if asked.answers_of(transaction.connection, row.key) != row.answers:
                return  # the back office said more meanwhile: it is written anew, with that
            # The message that it answers has served, whatever became of it.
            answered = context.home.sealed_in / row.partner / f"{row.consignment}.pgp"
            transaction.afterwards.append(partial(answered.unlink, missing_ok=True))
            event = transaction.record("receipt.sealed", "receipt", row.consignment, row.partner, bytes=sealed.size)
            transaction.move(
                RECEIPTS,
                Direction.OUT,
                State.ISSUED,
                [
                    {
                        "key": row.key,
                        "state": State.SEALED,
                        "answers": None,
                        "body": body.decode(),
                        "sealed_size": sealed.size,
                        "sealed_sha256": sealed.sha256,
                        "attempts": 0,
                        "due": 0.0,
                        "event": event,
                    }
                ],
            )

    def _sealed(self, row: units.Receipt, body: bytes, output: Path) -> Sealed:
        """Seal the text, with white space behind it where the size would be that of another receipt of the same name."""
        with self._context.ledger.read() as connection:
            sizes = asked.sealed_sizes(connection, row.partner, row.consignment, row.key)
        signer = self._signing.signer(row.partner)
        padding = 0
        while True:
            output.unlink(missing_ok=True)
            sealed = self._engine.seal(io.BytesIO(body + b"\n" * padding), row.partner, output, signer)
            if sealed.size not in sizes:
                return sealed
            padding += max(sizes) - sealed.size + _APART

    def _body(self, row: units.Receipt) -> bytes:
        """The receipt's text: as sealed before, where it was; else made from the ledger."""
        context = self._context
        if row.body is not None:
            return row.body.encode()
        given = [] if row.answers is None else orjson.loads(row.answers)
        with context.ledger.read() as connection:
            consignment = consignments.consignment_in(connection, row.partner, row.consignment)
            if consignment is None:
                raise ImpossibleMove("a receipt without its consignment")
            items = consignments.carried(connection, Direction.IN, row.partner, row.consignment)
            head = read_head(connection)
            lane = all_lanes(connection).get(row.partner, Lane(row.partner))
        answers = [Answer.model_validate(answer) for answer in given] or [
            Answer(
                transfer=item.id,
                sha256=item.sha256,
                outcome=OUTCOMES[item.state],
                # The back office's word may be in the row by now: it goes in a receipt of its own.
                code=item.code if not item.is_answered else None,
                reason=item.reason if not item.is_answered else None,
                exceptions=_exceptions(item),
            )
            for item in items
        ]
        if not given:
            answers += [
                Answer(transfer=double["transfer"], sha256=double["sha256"], outcome=Outcome.DUPLICATE)
                for double in orjson.loads(consignment.duplicates or "[]")
            ]
        return Receipt(
            consignment=row.consignment,
            sealed_sha256=required(consignment.sealed_sha256),
            sender=context.site,
            recipient=row.partner,
            level=Level(required(row.level)),
            issued=to_text(context.clock()),
            audit_head=AuditHead(sequence=head.sequence, sha256=head.sha256),
            seen_head=None
            if lane.seen_sequence is None
            else AuditHead(sequence=lane.seen_sequence, sha256=required(lane.seen_sha256)),
            items=tuple(answers),
        ).to_bytes()
