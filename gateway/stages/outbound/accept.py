"""Accept: a partner's signed receipt moves the transfers that it answers, and nothing else does.

The receipt as it came is kept as evidence. Where it names a later head of our own audit chain than the ledger has, the
ledger was cut or restored from an old copy, and the gateway stops.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.crypto.contract import OpenPgp
from gateway.domain.receipt import BACK_OFFICE, MAX_BYTES, SENDERS_STATE, Level, Receipt, accept
from gateway.domain.states import Direction, State
from gateway.errors import (
    DiskFailed,
    GatewayError,
    LedgerRolledBack,
    ReceiptContrary,
    ReceiptEarly,
    ReceiptForeign,
    Redirected,
    RefusedByBackOffice,
)
from gateway.ledger import units
from gateway.ledger.queries import consignments, deadlines, fair_share, identities
from gateway.ledger.queries.restorations import was_lost
from gateway.ledger.store import Transaction, event_digest
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS, TRANSFERS
from gateway.ledger.units import Consignment, Transfer
from gateway.stages.attempts import claim, refuse
from gateway.stages.context import StageContext, Step
from gateway.stages.continuity import note_continuity
from gateway.stages.kept_files import in_evidence, needed, sealed_file, sealed_path
from gateway.stages.signing import note_use
from gateway.storage.durable import name_own


class Accept:
    """Landed receipts to accepted or quarantined, one a step."""

    name = "accept"

    def __init__(self, context: StageContext, engine: OpenPgp) -> None:
        self._context = context
        self._engine = engine
        self._after = ""
        self._claimed: set[int] = set()

    def step(self) -> Step:
        context = self._context
        with context.ledger.read() as connection:
            now, stopped = context.clock(), context.stopped
            row = fair_share.next_in_turn(
                connection, units.Receipt, Direction.IN, State.LANDED, now, self._after, fair_share.but(stopped)
            )
            due = deadlines.next_due(connection, units.Receipt, Direction.IN, [State.LANDED], but=stopped)
        if row is None:
            return Step(due=due)
        self._after = row.partner
        poison = claim(context, row, self._claimed)
        try:
            if poison is not None:
                raise poison
            receipt, encrypted_to = self._read(row)
            kept = in_evidence(context.home, row, receipt.level)
            context.payloads.keep({kept.path: kept.sha256}, {kept.path: sealed_path(context.home, row)})
            with context.ledger.write() as transaction:
                sent = self._apply(transaction, row, receipt)
                note_use(transaction, context.settings, row.partner, encrypted_to)
        except ReceiptEarly as error:
            # A partner may not send answers about files for ever that its gateway never signed for.
            late = context.clock() - row.created > _EARLY_SECONDS
            never_signed = ReceiptContrary("the partner's gateway never signed for the files")
            refuse(context, row, never_signed if late else error)
        except GatewayError as error:
            refuse(context, row, error)
        else:
            self._keep(row, kept.path, sent if receipt.level is Level.DELIVERED else None)
        self._claimed.discard(row.key)
        return Step(done=1)

    def close(self) -> None:
        self._engine.close()

    def _read(self, row: units.Receipt) -> tuple[Receipt, str]:
        """The receipt, and the primary fingerprint of our key that it was encrypted to."""
        context = self._context
        plain = context.home.opened / f"{row.consignment}.receipt.json"
        sealed = needed(context.payloads, sealed_file(context.home, row))
        try:
            context.home.opened.mkdir(mode=0o770, parents=True, exist_ok=True)
            plain.unlink(missing_ok=True)
            opened = self._engine.open(sealed, row.partner, plain, MAX_BYTES)
            return Receipt.parse(plain.read_bytes()), opened.encrypted_to
        except OSError as error:
            raise DiskFailed(f"a receipt cannot be read: {error.strerror}") from error
        finally:
            plain.unlink(missing_ok=True)

    def _apply(self, transaction: Transaction, row: units.Receipt, receipt: Receipt) -> Consignment:
        """Record it; the consignment of ours that it answers."""
        connection = transaction.connection
        sent = identities.one(connection, Consignment, Direction.OUT, row.partner, row.consignment)
        items = consignments.carried(connection, Direction.OUT, row.partner, row.consignment)
        accept(
            receipt,
            name=row.consignment,
            sender=row.partner,
            recipient=self._context.site,
            sealed_sha256=None if sent is None else sent.sealed_sha256,
            items={item.id: item.sha256 for item in items},
        )
        if sent is None:
            raise ReceiptForeign
        self._compare_heads(transaction, receipt)
        event = transaction.record(
            "receipt.accepted",
            "receipt",
            row.consignment,
            row.partner,
            count=len(receipt.items),
            head=[receipt.audit_head.sequence, receipt.audit_head.sha256],
            seen=None if receipt.seen_head is None else [receipt.seen_head.sequence, receipt.seen_head.sha256],
        )
        transaction.move(
            RECEIPTS,
            Direction.IN,
            State.LANDED,
            [
                {
                    "key": row.key,
                    "state": State.ACCEPTED,
                    "level": str(receipt.level),
                    "body": receipt.to_bytes().decode(),
                    "event": event,
                }
            ],
        )
        if receipt.level is Level.INGESTED:
            self._take_back_office_answers(transaction, receipt, items)
        elif sent.state != State.RECEIPTED:  # else the same answer came once more: it is kept, and moves nothing
            self._take_gateway_answers(transaction, receipt, sent, items)
        lane = transaction.lane(row.partner)
        if lane.seen_sequence is None or receipt.audit_head.sequence > lane.seen_sequence:
            note_continuity(transaction, row.partner, receipt.continuity)
            transaction.set_lane(
                row.partner, seen_sequence=receipt.audit_head.sequence, seen_sha256=receipt.audit_head.sha256
            )
        return sent

    def _take_gateway_answers(
        self, transaction: Transaction, receipt: Receipt, sent: Consignment, items: list[Transfer]
    ) -> None:
        """The partner's gateway answers for every transfer of the consignment, which comes to its end."""
        answers = {answer.transfer: answer for answer in receipt.items}
        for state in {item.state for item in items}:
            changes = []
            for item in items:
                answer = answers[item.id]
                if item.state != state or State(state) not in _OPEN:
                    continue
                following = SENDERS_STATE[answer.outcome]
                exceptions = answer.exceptions if following is State.RECEIPTED else None
                moved = transaction.record(
                    f"transfer.{following}",
                    "transfer",
                    item.id,
                    sent.partner,
                    flow=item.flow,
                    code=answer.code,
                    exceptions=None if exceptions is None else exceptions.count,
                    faulty_records=None if exceptions is None else exceptions.records,
                    log={"outcome": answer.outcome},
                )
                changes.append(
                    {
                        "key": item.key,
                        "state": following,
                        "code": answer.code,
                        "reason": answer.reason,
                        # The operator has read that it was not delivered.
                        "notify_pending": state == State.EXPIRED,
                        "event": moved,
                    }
                )
            transaction.move(TRANSFERS, Direction.OUT, State(state), changes)
        done = transaction.record("consignment.receipted", "consignment", sent.id, sent.partner)
        transaction.move(
            CONSIGNMENTS,
            Direction.OUT,
            sent.state,
            [{"key": sent.key, "state": State.RECEIPTED, "due": 0.0, "event": done}],
        )

    def _take_back_office_answers(self, transaction: Transaction, receipt: Receipt, items: list[Transfer]) -> None:
        """The partner's back office answers for some of the transfers. A second answer may only repeat the first."""
        rows = {item.id: item for item in items}
        changes = []
        for answer in receipt.items:
            item, following = rows[answer.transfer], BACK_OFFICE[answer.outcome]
            if item.state in _OPEN:
                raise ReceiptEarly
            known = item.state == State.INGESTED or item.code in _REFUSED
            if known and (item.state == State.INGESTED) == (following is State.INGESTED):
                continue
            if known or item.state != State.RECEIPTED:
                raise ReceiptContrary(f"transfer {item.id} was {item.code or item.state} before")
            accepted = following is State.INGESTED
            # Only codes that the gateway itself gives mean something here.
            code = None if accepted else answer.code if answer.code in _REFUSED else RefusedByBackOffice.code
            moved = transaction.record(
                "transfer.ingested" if accepted else "transfer.refused",
                "transfer",
                item.id,
                item.partner,
                flow=item.flow,
                code=code,
                state=str(following),
            )
            reason = None if accepted else answer.reason or RefusedByBackOffice().reason
            changes.append(
                {
                    "key": item.key,
                    "state": following,
                    "code": code,
                    "reason": reason,
                    "notify_pending": True,
                    "event": moved,
                }
            )
        transaction.move(TRANSFERS, Direction.OUT, State.RECEIPTED, changes)

    def _compare_heads(self, transaction: Transaction, receipt: Receipt) -> None:
        seen = receipt.seen_head
        if seen is None or seen.sequence == 0:
            return
        ours = event_digest(transaction.connection, seen.sequence)
        if ours is None and was_lost(transaction.connection, seen.sequence):
            return  # the chain says itself that these events are gone
        if ours != seen.sha256:
            raise LedgerRolledBack(
                f"{receipt.sender} holds event {seen.sequence} of our chain, "
                + ("which the ledger lacks" if ours is None else "and the ledger has another one")
            )

    def _keep(self, row: units.Receipt, kept: Path, answered: Consignment | None) -> None:
        """Move the receipt as it came to the evidence, and remove our sealed copy of what it answers."""
        home, payloads = self._context.home, self._context.payloads
        try:
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                name_own(sealed_path(home, row), kept)
        except OSError as error:
            raise DiskFailed(f"a receipt cannot be kept: {error.strerror}") from error
        payloads.forget(*sealed_file(home, row))
        if answered is not None:
            payloads.forget(*sealed_file(home, answered))


_OPEN = (State.SEALED, State.SENT, State.EXPIRED)
"""States in which a receipt may find a transfer: also before the sender has recorded the sending, and after expiry."""

_REFUSED: Final = (RefusedByBackOffice.code, Redirected.code)

_EARLY_SECONDS: Final = 86400.0
"""How long a back office's answer waits for the receipt of its gateway, which was sent before it."""
