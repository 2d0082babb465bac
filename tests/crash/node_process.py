"""A node in miniature, as a process of its own: the real heartbeat, stage loop, fence and transactions; its one stage moves made-up transfers.

`python -m tests.crash.node_process URL NAME LEASE EVERY SEED DIRECTORY PARTNER...` until SIGTERM. Each move's event says which node moved the
row, and in which epoch of its lane the step began.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import select

from gateway.daemon.heartbeat import Heartbeat
from gateway.daemon.stage_loop import StageLoop
from gateway.daemon.wake_ups import WakeUp
from gateway.domain.states import Direction, State
from gateway.ledger import nodes
from gateway.ledger.dispatch import dispatch_of
from gateway.ledger.fence import outside, session_of
from gateway.ledger.queries import fair_share, identities
from gateway.ledger.store import Ledger
from gateway.ledger.tables import LANE_OWNERS, TRANSFERS
from gateway.ledger.units import Transfer
from gateway.stages import node_seen
from gateway.stages.context import StageContext, Step
from gateway.stages.node_lanes import NodeLanes

RESCAN: Final = 2.0
"""Seconds; what comes meanwhile is begun by wake-ups."""
MOST: Final = 10
LONGEST: Final = 0.2
"""Rows of a step, and seconds that its work takes at most: what is stopped in between has begun, and has not written."""


class Validate:
    """Admitted to validated, as the stage of that name, without files."""

    name = "validate"

    def __init__(self, context: StageContext, chance: random.Random) -> None:
        self._context = context
        self._chance = chance

    def step(self) -> Step:
        context = self._context
        with context.ledger.read() as connection:
            going = fair_share.but(context.stopped)
            due = fair_share.due(connection, Transfer, Direction.OUT, State.ADMITTED, time.time(), 40 * MOST, going)
            owned = select(LANE_OWNERS.c.partner, LANE_OWNERS.c.epoch)
            epochs = {row.partner: row.epoch for row in connection.execute(owned)}
        # In no order: the oldest are another node's first as well, and what is left over shows who writes late.
        rows = self._chance.sample(due, min(MOST, len(due)))
        lanes = context.lanes
        assert lanes is not None
        if not rows:
            return Step()
        time.sleep(self._chance.uniform(0.0, LONGEST))
        with context.ledger.write() as transaction:
            keys = [row.key for row in rows]
            there = identities.in_state(transaction.connection, Transfer, State.ADMITTED, keys)
            changes = []
            for row in rows:
                if row.key in there or self._chance.random() < 0.1:  # now and then a careless stage
                    said = {"node": NAME, "epoch": epochs.get(row.partner, 0), "incarnation": lanes.incarnation}
                    event = transaction.record("transfer.validated", "transfer", row.id, row.partner, **said)
                    changes.append({"key": row.key, "state": State.VALIDATED, "event": event})
            time.sleep(self._chance.uniform(0.0, LONGEST / 20))
            transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, changes)
        return Step(done=len(rows))

    def close(self) -> None:
        pass


def main(url: str, lease: float, every: float, seed: int, directory: Path, partners: list[str]) -> None:
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ending.append(number))

    def say(event: str, **keys: object) -> None:
        sys.stdout.write(f"{time.time():.2f} {event} {keys}\n")
        sys.stdout.flush()

    def opened() -> Ledger:
        return Ledger(url, clock=time.time, role="inspect", fence=outside(NAME), session=session_of(NAME, lease))

    ledger = opened()
    settings: Any = SimpleNamespace(
        codes=partners, stopped={}, daemon=SimpleNamespace(rescan_seconds=RESCAN), home=SimpleNamespace(run=directory)
    )
    context = StageContext(
        settings=settings,
        routes=SimpleNamespace(),  # type: ignore[arg-type]
        ledger=ledger,
        log=say,
        clock=time.time,
        random_float=random.random,
        entropy=os.urandom,
        stopping=lambda: bool(ending),
    )
    known = directory / f"{NAME}.seen"
    lanes = NodeLanes(ledger, partners, NAME, lambda: node_seen.incarnation(known))
    context = replace(context, lanes=lanes)
    with WakeUp(directory, NAME) as wake_up:
        ledger.dispatch = dispatch_of(url, NAME, wake_up.wake, say, here=lanes.working, rings_here=False)
        beat = Heartbeat(
            opened(),
            NAME,
            lease=lease,
            every=every,
            version=nodes.program("test"),
            partners=partners,
            say=say,
            changed=wake_up.wake,
            there=lambda incarnation: node_seen.note(known, time.monotonic(), incarnation),
            before=lambda: node_seen.incarnation(known),
        )
        with ledger.dispatch.listening(), beat:
            StageLoop(context, [Validate(context, random.Random(seed))], wake_up).run()
        beat.insist()
    ledger.close()


if __name__ == "__main__":
    NAME = sys.argv[2]
    main(sys.argv[1], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]), Path(sys.argv[6]), sys.argv[7:])
