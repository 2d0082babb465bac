"""The board of known faults: the newest that came from DWP, or at DWP's site the one that is kept there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.administration.views.records import moment
from gateway.domain.known_faults import KnownFault, document_name
from gateway.ledger.queries import known_faults
from gateway.ledger.store import Connection
from gateway.settings.model import Settings, SiteKind


@dataclass(frozen=True)
class FaultView:
    """A known fault."""

    id: str
    what: str
    since: str
    workaround: str
    state: str


@dataclass(frozen=True)
class BoardView:
    """The board: its issue (0 where there is none yet), the faults that were asked for, and how many are open.

    `sent` is, at DWP's site, the state of the issue's transfer to each partner; None at others.
    """

    issue: int
    issued: str | None
    faults: tuple[FaultView, ...]
    open: int
    sent: Mapping[str, str] | None

    @property
    def received(self) -> int:
        """How many partners have the issue."""
        return sum(state in ("receipted", "ingested") for state in (self.sent or {}).values())


def board(settings: Settings, connection: Connection, now: float, *, every: bool) -> BoardView:
    """The open faults; with `every`, those that were mended lately as well."""
    ours = settings.site.kind is SiteKind.DWP
    found = known_faults.shown_board(connection, own=ours, now=now)
    sent = known_faults.receipts(connection, document_name(found.issue), settings.codes) if ours else None
    shown = found.faults if every else found.open
    return BoardView(found.issue, moment(found.issued), tuple(map(_line, shown)), len(found.open), sent)


def _line(fault: KnownFault) -> FaultView:
    return FaultView(
        id=fault.id,
        what=fault.what,
        since=fault.since.isoformat(),
        workaround=fault.workaround,
        state=fault.state.value,
    )
