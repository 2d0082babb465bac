"""Why a file that is ready has not gone: the window that is closed, the limit on the partner's link, the partner that
is stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.administration.views.words import bytes_of
from gateway.domain.states import Direction, State
from gateway.domain.windows import Timetable
from gateway.ledger.queries import waiting
from gateway.ledger.store import Connection
from gateway.ledger.units import Transfer
from gateway.settings.model import Settings

_READY: Final = (State.VALIDATED, State.PACKED, State.SEALED)
_DAY: Final = 86400.0


class Waiting:
    """The reasons as they stand at one moment, as people read them."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._timetable = Timetable.of(settings)
        self._now = now

    def of_transfer(self, row: Transfer) -> str | None:
        """Why a transfer has not gone yet; None where nothing but its turn holds it up."""
        if row.direction != Direction.OUT:
            return None
        if row.partner in self._settings.stopped and row.state in (State.ADMITTED, *_READY):
            if self._settings.stopped[row.partner].suspended is not None:
                return "the partner is suspended: `gateway partner list` says why"
            return "the partner is stopped: `gateway config check` says why"
        if row.state not in _READY:
            return None
        return self._window(row.partner, row.flow) or (self.limit(row.partner) if row.state == State.SEALED else None)

    def of_lane(self, connection: Connection, partner: str) -> list[str]:
        """What waits for a window towards a partner, a phrase for each flow."""
        said = []
        for flow, count in sorted(waiting.ready(connection, partner).items()):
            if (why := self._window(partner, flow)) is not None:
                said.append(f"{count} {flow}: {why}")
        return said

    def limit(self, partner: str) -> str | None:
        """The limit on what goes to a partner and is fetched from it."""
        known = self._settings.partners.get(partner)
        most = None if known is None else known.max_bytes_per_second
        return None if most is None else f"limited to {bytes_of(most)} a second"

    def window(self, partner: str) -> str | None:
        """When the partner's own windows open; None while one is open, or there are none."""
        return self._until(self._timetable.opening(partner, "", self._now))

    def _window(self, partner: str, flow: str) -> str | None:
        return self._until(self._timetable.opening(partner, flow, self._now))

    def _until(self, opens: float | None) -> str | None:
        if opens is None:
            return "the windows of flow and partner never meet"
        if opens == self._now:
            return None
        local = datetime.fromtimestamp(opens, self._timetable.zone)
        return f"window opens {'at' if opens - self._now < _DAY else local.strftime('on %d %b at')} {local:%H:%M} {local:%Z}"


def phrase(reasons: Sequence[str | None]) -> str:
    """Reasons in one line."""
    return "; ".join(reason for reason in reasons if reason)
