"""Files that this site may have delivered before it was lost, and put back from a copy that does not know: held for a person.

They were made before the loss, and their sender has had no receipt, so it sends them again. Raises what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.domain.identity import from_text
from gateway.domain.manifest import CLOCK_LEEWAY, Item, Manifest
from gateway.domain.states import State
from gateway.errors import DeliveryUnknown
from gateway.ledger.queries.restorations import last_loss
from gateway.ledger.store import Transaction


def doubtful(
    transaction: Transaction, partner: str, manifest: Manifest, items: Iterable[Item]
) -> dict[str, dict[str, Any]]:
    """The columns of those new transfers of a consignment that are held, by their ids: all of `items`, or none."""
    lost = last_loss(transaction.connection)
    if lost is None or from_text(manifest.created) > lost + CLOCK_LEEWAY:
        return {}
    return {item.transfer: hold(transaction, partner, item.transfer, item.flow) for item in items}


def hold(transaction: Transaction, partner: str, transfer: str, flow: str) -> dict[str, Any]:
    """Record that a transfer is held before its delivery; the columns that say so."""
    unsure = DeliveryUnknown()
    event = transaction.record("transfer.held", "transfer", transfer, partner, flow=flow, code=unsure.code)
    return {
        "state": str(State.HELD),
        "resume": str(State.OPENED),
        "code": unsure.code,
        "reason": unsure.reason,
        "event": event,
    }
