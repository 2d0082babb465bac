"""Validate: would the receiver take it? What is wrong never leaves, and goes back to its operator with the reasons.

Each file is read in the sandbox. Beyond its own rules, the authority that it names has to be the partner that it is
addressed to, and the same bytes to the same partner within the flow's days are held as a suspected duplicate: `release`
sends them.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import Row

from gateway.errors import ContentInvalid, GatewayError, MessageIdUsed, PartnerUnknown, SuspectedDuplicate
from gateway.ledger import queries
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.settings.model import SiteKind
from gateway.stages.inspection import inspect, invalid, wrong_authority
from gateway.stages.workplace import BATCH, Step, Workplace
from gateway.transfer.states import TRANSFER_OUT, Direction, Move, State, advance
from gateway.validation.contract import Report
from gateway.validation.sandbox import Crash, Sandbox

_DAY: Final = 86400.0


class Validate:
    """Admitted to validated, rejected or held."""

    name = "validate"

    def __init__(self, place: Workplace, sandbox: Sandbox) -> None:
        self._place = place
        self._sandbox = sandbox
        self._survived: set[int] = set()
        self._messages: dict[tuple[str, str, str], tuple[str, str]] = {}

    def step(self) -> Step:
        place = self._place
        with place.ledger.read() as connection:
            rows = queries.due(connection, TRANSFERS, Direction.OUT, State.ADMITTED, place.clock(), BATCH)
            due = queries.next_due(connection, TRANSFERS, Direction.OUT, [State.ADMITTED])
        if not rows:
            return Step(due=due)
        paths = [place.home.custody / row.id for row in rows]
        results = list(inspect(place, self._sandbox, rows, paths, self._survived))
        self._messages.clear()
        with place.ledger.write() as transaction:
            changes = [self._judge(transaction, row, result) for row, result in results]
            transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, [change for change in changes if change])
        self._survived.clear()
        return Step(done=len(rows))

    def close(self) -> None:
        pass

    def _judge(
        self, transaction: Transaction, row: Row[Any], result: Report | GatewayError | Crash
    ) -> dict[str, Any] | None:
        if isinstance(result, Crash):
            # The claim stays counted; the third one holds the file.
            transaction.record(
                "work.deferred",
                "transfer",
                row.id,
                row.partner,
                flow=row.flow,
                code="reader-died",
                reason=result.reason,
            )
            return None
        schema, facts = row.schema, None
        outcome: State | GatewayError = State.VALIDATED
        partner = self._place.settings.partners.get(row.partner)
        if isinstance(result, GatewayError):
            outcome = result
        elif partner is None:
            outcome = PartnerUnknown("the partner was removed from the configuration")
        else:
            schema, facts = result.schema, result.facts
            to_dwp = partner.kind is SiteKind.DWP
            report = wrong_authority(result, self._place.site if to_dwp else row.partner)
            outcome = State.VALIDATED if report.valid else invalid(report)
            if report.valid and (used := self._message_used(transaction, row, result)) is not None:
                outcome = MessageIdUsed(f"transfer {used} of the same flow carried this message id")
        move = advance(TRANSFER_OUT, State.ADMITTED, outcome)
        if move.state is State.VALIDATED and (earlier := self._earlier(transaction, row)) is not None:
            error = SuspectedDuplicate(f"the same bytes as transfer {earlier}")
            # What is held has passed its validation: release goes on from there.
            move = Move(State.HELD, State.VALIDATED, code=error.code, reason=error.reason)
        code = outcome.finding if isinstance(outcome, ContentInvalid) else move.code
        event = transaction.record(
            f"transfer.{move.state}",
            "transfer",
            row.id,
            row.partner,
            flow=row.flow,
            code=code,
            reason=move.reason.partition("\n")[0] if move.reason else None,
            log={"bytes": row.size},
        )
        return {
            "key": row.key,
            "state": move.state,
            "resume": move.resume,
            "schema": schema,
            "message_id": None if facts is None else facts.get("message_id"),
            "facts": None if facts is None else orjson.dumps(dict(facts)).decode(),
            "origin": None,
            "code": code,
            "reason": move.reason,
            "event": event,
        }

    def _message_used(self, transaction: Transaction, row: Row[Any], report: Report) -> str | None:
        """The earlier transfer to the partner with this message id; the same bytes again are for a person to judge."""
        message = report.facts.get("message_id")
        if message is None:
            return None
        # Those of this batch are not in the ledger yet.
        digest, transfer = self._messages.setdefault((row.partner, row.flow, message), (row.sha256, row.id))
        if digest != row.sha256:
            return transfer
        return queries.earlier_message(transaction.connection, row, message)

    def _earlier(self, transaction: Transaction, row: Row[Any]) -> str | None:
        days = self._place.settings.flows[row.flow].duplicate_days
        if not days:
            return None
        since = transaction.now - days * _DAY
        return queries.earlier_copy(transaction.connection, row.partner, row.sha256, since, row.key)
