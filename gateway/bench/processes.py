"""What a run costs, whoever does the work: processor time and peak memory of every process below this one.

Linux only. Raises OSError where /proc cannot be read. Children whose parent ends are handed to this process instead of to
init (`linux.process.adopt_orphans`), so that agents and servers that part from their starters are counted as well. Processor time of a
process that ended is in its parent's account (`processor_time`). Memory is the kernel's own high-water mark of each process, looked at four
times a second and at the end; of processes that live shorter than that, the largest that was seen.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.bench.contract import Cost
from gateway.bench.processor_time import PROGRAMS, Account, Accounts, Seen

_LOOK_EVERY: Final = 0.25
_PROC: Final = Path("/proc")
_WITHOUT_SITE: Final = {
    "gateway.validation.sandbox.worker": "gateway reader",
    "gateway.transport.sshd.guard": "gateway sshd guard",
}


class Meter:
    """Measures while the block runs; `cost` is there at its end."""

    def __init__(self) -> None:
        self._peaks: dict[str, int] = {}
        self._accounts = Accounts()
        self._names: dict[tuple[int, int], str] = {}
        """What each process was at the last look at which it said so: one that ends has an account still, and no command line."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="bench-meter", daemon=True)
        self.cost = Cost(0.0, 0.0, {})

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._started
        self._stop.set()
        self._thread.join()
        self._look()
        roles = self._accounts.shares()
        self.cost = Cost(
            seconds, sum(each.seconds for each in roles.values()), dict(sorted(self._peaks.items())), roles
        )

    def _look_on(self) -> None:
        while not self._stop.wait(_LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        own = os.times()
        labels: dict[int, str] = {}
        seen = []
        for pid, fields in _descendants():  # parents before their children
            parent, identity = int(fields[1]), (pid, int(fields[19]))
            try:
                words, peak = _words(pid), high_water(pid)
                if any(words) or identity not in self._names:
                    self._names[identity] = _label(pid, words)
            except OSError:
                continue  # it ended meanwhile
            name = self._names[identity]
            labels[pid] = _label_below(labels.get(parent, ""), name)
            seen.append(Seen(identity, labels[pid], parent, Account.from_stat(fields)))
            if peak:
                self._peaks[name] = max(self._peaks.get(name, 0), peak)
        self._accounts.look(seen, Account(0.0, 0.0, own.children_user, own.children_system))


def high_water(pid: int) -> int:
    """The most memory, in bytes, that a process has held so far; 0 for one that has ended. OSError where it is gone."""
    return _status_kib(pid, "VmHWM:")


def resident(pid: int) -> int:
    """The memory, in bytes, that a process holds now."""
    return _status_kib(pid, "VmRSS:")


def open_files(pid: int) -> int:
    """How many file descriptors a process has open."""
    return sum(1 for _ in (_PROC / str(pid) / "fd").iterdir())


def family() -> Mapping[int, str]:
    """The living processes below this one, and what each one is."""
    found = {}
    for pid, _ in _descendants():
        try:
            found[pid] = _label(pid, _words(pid))
        except OSError:
            continue
    return found


def _status_kib(pid: int, key: str) -> int:
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) << 10
    return 0


def _descendants() -> Iterator[tuple[int, list[str]]]:
    """Each process below this one with the fields of its /proc/PID/stat from the third on; parents first."""
    below: dict[int, list[tuple[int, list[str]]]] = {}
    for entry in (path.name for path in _PROC.iterdir()):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields is not None:
                below.setdefault(int(fields[1]), []).append((int(entry), fields))
    todo = below.get(os.getpid(), [])
    while todo:
        pid, fields = todo.pop()
        yield pid, fields
        todo += below.get(pid, [])


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on: the state, the parent, ..."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _words(pid: int) -> list[str]:
    """A process's command line."""
    return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")


def _label(pid: int, words: list[str]) -> str:
    """`SITE ROLE` for the gateway's own processes, the program's name for others."""
    for module, label in _WITHOUT_SITE.items():
        if module in words:
            return label
    if "gateway" in words and "run" in words:
        site = Path(words[words.index("--home") + 1]).name if "--home" in words else ""
        alone = "fork server" if "--as-fork-server" in words else "supervisor"
        role = words[words.index("--role") + 1] if "--role" in words else alone
        return f"gateway {role} {site}".rstrip()
    if "gateway" in words and "load" in words:
        return "gateway load"
    return (_PROC / str(pid) / "comm").read_text().strip()


def _label_below(parent: str, label: str) -> str:
    """A reader with its site; a program of others with the gateway's process that it works for."""
    if label in _WITHOUT_SITE.values():
        return f"{label} {parent.removesuffix(PROGRAMS).rpartition(' ')[2]}".rstrip()
    if label.startswith("gateway ") or not parent.startswith("gateway "):
        return label
    return parent if parent.endswith(PROGRAMS) else parent + PROGRAMS
