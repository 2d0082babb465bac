"""Names that something of others has at a partner without a gateway. Raises what the ledger raises."""

from __future__ import annotations

from gateway.domain.states import Direction
from gateway.ledger import units
from gateway.ledger.queries.consignments import carried
from gateway.ledger.store import Transaction
from gateway.spool.names import PLAIN_ENDING, second_name


def take_second_name(transaction: Transaction, row: units.Parcel) -> bool:
    """Give a message without a manifest its second name, where its first one is taken: no gateway there takes that away.

    False for all other parcels, and where it has its second name already.
    """
    if not isinstance(row, units.Consignment) or not row.is_plain:
        return False
    (item,) = carried(transaction.connection, Direction.OUT, row.partner, row.id)
    name = f"{second_name(item.name, item.id)}{PLAIN_ENDING}"
    if item.delivered_name == name:
        return False
    transaction.note_delivered_names({item.key: name})
    return True
