"""Files whose time is over: in spool/inbound, spool/returned, spool/receipts and the quarantine.

Nothing is removed here. A delivered file is known by its row and its digest: what the back office has put under that name
meanwhile is nobody's to remove. Raises NotPermitted, DiskFailed, and what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import PurePath
from typing import Final

from gateway.administration.access import permitted
from gateway.domain.retention import Kind, Rule
from gateway.domain.triage import REPEATS
from gateway.ledger.queries.legal_holds import Held
from gateway.ledger.queries.retention import delivered_as, locked_away
from gateway.ledger.store import Connection
from gateway.ledger.tables import FILE
from gateway.ledger.units import Quarantined, Transfer
from gateway.settings.home import Home
from gateway.spool.delivered import DeliveredFile, lies_there
from gateway.spool.names import safe_name
from gateway.spool.old_files import OldFile, listed

SPOOL: Final = (Kind.RETURNED, Kind.RECEIPT_FILES)
LOCKED: Final = (Kind.QUARANTINED, Kind.INFECTED)


@dataclass(frozen=True)
class DueFile:
    """A file whose time is over, `since` when it had lain there, and whether a legal hold keeps it."""

    kind: Kind
    flow: str | None
    partner: str
    size: int
    since: float
    held: bool
    unit: Transfer | Quarantined | OldFile


def spool_tree(home: Home, kind: Kind) -> tuple[str, ...]:
    """The directory of a kind below spool."""
    return {Kind.RETURNED: home.returned, Kind.RECEIPT_FILES: home.receipts}[kind].relative_to(home.spool).parts


def due_delivered(home: Home, connection: Connection, rules: Mapping[Kind, Rule], holds: Held) -> Iterator[DueFile]:
    """Delivered files that still lie in spool/inbound, and whose time is over: since they were answered, or else delivered."""
    ends = [rule.until for rule in (rules[Kind.DELIVERED], rules[Kind.UNANSWERED]) if rule.until is not None]
    if not ends:
        return
    for (flow, partner), files in groupby(listed(home.inbound, max(ends), (REPEATS,)), attrgetter("flow", "partner")):
        for row in delivered_as(connection, flow, partner, [file.name for file in files]):
            kind = Kind.DELIVERED if row.is_answered else Kind.UNANSWERED
            until = rules[kind].until
            if until is not None and row.updated <= until and lies_there(home.inbound, as_delivered(row)):
                held = holds.covers(partner, row.id, row.consignment)
                yield DueFile(kind, flow, partner, row.size, row.updated, held, row)


def as_delivered(row: Transfer) -> DeliveredFile:
    """A transfer's file as `spool.delivered` knows it."""
    return DeliveredFile(row.flow, row.partner, (row.delivered_name or "",), row.size, row.sha256)


def due_in_spool(home: Home, rule: Rule, holds: Held) -> Iterator[DueFile]:
    """What the gateway left there for people, since the system saw it change last."""
    if rule.until is None:
        return
    kept = _stems(holds)
    for file in listed(home.spool.joinpath(*spool_tree(home, rule.kind)), rule.until):
        held = file.partner in holds.partners or any(
            file.name.startswith(stem) for stem in kept.get((file.flow, file.partner), ())
        )
        yield DueFile(rule.kind, file.flow, file.partner, file.size, file.changed, held, file)


def due_quarantined(connection: Connection, rule: Rule, holds: Held) -> Iterator[DueFile]:
    """What has been locked away for too long: sealed, or infected, which lies elsewhere and is another account's."""
    for row in [] if rule.until is None else locked_away(connection, rule.until):
        if (row.kind == FILE) is not (rule.kind is Kind.INFECTED):
            continue
        held = holds.covers(row.partner, row.id, row.consignment)
        yield DueFile(rule.kind, None, row.partner, row.size, row.received, held, row)


def due_files(
    home: Home, connection: Connection, rules: Mapping[Kind, Rule], holds: Held, kinds: Sequence[Kind]
) -> Iterator[DueFile]:
    """All of these kinds."""
    with permitted():
        if Kind.DELIVERED in kinds:
            yield from due_delivered(home, connection, rules, holds)
        for kind in SPOOL:
            if kind in kinds:
                yield from due_in_spool(home, rules[kind], holds)
        for kind in LOCKED:
            if kind in kinds:
                yield from due_quarantined(connection, rules[kind], holds)


def _stems(holds: Held) -> dict[tuple[str, str], list[str]]:
    """How the names begin, by flow and partner, that a held transfer's files have in the spool."""
    found: dict[tuple[str, str], list[str]] = {}
    for flow, partner, name in holds.names:
        found.setdefault((flow, partner), []).append(PurePath(safe_name(name)).stem)
    return found
