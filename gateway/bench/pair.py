"""The gateway in the bench: two whole sites with the settings that `gateway init` writes, files dropped, receipts awaited.

The clock runs from the first rename into the spool until the last file's verified receipt lies before its operator: then
the file is validated twice, delivered durably, and in the ledger and the audit chain of both sites. Raises DemoFailed where
a site cannot be made or ends, BenchVoid where receipts do not come,
BenchUnavailable where the machine gives no file-system events.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.bench.contract import BenchFile, BenchUnavailable, BenchVoid
from gateway.bench.files import AUTHORITY, DWP, names_of
from gateway.demo.sites import DemoSite, check_alive, make_sites, start, stop, wait_until_ready
from gateway.flows.catalog import FLOWS
from gateway.settings.model import SiteKind

_SITES: Final = ((DWP, "Department for Work and Pensions"), (AUTHORITY, "Tower Hamlets"))
_TIMEOUT: Final = 600.0
"""Seconds without one receipt more after which a run is given up."""
_LOOK_EVERY: Final = 0.02
_SHARE: Final = 20
"""Looking takes at most this share of the time: one part in so many."""


class Pair:
    """DWP and an authority, running while `running` is."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sites = make_sites(root, _SITES)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Both gateways at work."""
        self._sites = start(self._sites)
        try:
            wait_until_ready(self._sites)
            for site in self._sites:
                if '"no-events"' in site.log.read_text(errors="replace"):
                    raise BenchUnavailable(
                        "too many programs on this machine watch directories (fs.inotify.max_user_instances): the "
                        "gateways look every ten seconds instead of at once, and that would be all there is to measure"
                    )
            yield
        finally:
            stop(self._sites)

    def site(self, code: str) -> DemoSite:
        return next(site for site in self._sites if site.code == code)

    def ends(self, flow: str) -> tuple[DemoSite, DemoSite]:
        """The sites between which the bench carries a flow: the sender and the recipient."""
        dwp, authority = self.site(DWP), self.site(AUTHORITY)
        return (authority, dwp) if FLOWS[flow].ends[0] is SiteKind.LA else (dwp, authority)

    def stage(self, files: Iterable[BenchFile]) -> list[tuple[Path, Path]]:
        """Copy files next to the spool; each copy with the place that it is to be dropped at by a rename."""
        targets = []
        for file in files:
            sender, recipient = self.ends(file.flow)
            staged = sender.home.root / "staged" / file.name
            staged.parent.mkdir(exist_ok=True)
            shutil.copyfile(file.path, staged)
            targets.append((staged, sender.home.outbound / file.flow / recipient.code / file.name))
        return targets

    def receipt(self, file: BenchFile) -> Path:
        """Where a file's receipt comes to lie."""
        sender, recipient = self.ends(file.flow)
        return sender.home.receipts / file.flow / recipient.code / f"{file.name}.receipt.json"

    def await_receipts(self, files: Sequence[BenchFile]) -> None:
        """Return as soon as every file's receipt is there; BenchVoid where no more come."""
        waiting: dict[Path, set[str]] = {}
        for file in files:
            path = self.receipt(file)
            waiting.setdefault(path.parent, set()).add(path.name)
        last, moved = len(files), time.monotonic()
        while waiting:
            looked = time.monotonic()
            for directory in list(waiting):
                with os.scandir(directory) if directory.is_dir() else _nothing() as entries:
                    waiting[directory] -= {entry.name for entry in entries}
                if not waiting[directory]:
                    del waiting[directory]
            left = sum(map(len, waiting.values()))
            now = time.monotonic()
            if left < last:
                last, moved = left, now
            if now - moved > _TIMEOUT:
                raise BenchVoid(f"{left} of {len(files)} receipts did not come")
            check_alive(self._sites)
            if waiting:
                time.sleep(max(_LOOK_EVERY, _SHARE * (now - looked)))

    def arrived(self, flows: Iterable[str]) -> dict[str, str]:
        """What lies before the back offices, by name."""
        found: dict[str, str] = {}
        for flow in flows:
            sender, recipient = self.ends(flow)
            directory = recipient.home.inbound / flow / sender.code
            if directory.is_dir():
                found |= dict(names_of(directory))
        # What triage says of a file lies beside it: of thousands that are made up, one may repeat another.
        return {
            name: digest for name, digest in found.items() if name.removesuffix(_TRIAGE) not in found.keys() - {name}
        }

    def clear(self, flows: Iterable[str]) -> None:
        """Take away what was delivered and receipted, as a back office and an operator do."""
        for flow in flows:
            sender, recipient = self.ends(flow)
            for directory in (
                recipient.home.inbound / flow / sender.code,
                sender.home.receipts / flow / recipient.code,
                sender.home.root / "staged",
            ):
                for path in directory.iterdir() if directory.is_dir() else ():
                    path.unlink()


_TRIAGE: Final = ".triage.json"


@contextmanager
def _nothing() -> Iterator[tuple[os.DirEntry[str], ...]]:
    yield ()


class Gateway:
    """The gateway as a contestant."""

    most_files: Final = None

    def __init__(self, pair: Pair, name: str = "gateway") -> None:
        self.name = name
        self._pair = pair
        self._files: Sequence[BenchFile] = ()
        self.targets: list[tuple[Path, Path]] = []

    @property
    def _flows(self) -> set[str]:
        return {file.flow for file in self._files}

    def receipt(self, file: BenchFile) -> Path:
        """Where a file's receipt comes to lie."""
        return self._pair.receipt(file)

    def prepare(self, files: Sequence[BenchFile]) -> None:
        self._files = files
        self.targets = self._pair.stage(files)

    def carry(self) -> None:
        for staged, target in self.targets:
            staged.rename(target)
        self._pair.await_receipts(self._files)

    def delivered(self) -> Mapping[str, str]:
        return self._pair.arrived(self._flows)

    def clear(self) -> None:
        self._pair.clear(self._flows)
