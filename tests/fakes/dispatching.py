"""A ledger whose lanes other nodes work on, and whoever hears that his roles are to look."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from sqlalchemy import insert

from gateway.domain.ownership import SITE
from gateway.errors import GatewayError
from gateway.ledger import nodes
from gateway.ledger.dispatch import Dispatch, Embedded
from gateway.ledger.fence import outside
from gateway.ledger.postgresql.dispatch import AcrossNodes
from gateway.ledger.store import Ledger, read_head
from gateway.ledger.tables import LANE_OWNERS
from tests.fakes.ledgers import on_postgresql, usual

PARTNERS: Final = ("E09000030", "E09000031")
"""With node b; and so is the site's own lane."""
OURS: Final = "E09000001"
"""With node a, which writes."""
_SECONDS: Final = 30.0
_QUIET_SECONDS: Final = 0.7
"""The engine looks by itself once in that time."""


class Rung:
    """Told to look: each time it notes the number of the chain's last event, as everybody sees it then."""

    def __init__(self) -> None:
        self.ledger: Ledger | None = None
        self._heard: SimpleQueue[int] = SimpleQueue()

    def ring(self) -> None:
        if self.ledger is not None:
            with self.ledger.read() as connection:
                sequence = read_head(connection).sequence
            self._heard.put(sequence)

    def heard(self) -> int:
        return self._heard.get(timeout=_SECONDS)

    def waits_for(self, sequence: int) -> None:
        """Until it is told to look when the chain has come so far."""
        while self.heard() < sequence:
            pass

    def is_quiet(self) -> bool:
        time.sleep(_QUIET_SECONDS)
        try:
            self._heard.get(block=False)
        except Empty:
            return True
        return False


class Road(NamedTuple):
    """Who writes, and by what he wakes; who listens, and by what; and what he hears."""

    ledger: Ledger
    listening: Dispatch
    rung: Rung
    troubles: list[GatewayError | None]
    counted: Counter[str]
    """Wake-ups that were given, lost and heard."""
    greets: bool = True
    """Whether whoever begins to listen is told to look."""

    def write(self, *lanes: str, rows: int = 1) -> int:
        """A transaction with events about these lanes; the number of its last one."""
        with self.ledger.write() as transaction:
            for lane in lanes:
                for number in range(rows):
                    transaction.record("transfer.admitted", "transfer", f"{number}", lane)
            return transaction.head().sequence

    def wait_for_trouble(self) -> None:
        until = time.monotonic() + _SECONDS
        while not self.troubles:
            assert time.monotonic() < until, "nobody has noticed"
            time.sleep(0.02)

    @contextmanager
    def listens(self) -> Iterator[None]:
        """Listen, from when whatever comes can be heard."""
        with self.listening.listening():
            if self.greets:
                self.rung.heard()
            yield


def embedded(path: Path) -> Road:
    rung = Rung()
    dispatch = Embedded(rung.ring)
    ledger = Ledger(usual().new(path / "ledger.sqlite3"), clock=time.time, role="test", dispatch=dispatch)
    rung.ledger = ledger
    return Road(ledger, dispatch, rung, [], Counter(), greets=False)


def across_nodes(path: Path, url: str = "") -> Road:
    """Nodes a, which writes, and b; both count as there."""
    place = url or str(on_postgresql().new(path))
    rung, troubles, counted = Rung(), list[GatewayError | None](), Counter[str]()
    ledger = Ledger(place, clock=time.time, role="test", fence=outside("a"))
    with ledger.beside_chain() as connection:
        for name in ("a", "b"):
            nodes.register(connection, name, 600.0, "1")
        rows = [{"partner": lane, "node": "b"} for lane in (*PARTNERS, SITE)]
        for row in (*rows, {"partner": OURS, "node": "a"}):
            connection.execute(insert(LANE_OWNERS).values(**row, epoch=1, changed=1, since=0.0, leaving=None))

    def count(what: str, number: int) -> None:
        counted[what] += number

    ledger.dispatch = AcrossNodes(place, "a", lambda: None, tell=troubles.append, count=count)
    rung.ledger = ledger
    listening = AcrossNodes(place, "b", rung.ring, tell=troubles.append, count=count)
    return Road(ledger, listening, rung, troubles, counted)
