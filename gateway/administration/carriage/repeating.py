"""Letting what was carried by hand go once more, since its medium was lost: by the link, or with the next export.

Raises NotFound for a partner or a waybill that there is not, UsageWrong where nothing of it is to go, and what the ledger raises.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.administration.carriage.exporting import KIND
from gateway.administration.requests.actors import stage_context
from gateway.administration.site.settings import partner_of
from gateway.domain.decision import Decision
from gateway.domain.states import Direction, State
from gateway.errors import NotFound, UsageWrong
from gateway.ledger.queries import carried
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.ledger.units import Consignment, Receipt
from gateway.logs import Logger
from gateway.settings.model import Settings


@dataclass(frozen=True)
class Again:
    """What of a waybill goes once more: the contract of `export --again --json`."""

    waybill: str
    partner: str
    consignments: tuple[str, ...]
    receipts: tuple[str, ...]


def again(settings: Settings, log: Logger, partner: str, number: str, decision: Decision) -> Again:
    """Let what was carried with the waybill whose number starts so go once more, by the link or with the next export.

    What is answered stays as it is. The partner delivers what it has already no second time, and answers again.
    """
    partner_of(settings, partner)
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        found = carried.waybills(transaction.connection, partner, number) if number else []
        if len(found) != 1:
            many = "more than one waybill" if found else "no waybill"
            raise NotFound(f"{many} to {partner} has a number that starts with {number[:40]!r}")
        ((waybill, *events),) = found
        consignments = carried.still_carried(transaction.connection, Consignment, partner, *events)
        receipts = carried.still_carried(transaction.connection, Receipt, partner, *events)
        if not consignments and not receipts:
            raise UsageWrong(f"All of waybill {waybill} is answered, or goes once more already.")
        transaction.record("medium.repeated", KIND, waybill, partner, **decision.detail)
        for row in consignments:
            event = transaction.record(
                "consignment.retried", "consignment", row.id, partner, state=str(State.SEALED), waybill=[waybill]
            )
            change = {"key": row.key, "state": State.SEALED, "resends": row.resends + 1, "due": 0.0, "event": event}
            transaction.move(CONSIGNMENTS, Direction.OUT, State.SENT, [change])
            transaction.move_with(row, State.SENT, State.SEALED, event)
        for receipt in receipts:
            # Its text is sealed once more: of what was sealed nothing is kept.
            event = transaction.record("receipt.issued", "receipt", receipt.consignment, partner, waybill=[waybill])
            change = {"key": receipt.key, "state": State.ISSUED, "due": 0.0, "event": event}
            transaction.move(RECEIPTS, Direction.OUT, State.SENT, [change])
    return Again(waybill, partner, tuple(row.id for row in consignments), tuple(row.consignment for row in receipts))
