"""Clock guard: nothing waits longer than the longest pause there is, even where the site's clock was put back.

Pauses end at moments of that clock. When it is put back, moments that were set before lie days ahead; what waits for one
further ahead than any pause lasts becomes due now. Raises what the ledger raises.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.states import State
from gateway.ledger.queries import deadlines
from gateway.ledger.queries.carried import not_carried
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.units import TABLE_OF, Consignment, Receipt, Transfer, Unit
from gateway.settings.model import LinkSettings
from gateway.stages.context import StageContext

_HOUR: Final = 3600.0
_DAY: Final = 86400.0

_RETRIED: Final[tuple[tuple[type[Unit], tuple[State, ...]], ...]] = (
    (Transfer, (State.ADMITTED, State.VALIDATED, State.OPENED)),
    (Consignment, (State.PACKED, State.SEALED, State.LANDED)),
    (Receipt, (State.ISSUED, State.SEALED, State.LANDED)),
)
"""The states in which a deferred unit waits for its next attempt."""


def receipt_wait(link: LinkSettings, resends: int) -> float:
    """Seconds to wait for a receipt before the same bytes go for the (resends + 1)th time again: twice as long each time."""
    return min(link.receipt_overdue_hours * _HOUR * 2.0**resends, _longest_receipt_wait(link))


def bring_forward(context: StageContext, now: float) -> int:
    """Make due what waits for a moment that only a wrong clock can have set; how many units and lanes that were."""
    link = context.settings.link
    bounds = [(unit, states, link.retry_cap_seconds) for unit, states in _RETRIED]
    with context.ledger.read() as connection:
        found: list[tuple[type[Unit], list[int]]] = [
            (unit, deadlines.due_after(connection, unit, states, now + longest)) for unit, states, longest in bounds
        ]
        # What was carried by hand is not sent again by itself: it waits until it expires.
        late = deadlines.due_after(connection, Consignment, [State.SENT], now + _longest_receipt_wait(link))
        found.append((Consignment, not_carried(connection, late)))
        lanes = [partner for partner, lane in all_lanes(connection).items() if lane.due > now + link.retry_cap_seconds]
    count = len(lanes) + sum(len(keys) for _, keys in found)
    if count:
        with context.ledger.write() as transaction:
            for unit, keys in found:
                transaction.set(TABLE_OF[unit], keys, due=now)
            for partner in lanes:
                transaction.set_lane(partner, due=now)
        context.log("clock.set-back", count=count, reason="work waited for a moment further ahead than any pause lasts")
    return count


def _longest_receipt_wait(link: LinkSettings) -> float:
    return max(link.receipt_overdue_hours * _HOUR, _DAY)
