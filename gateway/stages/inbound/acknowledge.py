"""Acknowledge: a consignment that ended here is answered with a signed receipt.

The transaction that ends the consignment's last transfer issues the receipt (`issued_receipts`), so a positive one never
comes before the file is durably in place. This stage writes its text, once, and seals it to the partner. Later answers of
the back office go in further receipts about the same consignment. All have one name on the wire, so the next is sealed
when the last is sent. It never has the size of an earlier one, since a file of that name and size at the partner means that
it is there already.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import orjson

from gateway.crypto.contract import OpenPgp, Sealed
from gateway.domain.identity import to_text
from gateway.domain.manifest import AuditHead
from gateway.domain.receipt import ExceptionCount, Level, Outcome, Receipt, ReceiptItem, TriageNote
from gateway.domain.states import Direction, State
from gateway.domain.triage import TriageCounts
from gateway.errors import GatewayError, ImpossibleMove
from gateway.ledger import units
from gateway.ledger.queries import consignments, fair_share, receipts
from gateway.ledger.queries.facts import exceptions_in, told_of
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import read_head
from gateway.ledger.tables import RECEIPTS
from gateway.ledger.units import Lane, Transfer, required
from gateway.stages.attempts import claim, failed
from gateway.stages.context import StageContext, Step
from gateway.stages.continuity import own_notice
from gateway.stages.kept_files import let_go, sealed_file, sealed_path
from gateway.stages.signing import Signing
from gateway.storage.named_first import naming
from gateway.storage.payloads import KeptFile

_OUTCOMES: Final = {
    State.DELIVERED: Outcome.DELIVERED,
    State.INGESTED: Outcome.DELIVERED,
    State.REJECTED: Outcome.REJECTED,
    State.QUARANTINED: Outcome.QUARANTINED,
}

_PADDING: Final = 64
"""Bytes by which a receipt is made longer than the longest before it, where it would have the size of one of them: the
length of a signature varies by a few.
"""


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
        going = fair_share.but(context.stopped)

        ready = fair_share.both(receipts.not_behind_another, going)
        with context.ledger.read() as connection:
            now = context.clock()
            row = fair_share.next_in_turn(
                connection, units.Receipt, Direction.OUT, State.ISSUED, now, self._after, ready
            )
            due = receipts.next_receipt_to_seal(connection, but=context.stopped)
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
        claim(context, row, self._claimed)
        output = sealed_path(context.home, row)
        output.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
        with naming(output.parent):  # the link removes those that were sent, when it starts
            self._seal_at(row, output)

    def _seal_at(self, row: units.Receipt, output: Path) -> None:
        context = self._context
        try:
            body = self._body(row)
            sealed = self._sealed(row, body, output)
            context.payloads.keep({output: sealed.sha256})
        except GatewayError as error:
            with context.ledger.write() as transaction:
                failed(context, transaction, row, error)
            return
        with context.ledger.write() as transaction:
            if receipts.answers_of(transaction.connection, row.key) != row.answers:
                # The back office answered more meanwhile: the next step writes the receipt again.
                let_go(transaction, context.payloads, KeptFile(output, sealed.sha256))
                return
            # The message that it answers is not needed any more, whatever became of it.
            answered = consignments.consignment_in(transaction.connection, row.partner, row.consignment)
            if answered is not None:
                let_go(transaction, context.payloads, sealed_file(context.home, answered))
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
        """Seal the text, followed by white space where the size would be that of another receipt of the same name."""
        with self._context.ledger.read() as connection:
            sizes = receipts.sealed_sizes(connection, row.partner, row.consignment, row.key)
        signer = self._signing.signer(row.partner)
        padding = 0
        while True:
            output.unlink(missing_ok=True)
            sealed = self._engine.seal(io.BytesIO(body + b"\n" * padding), row.partner, output, signer)
            if sealed.size not in sizes:
                return sealed
            padding += max(sizes) - sealed.size + _PADDING

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
            head, notice = read_head(connection), own_notice(connection)
            lane = all_lanes(connection).get(row.partner, Lane(row.partner))
        answers = [ReceiptItem.model_validate(answer) for answer in given] or [
            ReceiptItem(
                transfer=item.id,
                sha256=item.sha256,
                outcome=_OUTCOMES[item.state],
                # Where the row has the back office's answer by now, that goes in another receipt.
                code=item.code if not item.is_answered else None,
                reason=item.reason if not item.is_answered else None,
                exceptions=_exceptions(item),
                triage=_triage(item),
            )
            for item in items
        ]
        if not given:
            answers += [
                ReceiptItem(transfer=double["transfer"], sha256=double["sha256"], outcome=Outcome.DUPLICATE)
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
            continuity=notice,
            items=tuple(answers),
        ).to_bytes()


def _triage(item: Transfer) -> TriageNote | None:
    """What triage says of a delivered file, None where there is nothing to say."""
    if item.facts is None or '"triaged"' not in item.facts or _OUTCOMES[item.state] is not Outcome.DELIVERED:
        return None
    counts = TriageCounts.of(told_of(item.facts))
    return None if counts is None else TriageNote(**counts._asdict())


def _exceptions(item: Transfer) -> ExceptionCount | None:
    """How many exceptions a delivered file has, None for any other."""
    counts = exceptions_in(item.facts) if _OUTCOMES[item.state] is Outcome.DELIVERED else None
    return None if counts is None else ExceptionCount(count=counts[0], records=counts[1])
