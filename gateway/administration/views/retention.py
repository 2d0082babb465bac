"""What the ledger alone knows of retention: rows over their time, legal holds, certificates. Files in the spool are not seen from here.

Raises nothing of its own; nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.administration.views.legal_holds import LegalHoldView, legal_hold
from gateway.domain.identity import to_text
from gateway.domain.retention import Clock, Kind, rules
from gateway.ledger.queries.legal_holds import active, held
from gateway.ledger.queries.retention import certificates, locked_away
from gateway.ledger.retention import ROWS, due, is_held
from gateway.ledger.store import Connection
from gateway.settings.model import Settings

MOST: Final = 10_000
"""At most so many of a kind are counted."""


@dataclass(frozen=True)
class DueRows:
    """What is over its time of one kind: how many (at least, where `more`), how many of them a legal hold keeps, since when the oldest is."""

    kind: str
    rule: str
    count: int
    held: int
    oldest: str
    more: bool


@dataclass(frozen=True)
class RetentionView:
    """`certificate` is the text of the last one, and `certified` its day; None where nothing was ever certified."""

    legal_holds: tuple[LegalHoldView, ...]
    certified: str | None
    certificate: str | None


def retention(connection: Connection) -> RetentionView:
    """What is kept beyond its time, and what was disposed of last."""
    signed = certificates(connection)
    last = signed[-1] if signed else None
    holds = tuple(legal_hold(each) for each in active(connection))
    return RetentionView(holds, None if last is None else last.day, None if last is None else last.text)


def due_rows(settings: Settings, connection: Connection, now: float) -> list[DueRows]:
    """Rows over their time by kind, and quarantined files by their rows. It reads whole tables."""
    lengths: dict[str, int] = {clock: getattr(settings.retention, clock) for clock in Clock}
    holds, lines = held(connection), []
    for rule in rules(lengths, now):
        if rule.until is None:
            continue
        if rule.kind in ROWS:
            found = [(each.ended, is_held(each, holds)) for each in due(connection, rule, most=MOST + 1)]
        elif rule.kind is Kind.QUARANTINED:
            locked = locked_away(connection, rule.until)
            found = [(each.received, holds.covers(each.partner, each.id, each.consignment)) for each in locked]
        else:
            continue
        if found:
            kept = sum(is_kept for _, is_kept in found[:MOST])
            oldest = to_text(min(ended for ended, _ in found))
            lines.append(DueRows(str(rule.kind), str(rule), min(len(found), MOST), kept, oldest, len(found) > MOST))
    return lines
