"""How long things wait at most, and what to do when the clock says that they wait longer.

Pauses are moments of the site's clock. When that is put back, moments that were set before it lie days ahead. Nothing here
waits longer than the longest pause there is: what seems to is due now.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.states import State
from gateway.ledger.queries import deadlines
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
"""Where something that was deferred waits for its next attempt."""


def receipt_wait(link: LinkSettings, resends: int) -> float:
    """Seconds that a receipt may take before the same bytes go again for the (resends + 1)th time: twice as long each time."""
    return min(link.receipt_overdue_hours * _HOUR * 2.0**resends, _longest_receipt_wait(link))


def bring_forward(context: StageContext, now: float) -> int:
    """Let nothing wait for a moment that only a clock that was wrong can have set; how many did."""
    link = context.settings.link
    bounds = [(unit, states, link.retry_cap_seconds) for unit, states in _RETRIED]
    bounds.append((Consignment, (State.SENT,), _longest_receipt_wait(link)))
    with context.ledger.read() as connection:
        found = [
            (unit, deadlines.due_after(connection, unit, states, now + longest)) for unit, states, longest in bounds
        ]
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
