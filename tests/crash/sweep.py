"""One trip, killed at every point: a process with everything loaded, which forks a child for each.

    python -m tests.crash.sweep ROOT TRIP PART PARTS [ERROR]

ROOT holds the two sites. The trip is made once as it is, with a copy of both sites kept before each turn. Then, for every
turn and every point of it that falls to PART: the copy is put back, a child does the turn and is killed there, another one
starts all roles again, makes the rest of the trip, and holds the promises against what it finds. A line of JSON says what
was tried, what was lost, and how long the longest recovery took.

With ERROR (`EIO`, `ENOSPC`) nobody is killed: the operation fails with that error, before it has done anything, and the role
has to carry on, or to end in an orderly way.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.crypto.gnupg.key_agent import KeyAgent
from gateway.errors import Defer
from gateway.settings.read import load
from gateway.validation.sandbox.pool import Sandbox
from tests.acceptance.copies import CODES, LA
from tests.acceptance.promises import Book, Dropped
from tests.acceptance.sites import Site
from tests.crash.children import forked, lend, renew, warm
from tests.crash.ends import check, ends
from tests.crash.points import Points, failing
from tests.crash.roles import CARRIERS, Pair, drive, run_until_idle
from tests.crash.trips import TRIPS, Leg, Trip, Turn

_TWICE: Final = 0.2
"""The share of points after which the role is killed once more, somewhere in its next life."""


@dataclass
class SweepTally:
    """What a sweep tried: points by side, what was lost and where, seconds of the longest recovery, operations met.

    `missed` points were not reached.
    """

    tried: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    missed: int = 0
    slowest: float = 0.0
    operations: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Moment:
    """Before a turn: where copies of the sites are kept, what had been dropped, and what people have yet to do."""

    copies: Path
    dropped: tuple[Dropped, ...]
    later: tuple[Leg, ...]
    turn: Turn
    operations: Sequence[str]


class Sweep:
    """The sweep of one trip."""

    def __init__(self, root: Path, trip: Trip) -> None:
        self._trip = trip
        self._root = root
        self._pair: Pair = (Site(root / CODES[0], CODES[0], 0), Site(root / CODES[1], CODES[1], 0))
        self._settings = {site.code: load(site.home) for site in self._pair}
        self._carry = partial(CARRIERS[trip.wire], self._pair)
        self.outcome = SweepTally()

    def run(self, part: int, parts: int, error: int | None) -> None:
        with ExitStack() as stack:
            if not self._trip.own_agent:
                for site in self._pair:
                    agent = KeyAgent(site.home.keyrings / "own")
                    stack.callback(agent.close)
                    agent.ensure()
            readers = stack.enter_context(warm(self._root, self._settings[LA]))
            moments = list(self._as_it_is(error))
            expected = ends(self._pair)
            gc.freeze()
            for number, moment in enumerate(moments):
                for point in range(0, 2 * len(moment.operations), 1 if error is None else 2):
                    at = point if error is None else point // 2
                    if (at + number) % parts == part:
                        self._try(moment, point, readers, expected, error)

    # -- the trip as it is

    def _as_it_is(self, error: int | None) -> Iterator[Moment]:
        book = Book(self._pair)
        for number, leg in enumerate(self._trip.legs):
            leg.act(book)
            later = self._trip.legs[number + 1 :]
            for count, turn in enumerate(leg.turns):
                copies = self._root / "copies" / f"{number}-{count}"
                if leg.swept:
                    for site in self._pair:
                        renew(copies / site.code, site.home.root)
                points = Points(is_data=self._data(turn, error))
                status, said = forked(partial(self._turn, turn, points))
                assert status == 0, f"{turn}: {said}"
                if leg.swept:
                    yield Moment(copies, tuple(book.dropped), later, turn, json.loads(said))
                self._carry()
        # All that a recovery and its check load is loaded here once, and not in every child.
        status, said = forked(partial(self._look, book))
        assert status == 0, said
        for module in said.split():
            importlib.import_module(module)

    def _look(self, book: Book) -> str:
        drive(self._pair, self._carry)
        check(book)
        return " ".join(name for name, module in sys.modules.items() if getattr(module, "__spec__", None))

    def _turn(self, turn: Turn, points: Points) -> str:
        """One role, alone, from its start to its end; what it says goes to the site's log."""
        side, role = turn
        site = self._site(side)
        log = os.open(site.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, 2)
        points.install()
        try:
            run_until_idle(self._settings[site.code], role)
        except Defer:
            if not points.hit:
                raise  # else it ended before it had begun, and its supervisor starts it again
        points.counting = False
        return json.dumps(points.met)

    def _failing_turn(self, turn: Turn, points: Points) -> str:
        """The same, and whether the operation that was to fail was met at all: threads may take another order."""
        self._turn(turn, points)
        return "met" if points.hit else ""

    def _data(self, turn: Turn, error: int | None) -> Callable[[str], bool] | None:
        """Which files' reading and writing can fail: not locks and wake-up pipes, which lie on no disk in production."""
        home = self._site(turn[0]).home
        if error is None:
            return None
        return lambda path: path.startswith(f"{home.root}/") and not path.startswith(f"{home.run}/")

    def _site(self, side: str) -> Site:
        return next(site for site in self._pair if site.code == self._trip.site(side))

    # -- a trip that is cut short

    def _try(self, moment: Moment, point: int, readers: Sandbox, expected: Any, error: int | None) -> None:
        side, role = moment.turn
        operation = moment.operations[point // 2]
        where = f"{side}'s {role}, {'after' if point % 2 else 'before'} {operation} {point // 2}"
        for site in self._pair:
            renew(site.home.root, moment.copies / site.code)
        if error is not None:
            self._turn_that_fails(moment, point, where, readers, expected, error)
            return
        status, said = forked(partial(self._turn, moment.turn, Points(point)))
        if status == 0:
            self.outcome.missed += 1  # threads took another order, and there was one operation fewer this time
            return
        rng = random.Random(where)
        if status == -signal.SIGKILL and rng.random() < _TWICE:
            second = rng.randrange(2 * len(moment.operations))
            where = f"{where}, and at {second} of its next life"
            status, said = forked(partial(self._turn, moment.turn, Points(second)))
            status = status or -signal.SIGKILL  # it may have had less to do than that
        if status != -signal.SIGKILL:
            self.outcome.lost.append(f"{where}: {said}")
            return
        self._hold(moment, operation, where, readers, expected)

    def _turn_that_fails(
        self, moment: Moment, point: int, where: str, readers: Sandbox, expected: Any, error: int
    ) -> None:
        """One operation fails, and nobody dies of it."""
        points = Points(point, failing(error), self._data(moment.turn, error))
        status, said = forked(partial(self._failing_turn, moment.turn, points))
        if said == "":
            self.outcome.missed += 1
        elif status != 0:
            self.outcome.lost.append(f"{where}: {said}")
        else:
            self._hold(moment, moment.operations[point // 2], where, readers, expected)

    def _hold(self, moment: Moment, operation: str, where: str, readers: Sandbox, expected: Any) -> None:
        """Start everything again, and look whether all comes to the end that it has anyhow."""
        side, _ = moment.turn
        self.outcome.tried[side] += 1
        self.outcome.operations[operation] += 1
        status, said = forked(partial(self._recover, moment, readers))
        if status != 0:
            self.outcome.lost.append(f"{where}: {said}")
            return
        self.outcome.slowest = max(self.outcome.slowest, float(said))
        if (found := ends(self._pair)) != expected:
            self.outcome.lost.append(f"{where}: {found} instead of {expected}")

    def _recover(self, moment: Moment, readers: Sandbox) -> str:
        lend(readers)
        book = Book(self._pair, list(moment.dropped))
        begun = time.monotonic()
        drive(self._pair, self._carry)
        seconds = time.monotonic() - begun
        for leg in moment.later:
            leg.act(book)
            drive(self._pair, self._carry)
        check(book)
        return str(seconds)


def main(root: str, trip: str, part: str, parts: str, error: str = "") -> int:
    sweep = Sweep(Path(root), TRIPS[trip])
    sweep.run(int(part), int(parts), getattr(errno, error) if error else None)
    print(json.dumps(vars(sweep.outcome)))  # noqa: T201 - what it is run for
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
