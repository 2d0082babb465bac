"""What `gateway retention` would remove and erase now: by kind, flow and partner, how much, how old, and what a legal hold keeps.

Changes nothing. Raises NotPermitted, DiskFailed, and what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.administration.access import permitted, reading
from gateway.administration.retention.files import due_files
from gateway.administration.views.legal_holds import LegalHoldView, legal_hold
from gateway.domain.identity import to_text
from gateway.domain.retention import Clock, Kind, Rule, rules
from gateway.ledger.queries.legal_holds import active, held
from gateway.ledger.retention import ROWS, Due, due, is_held
from gateway.ledger.store import Connection
from gateway.ledger.units import Transfer
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.spool.delivered import DeliveredFile, lies_there
from gateway.stages.itinerary import Role

ROLE_OF: Final[Mapping[Kind, Role]] = {
    kind: Role.VAULT
    if kind in (Kind.QUARANTINED, Kind.RECEIPTS, Kind.INCIDENTS, Kind.INCIDENT_REASONS)
    else Role.INSPECT
    for kind in Kind
}
"""Whose account may remove and erase what: in the split installation nobody may do all of it."""


@dataclass(frozen=True)
class Line:
    """What is due of one kind, flow and partner: the contract of `gateway retention --dry-run --json`.

    `before` is the moment up to which its time has run out, `oldest` when the oldest of it was over. `held` are kept by a legal
    hold, and `waiting` until their file has left spool/inbound; neither is in `count`. `size` counts the bytes of files.
    """

    kind: str
    rule: str
    before: str
    flow: str | None
    partner: str | None
    count: int
    size: int
    oldest: str
    held: int
    waiting: int


@dataclass(frozen=True)
class Plan:
    """What would go at a moment."""

    at: str
    due: tuple[Line, ...]
    legal_holds: tuple[LegalHoldView, ...]

    @property
    def count(self) -> int:
        return sum(line.count for line in self.due)


@dataclass
class _Sum:
    count: int = 0
    size: int = 0
    oldest: float = field(default=float("inf"))
    held: int = 0
    waiting: int = 0

    def add(self, since: float, size: int, *, held: bool, waiting: bool) -> None:
        self.oldest = min(self.oldest, since)
        if held:
            self.held += 1
        elif waiting:
            self.waiting += 1
        else:
            self.count += 1
            self.size += size


def rules_of(settings: Settings, now: float) -> dict[Kind, Rule]:
    """The site's rules at a moment."""
    lengths: dict[str, int] = {clock: getattr(settings.retention, clock) for clock in Clock}
    return {rule.kind: rule for rule in rules(lengths, now)}


def kinds_of(role: str | None) -> tuple[Kind, ...]:
    """What a role's account disposes of; all of it where one account has everything."""
    return tuple(kind for kind in Kind if role is None or ROLE_OF[kind] == role)


def plan(settings: Settings, now: float, role: str | None = None) -> Plan:
    """What would go at `now`, which may lie in the future."""
    with reading(settings) as connection:
        lines = lines_of(settings, connection, now, kinds_of(role))
        holds = [legal_hold(each) for each in active(connection)]
    return Plan(to_text(now), tuple(lines), tuple(holds))


def lines_of(settings: Settings, connection: Connection, now: float, kinds: Sequence[Kind]) -> list[Line]:
    """The lines of a plan."""
    known, holds, sums = rules_of(settings, now), held(connection), dict[tuple[Kind, str | None, str | None], _Sum]()
    going: set[tuple[str, str]] = set()
    for file in due_files(settings.home, connection, known, holds, kinds):
        if isinstance(file.unit, Transfer) and not file.held:
            going.add((file.partner, file.unit.id))
        one = sums.setdefault((file.kind, file.flow, file.partner), _Sum())
        one.add(file.since, file.size, held=file.held, waiting=False)
    for kind in ROWS:
        for row in due(connection, known[kind]) if kind in kinds else ():
            one = sums.setdefault((kind, row.flow, row.partner), _Sum())
            waiting = (row.partner, row.subject) not in going and waits(settings.home, row)
            one.add(row.ended, 0, held=is_held(row, holds), waiting=waiting)
    return [_line(known[kind], flow, partner, one) for (kind, flow, partner), one in sums.items()]


def waits(home: Home, row: Due) -> bool:
    """Whether a transfer's delivered file still lies in spool/inbound: without its row, nobody would know it."""
    if row.direction != "in" or row.delivered is None:
        return False
    with permitted():
        return lies_there(
            home.inbound, DeliveredFile(row.flow or "", row.partner or "", (row.delivered,), row.size, row.sha256)
        )


def _line(rule: Rule, flow: str | None, partner: str | None, one: _Sum) -> Line:
    return Line(
        kind=str(rule.kind),
        rule=str(rule),
        before=to_text(rule.until or 0.0),
        flow=flow,
        partner=partner,
        count=one.count,
        size=one.size,
        oldest=to_text(one.oldest),
        held=one.held,
        waiting=one.waiting,
    )
