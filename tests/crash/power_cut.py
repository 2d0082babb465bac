"""Power cuts at one of two sites, at points drawn from seeds: a process with everything loaded, a child for each.

    python -m tests.crash.power_cut ROOT FIRST COUNT

ROOT holds the two sites. Files of several flows travel both ways. For each seed, one of the sites lies on a disk of its own (`image`),
whose power goes before or after some operation of that site's; every process of it ends in that moment. The other site
stays as it was. Then the disk comes back with what had reached it, all roles start again, and what was dropped has to come
to its end. A line of JSON says what was tried and what was lost.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.settings.read import load
from gateway.validation.sandbox.pool import Sandbox
from tests.acceptance.copies import CODES
from tests.acceptance.promises import Book, Dropped
from tests.acceptance.reading import files_below
from tests.acceptance.sites import Site
from tests.crash.children import end_agents, forked, lend, renew, warm
from tests.crash.ends import check, ends
from tests.crash.image import Disk, Impossible, disk
from tests.crash.points import Points, killed
from tests.crash.roles import Pair, by_hand, drive
from tests.crash.trips import both_ways

IMPOSSIBLE: Final = 77
_MOUNTED: Final = ("defaults", "data=writeback", "nodelalloc", "commit=1")
_LIVES: Final = 5
_SYNCS: Final = frozenset({"fsync", "fdatasync", "syncfs"})
_SWITCHED_OFF: Final = 1.5
"""Seconds that a site goes on without its disk."""


@dataclass
class PowerCutTally:
    """What was tried, and what was lost and where; seconds of the longest recovery; operations that the power went at.

    `outlived` are those of `tried` where the site went on without its disk.
    """

    tried: int = 0
    outlived: int = 0
    lost: list[str] = field(default_factory=list)
    slowest: float = 0.0
    operations: Counter[str] = field(default_factory=Counter)


class Office:
    """A back office that takes every file in the moment in which it appears, to another machine."""

    def __init__(self, pair: Pair, directory: Path) -> None:
        self._pair = pair
        self._directory = directory
        self._door = directory / "at-the-door"

    def open(self) -> None:
        """Nothing was taken yet."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()

    def operation_done(self, operation: str) -> None:
        """Something was done: a file appears by a rename that overwrites nothing, and no other operation shows one."""
        if operation == "renameat2":
            for site, path in self._before():
                taken = self._directory / site.code / path.relative_to(site.home.inbound)
                taken.parent.mkdir(parents=True, exist_ok=True)
                taken.write_bytes(path.read_bytes())
                path.unlink()

    def note(self, done: Sequence[str]) -> None:
        """The power goes now: was a file shown whose rename nobody has synced? Then it may be shown once more."""
        shown = [number for number, operation in enumerate(done) if operation == "renameat2"]
        if shown and not _SYNCS & set(done[shown[-1] :]):
            self._door.touch()

    def count_shown_twice(self) -> int:
        """Put back what was taken, and say how often a file was shown twice without an excuse."""
        shown = {(site.code, path.relative_to(site.home.inbound), path.read_bytes()) for site, path in self._before()}
        twice = 0
        for site in self._pair:
            below = self._directory / site.code
            for path in files_below(below):
                name = path.relative_to(below)
                if (site.code, name, path.read_bytes()) in shown:
                    twice += not self._door.exists()
                else:
                    (site.home.inbound / name).write_bytes(path.read_bytes())
        return twice

    def _before(self) -> Iterator[tuple[Site, Path]]:
        for site in self._pair:
            for path in files_below(site.home.inbound):
                if not path.name.startswith((".", "README")):
                    yield site, path


