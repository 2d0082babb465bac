"""What only grows: counted from the chain's new events, so that no look reads an event twice.

Counting begins where the chain ends when the role starts, as Prometheus expects of counters. Raises what the ledger raises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gateway.administration.metrics import catalogue
from gateway.administration.metrics.catalogue import TRANSFER_BOUNDS, Sample
from gateway.daemon.pulse import Distribution
from gateway.ledger.queries import figures
from gateway.ledger.store import Connection


class Following:
    """Counts of what the chain has told since the first look."""

    def __init__(self) -> None:
        self._sequence: int | None = None
        self._events: Counter[str] = Counter()
        self._bytes: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[tuple[str, str], Distribution] = {}

    def look(self, connection: Connection) -> None:
        """Count the events that came since the last look."""
        after, until = self._sequence, figures.last_sequence(connection)
        if after is None:
            self._sequence = until
            return
        # Both are read before either counts: where reading fails, the next look has all of it.
        events = dict(figures.event_counts(connection, after, until))
        arrived = list(figures.ended_transfers(connection, after, until))
        self._sequence = until
        self._events.update(events)
        for ended in arrived:
            self._bytes[ended.direction, ended.partner, ended.flow] += ended.bytes
            about = (ended.direction, ended.flow)
            self._seconds.setdefault(about, Distribution(TRANSFER_BOUNDS)).observe(ended.seconds)

    def samples(self) -> Iterator[Sample]:
        """The counts so far. Distributions are copies: counting goes on."""
        for event, count in self._events.items():
            yield Sample(catalogue.EVENTS, (event,), count)
        for lane, size in self._bytes.items():
            yield Sample(catalogue.TRANSFERRED_BYTES, lane, size)
        for about, each in self._seconds.items():
            yield Sample(catalogue.TRANSFER_SECONDS, about, Distribution(each.bounds, list(each.counts), each.total))
