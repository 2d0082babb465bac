"""Everything of a period that the chain proves: its events, the rows that changed in it, partners' receipts, and a page.

A row is in the export of the period in which it changed last, and exports of days that follow each other hold every row. The events
name the rows that changed in the period, so that none is left out unseen. Memory: some 200 bytes for each row.

Raises UsageWrong for days that are none or have not ended, NotFound where nothing happened, ChainBroken, NotPermitted, and what the ledger, the
key store and the disk raise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from gateway.administration.evidence import story
from gateway.administration.evidence.container import container
from gateway.administration.evidence.contents import Made, Told, filling
from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.errors import NotFound, UsageWrong
from gateway.ledger.chain import ChainEntry
from gateway.ledger.commitment import COMMITTED
from gateway.ledger.queries.proof import (
    Place,
    ProvenRow,
    committed,
    confirmed,
    event_after,
    events_between,
    rows_at,
    settled,
)
from gateway.ledger.store import event_before
from gateway.ledger.units import Receipt
from gateway.settings.model import Settings

_RECEIPTS = "receipts"
_OWN = frozenset({"people", "openings", "checks", "printings", "incidents", "forms"})
"""Rows about the people of this site and whose cases they looked into: no third party's business. The events are in an export, with the
digests of these rows."""


class _Ledgered:
    """What the events that were exported say last of the rows that changed in the period, by table and key."""

    def __init__(self, start: str, end: str) -> None:
        self._start, self._end = start, end
        self._digests: dict[str, dict[str, bytes | None]] = defaultdict(dict)

    def see(self, event: ChainEntry) -> None:
        if event.event != COMMITTED:
            return
        for (table, key), digest in committed(event.detail):
            known = self._digests[table]
            if self._start <= event.at < self._end or key in known:
                known[key] = None if digest is None else bytes.fromhex(digest)

    def places(self) -> Iterator[tuple[str, str]]:
        for table, keys in self._digests.items():
            yield from ((table, key) for key, digest in keys.items() if digest is not None)

    def holds(self, row: ProvenRow) -> bool:
        table, key = row.place
        return self._digests[table][key] == bytes.fromhex(row.digest)


def export(
    settings: Settings,
    start: date,
    end: date,
    out: Path,
    now: float,
    tell: Callable[[str, int], None],
) -> Made:
    """Everything from one day to another (UTC), both included, as a new file. `tell` is told of the progress."""
    if end < start:
        raise UsageWrong("--from has to be the first day, and --to the last.")
    if str(end) >= to_text(now)[:10]:
        raise UsageWrong("A period has to have ended: --to is yesterday (UTC), or a day before.")
    days = f"on {start}" if start == end else f"from {start} to {end}"
    with filling(settings, out) as (connection, fill), container(out) as target:
        times = (f"{start}T", f"{end + timedelta(days=1)}T")
        period = events_between(connection, *times)
        if period is None:
            raise NotFound(f"nothing was recorded {days}")
        contents, ledgered = fill(target), _Ledgered(*times)
        after = event_after(connection, period[1]) or period[1]  # an event from after the period shows its end
        anchor = confirmed(connection, after)
        last = anchor.seen.sequence if anchor is not None else contents.stated(after) or after
        first = event_before(connection, period[0]).sequence or 1

        def watch(event: ChainEntry) -> None:
            if event.sequence % 1000 == 0:
                tell("events", event.sequence)
            if event.sequence >= period[0]:
                ledgered.see(event)

        head = contents.add_events(first, last, watch)
        later: set[Place] = set()
        counts: Counter[tuple[str, str, str]] = Counter()
        receipts: list[Receipt] = []
        own: Counter[str] = Counter()

        def rows() -> Iterator[ProvenRow]:
            for number, row in enumerate(rows_at(connection, ledgered.places())):
                if number % 1000 == 0:
                    tell("rows", number)
                (table, _), values = row.place, row.values
                if table in _OWN:
                    later.add(row.place)
                    own[table] += 1
                    continue
                if not ledgered.holds(row):
                    settled(connection, [row], last + 1, last + 1)  # a change that the chain knows nothing of is none
                    later.add(row.place)
                    continue
                if table == "transfers":
                    counts[str(values["flow"]), str(values["direction"]), str(values["state"])] += 1
                elif table == _RECEIPTS and (values["direction"], values["state"]) == (Direction.IN, State.ACCEPTED):
                    receipts.append(Receipt(**values))
                yield row

        contents.add_rows(rows())
        if own:
            told = ", ".join(f"{count} of {table}" for table, count in sorted(own.items()))
            contents.missing.append(f"Rows about the people of this site are not in here: {told}.")
        contents.tell_adopted({*ledgered.places()} - later)
        for number, receipt in enumerate(receipts):
            tell(_RECEIPTS, number)
            contents.add_receipt(receipt)
        by_partner = Counter(receipt.partner for receipt in receipts)
        return contents.conclude(
            (first, head),
            anchor,
            f"Export of {settings.site.code}, {days}",
            lambda proof: story.of_period(settings, days, counts, by_partner, proof),
            Told(period=(str(start), str(end))),
            now,
            out,
        )