class Cuts:
    """The power cuts of some seeds."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pair: Pair = (Site(root / CODES[0], CODES[0], 0), Site(root / CODES[1], CODES[1], 0))
        self._carry = partial(by_hand, self._pair)
        self._dropped: tuple[Dropped, ...] = ()
        self._met: dict[str, list[str]] = {}
        self._expected: Any = None
        self.outcome = PowerCutTally()

    def run(self, first: int, count: int) -> None:
        with ExitStack() as stack:
            readers = stack.enter_context(warm(self._root, load(self._pair[1].home)))
            self._as_it_is()
            gc.freeze()
            disks: dict[str, Disk] = {}
            for site in self._pair:
                made = stack.enter_context(disk(self._root / f"{site.code}.image", site.home.root))
                made.mount()
                renew(site.home.root, self._copy(site), frozenset())
                made.unmount()
                made.detach()
                made.image.rename(made.image.with_suffix(".new"))
                disks[site.code] = made
            for seed in range(first, first + count):
                self._try(seed, disks, readers)

    def _copy(self, site: Site) -> Path:
        return self._root / "copies" / site.code

    def _as_it_is(self) -> None:
        """Both trips without a cut: what operations there are, and what the end is."""
        book = Book(self._pair)
        both_ways(book)
        self._dropped = tuple(book.dropped)
        for site in self._pair:
            renew(self._copy(site), site.home.root, frozenset())
        for site in self._pair:
            for each in self._pair:
                renew(each.home.root, self._copy(each))
            status, said = forked(partial(self._travel, site, Points()))
            assert status == 0, said
            found = json.loads(said)
            self._met[site.code] = found["met"]
            for module in found["modules"]:
                importlib.import_module(module)
        self._expected = ends(self._pair)

    def _travel(self, site: Site, points: Points) -> str:
        """Everything to its end; only what is done for `site` counts."""
        points.install()
        points.counting = False

        def whose_turn(whose: Site | None) -> None:
            points.counting = whose is site

        drive(self._pair, self._carry, whose_turn)
        points.counting = False
        modules = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None)]
        return json.dumps({"met": points.met, "modules": modules})

    def _try(self, seed: int, disks: dict[str, Disk], readers: Sandbox) -> None:
        rng = random.Random(seed)
        while not self._one(seed, rng, disks, readers):
            pass  # threads took another order, and there was no such operation this time: another one is drawn

    def _one(self, seed: int, rng: random.Random, disks: dict[str, Disk], readers: Sandbox) -> bool:
        """Whether there was a cut."""
        site = rng.choice(self._pair)
        met = self._met[site.code]
        point = rng.randrange(2 * len(met))
        operation = met[point // 2]
        journal, options = rng.random() < 0.5, rng.choice(_MOUNTED)
        office = Office(self._pair, self._root / "office")
        office.open()
        eager, outlives = rng.random() < 0.5, rng.random() < 0.3
        where = (
            f"seed {seed}: {site.code}, {'after' if point % 2 else 'before'} {operation} {point // 2}, {options}, "
            f"journal {journal}, eager {eager}, outlives {outlives}"
        )
        lost = disks[site.code]
        _copy(lost.image.with_suffix(".new"), lost.image)
        lost.mount(options)
        try:
            for each in self._pair:
                if each is not site:
                    renew(each.home.root, self._copy(each))
            cut = partial(lost.cut, journal=journal)
            status, said = forked(partial(self._cut, site, point, cut, office if eager else None, outlives=outlives))
            end_agents(self._pair)
            if status == 0:
                return False
            if status == -signal.SIGKILL:
                lost.restore_power()
                status, said = forked(partial(self._recover, readers, office))
                self.outcome.tried += 1
                self.outcome.outlived += outlives
                self.outcome.operations[operation] += 1
            if status != 0:
                self.outcome.lost.append(f"{where}: {said}")
            elif (found := ends(self._pair)) != self._expected:
                self.outcome.lost.append(f"{where}: {found} instead of {self._expected}")
            else:
                self.outcome.slowest = max(self.outcome.slowest, float(said))
            return True
        finally:
            end_agents(self._pair)
            lost.unmount()
            lost.detach()

    def _cut(
        self,
        site: Site,
        point: int,
        cut: Callable[[], Callable[[], None]],
        office: Office | None,
        *,
        outlives: bool,
    ) -> str:
        points, power = Points(point), cut()

        def die(operation: str) -> None:
            power()
            if office is not None:
                office.note(points.done())
            if outlives:
                threading.Timer(_SWITCHED_OFF, killed, ("",)).start()
            else:
                killed(operation)

        points.die = die
        if office is not None:
            points.afterwards = office.operation_done
        try:
            return self._travel(site, points)
        finally:
            if points.hit:
                killed("")  # whatever the roles made of it: they gave up before they were switched off

    def _recover(self, readers: Sandbox, office: Office) -> str:
        lend(readers)
        begun = time.monotonic()
        drive(self._pair, self._carry, lives=_LIVES)
        seconds = time.monotonic() - begun
        assert office.count_shown_twice() == 0, "a file was shown twice"
        check(Book(self._pair, list(self._dropped)))
        return str(seconds)


def _copy(source: Path, target: Path) -> None:
    """A sparse copy."""
    with source.open("rb") as reading, target.open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        writing.truncate(size)
        at = 0
        while at < size:
            try:
                start = os.lseek(reading.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(reading.fileno(), start, os.SEEK_HOLE)
            os.copy_file_range(reading.fileno(), writing.fileno(), at - start, start, start)


def main(root: str, first: str, count: str) -> int:
    probe = Path(root) / "probe"
    probe.mkdir()
    try:
        with disk(probe.with_suffix(".image"), probe):
            pass
    except Impossible as error:
        print(f"no disk of its own can be made here: {error}", file=sys.stderr)  # noqa: T201 - what it is run for
        return IMPOSSIBLE
    cuts = Cuts(Path(root))
    cuts.run(int(first), int(count))
    print(json.dumps(vars(cuts.outcome)))  # noqa: T201 - what it is run for
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
