"""What a run costs, whoever does the work: processor time and peak memory of every process below this one.

Linux only. Raises OSError where /proc cannot be read. Children whose parent ends are handed to this process instead of to
init (`linux.process.adopt_orphans`), so that agents and servers that part from their starters are counted as well. Processor time of a
process that ended is in its parent's account. Memory is the kernel's own high-water mark of each process, looked at four
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

_LOOK_EVERY: Final = 0.25
_PROC: Final = Path("/proc")


class Meter:
    """Measures while the block runs; `cost` is there at its end."""

    def __init__(self) -> None:
        self._peaks: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="bench-meter", daemon=True)
        self.cost = Cost(0.0, 0.0, {})

    def __enter__(self) -> Self:
        self._cpu = cpu_seconds()
        self._thread.start()
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._started
        cpu = cpu_seconds() - self._cpu
        self._stop.set()
        self._thread.join()
        self._note()
        self.cost = Cost(seconds, cpu, dict(sorted(self._peaks.items())))

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_EVERY):
            self._note()

    def _note(self) -> None:
        for pid in _descendants():
            try:
                label, peak = _label(pid), high_water(pid)
            except OSError:
                continue  # it ended meanwhile
            if peak:
                self._peaks[label] = max(self._peaks.get(label, 0), peak)


def cpu_seconds() -> float:
    """Processor time so far of all processes below this one, those that ended included, this one left out."""
    ticks = os.sysconf("SC_CLK_TCK")
    own = os.times()
    total = 0.0
    for pid in _descendants():
        fields = _stat(pid)
        if fields is not None:
            total += sum(int(field) for field in fields[11:15]) / ticks
    return total + own.children_user + own.children_system


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
    for pid in _descendants():
        try:
            found[pid] = _label(pid)
        except OSError:
            continue
    return found


def _status_kib(pid: int, key: str) -> int:
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) << 10
    return 0


def _descendants() -> Iterator[int]:
    parents: dict[int, list[int]] = {}
    for entry in (path.name for path in _PROC.iterdir()):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields is not None:
                parents.setdefault(int(fields[1]), []).append(int(entry))
    todo = list(parents.get(os.getpid(), []))
    while todo:
        pid = todo.pop()
        yield pid
        todo += parents.get(pid, [])


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on: the state, the parent, ..."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _label(pid: int) -> str:
    """`SITE ROLE` for the gateway's own processes, the program's name for others."""
    words = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if "gateway.validation.sandbox.worker" in words:
        return "gateway reader"
    if "gateway.transport.sshd.guard" in words:
        return "gateway sshd guard"
    if "gateway" in words and "run" in words:
        site = Path(words[words.index("--home") + 1]).name if "--home" in words else ""
        alone = "fork server" if "--as-fork-server" in words else "supervisor"
        role = words[words.index("--role") + 1] if "--role" in words else alone
        return f"gateway {role} {site}".rstrip()
    return (_PROC / str(pid) / "comm").read_text().strip()
