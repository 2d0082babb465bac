"""Admission: the row and the event with which a file becomes a transfer of this site, whoever submits it.

Operators' files are admitted by `outbound.admit`, submitted ones by `gateway submit`, and documents that the gateway
writes itself by `composition` and `redirecting`. Raises what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from gateway.domain.decision import Decision
from gateway.domain.states import Direction, State
from gateway.ledger.queries import identities
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.spool.submission import SubmittedCopies
from gateway.stages.context import StageContext

_HOUR: Final = 3600.0


def submitted_copies(context: StageContext) -> SubmittedCopies:
    """Where files lie that somebody hands over, until their rows are written."""
    home = context.home

    def recorded(ids: Collection[str]) -> Collection[str]:
        with context.ledger.read() as connection:
            return {row.id for row in identities.by_ids(connection, Direction.OUT, [*ids]) if row.custody}

    return SubmittedCopies(home.submitted, context.new_id(), home.custody, context.payloads, recorded)


def record_admitted(
    context: StageContext,
    transaction: Transaction,
    admitted: Iterable[Mapping[str, Any]],
    decision: Decision | None = None,
) -> None:
    """Rows and events of submitted files whose bytes lie durably in custody; `decision` is whose command submitted them.

    Each has `id`, `flow`, `partner`, `name`, `size`, `sha256`, `spool_file` and `reference`.
    """
    submitted = {} if decision is None else decision.detail
    rows = []
    for file in admitted:
        event = transaction.record(
            "transfer.admitted",
            "transfer",
            file["id"],
            file["partner"],
            flow=file["flow"],
            bytes=file["size"],
            sha256=file["sha256"],
            log={"name": file["name"]},
            **submitted,
        )
        expires = transaction.now + context.settings.flows[file["flow"]].expires_hours * _HOUR
        rows.append(
            {
                **file,
                "direction": str(Direction.OUT),
                "state": str(State.ADMITTED),
                "expires": expires,
                "event": event,
            }
        )
    transaction.insert(TRANSFERS, rows)
