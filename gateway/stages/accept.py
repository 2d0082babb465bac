"""Accept: a partner's signed receipt moves the transfers that it answers, and nothing else does.

The receipt as it came is kept as evidence. Where it tells of a later head of our own audit chain than we have, the
ledger was cut or restored from an old copy: the gateway stops.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from gateway.crypto.contract import OpenPgp
from gateway.errors import DiskFailed, GatewayError, LedgerRolledBack, Quarantine, ReceiptForeign
from gateway.ledger import queries
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS, TRANSFERS
from gateway.stages.attempts import claim, failed, pass_halt_on
from gateway.stages.locking_away import lock_away
from gateway.stages.workplace import Step, Workplace
from gateway.transfer.receipt import MAX_BYTES, SENDERS_STATE, Receipt, accept
from gateway.transfer.states import Direction, State


class Accept:
    """Landed receipts to accepted or quarantined, one a step."""

    name = "accept"

    def __init__(self, place: Workplace, engine: OpenPgp) -> None:
        self._place = place
        self._engine = engine

    def step(self) -> Step:
        place = self._place
        with place.ledger.read() as connection:
            rows = queries.due(connection, RECEIPTS, Direction.IN, State.LANDED, place.clock(), 1)
            due = queries.next_due(connection, RECEIPTS, Direction.IN, [State.LANDED])
        if not rows:
            return Step(due=due)
        row = rows[0]
        poison = claim(place, "receipt", row)
        try:
            if poison is not None:
                raise poison
            receipt = self._read(row)
            with place.ledger.write() as transaction:
                self._apply(transaction, row, receipt)
        except GatewayError as error:
            self._refused(row, error)
        else:
            self._keep(row)
        return Step(done=1)

    def close(self) -> None:
        self._engine.close()

    def _sealed(self, row: Row[Any]) -> Path:
        return self._place.home.sealed_in / str(row.partner) / f"{row.consignment}.receipt.pgp"

    def _read(self, row: Row[Any]) -> Receipt:
        place = self._place
        plain = place.home.opened / f"{row.consignment}.receipt.json"
        try:
            place.home.opened.mkdir(mode=0o700, parents=True, exist_ok=True)
            plain.unlink(missing_ok=True)
            self._engine.open(self._sealed(row), row.partner, plain, MAX_BYTES)
            return Receipt.parse(plain.read_bytes())
        except OSError as error:
            raise DiskFailed(f"a receipt cannot be read: {error.strerror}") from error
        finally:
            plain.unlink(missing_ok=True)

    def _apply(self, transaction: Transaction, row: Row[Any], receipt: Receipt) -> None:
        connection = transaction.connection
        sent = queries.one(connection, CONSIGNMENTS, Direction.OUT, row.partner, row.consignment)
        items = queries.carried(connection, Direction.OUT, row.partner, row.consignment)
        accept(
            receipt,
            name=row.consignment,
            sender=row.partner,
            recipient=self._place.site,
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
            count=len(items),
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
        if sent.state == State.RECEIPTED:
            return  # the same answer once more: it is kept, and moves nothing
        answers = {answer.transfer: answer for answer in receipt.items}
        for state in {item.state for item in items}:
            changes = []
            for item in items:
                answer = answers[item.id]
                if item.state != state or State(state) not in _OPEN:
                    continue
                following = SENDERS_STATE[answer.outcome]
                moved = transaction.record(
                    f"transfer.{following}",
                    "transfer",
                    item.id,
                    row.partner,
                    flow=item.flow,
                    code=answer.code,
                    log={"outcome": answer.outcome},
                )
                changes.append(
                    {
                        "key": item.key,
                        "state": following,
                        "code": answer.code,
                        "reason": answer.reason,
                        "event": moved,
                    }
                )
            transaction.move(TRANSFERS, Direction.OUT, State(state), changes)
        done = transaction.record("consignment.receipted", "consignment", row.consignment, row.partner)
        transaction.move(
            CONSIGNMENTS,
            Direction.OUT,
            State(sent.state),
            [{"key": sent.key, "state": State.RECEIPTED, "due": 0.0, "event": done}],
        )
        lane = transaction.lane(row.partner)
        if lane["seen_sequence"] is None or receipt.audit_head.sequence > lane["seen_sequence"]:
            transaction.set_lane(
                row.partner, seen_sequence=receipt.audit_head.sequence, seen_sha256=receipt.audit_head.sha256
            )

    def _compare_heads(self, transaction: Transaction, receipt: Receipt) -> None:
        seen = receipt.seen_head
        if seen is None or seen.sequence == 0:
            return
        ours = queries.event_digest(transaction.connection, seen.sequence)
        if ours != seen.sha256:
            raise LedgerRolledBack(
                f"{receipt.sender} holds event {seen.sequence} of our chain, "
                + ("which the ledger lacks" if ours is None else "and the ledger has another one")
            )

    def _keep(self, row: Row[Any]) -> None:
        """The receipt as it came goes to the evidence; our sealed copy of what it answers has served."""
        home = self._place.home
        kept = home.evidence / row.partner / f"{row.consignment}.receipt.pgp"
        try:
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                self._sealed(row).rename(kept)
            (home.sealed_out / row.partner / f"{row.consignment}.pgp").unlink(missing_ok=True)
        except OSError as error:
            raise DiskFailed(f"a receipt cannot be kept: {error.strerror}") from error

    def _refused(self, row: Row[Any], error: GatewayError) -> None:
        place = self._place
        pass_halt_on(place, "receipt", row, error)
        with place.ledger.write() as transaction:
            if not isinstance(error, Quarantine):
                failed(place, transaction, "receipt", row, error)
                return
            lock_away(
                place,
                transaction,
                path=self._sealed(row),
                kind="receipt",
                stem=row.consignment,
                partner=row.partner,
                error=error,
            )
            change = {
                "key": row.key,
                "state": State.QUARANTINED,
                "code": error.code,
                "reason": error.reason,
                "event": transaction.head().sequence,
            }
            transaction.move(RECEIPTS, Direction.IN, State.LANDED, [change])


_OPEN = (State.SEALED, State.SENT, State.EXPIRED)
"""A receipt may come before the sender's process noted that it had sent, and after it gave up."""
