"""A Debian machine with systemd that a test may install packages on: the one it runs on, changed in memory only (machine.sh)."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SCRIPT: Final = Path(__file__).with_name("machine.sh")
_ENVIRONMENT: Final = (
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
)


class NoMachine(Exception):
    """It cannot be made here; the text says why."""


@dataclass(frozen=True)
class Machine:
    """Its first process, by this machine's number."""

    first: int

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run lines of a shell as root; what they say on stderr comes with what they say on stdout."""
        enter = (
            "nsenter",
            f"--target={self.first}",
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--net",
            "--cgroup",
            "--root",
        )
        done = subprocess.run(
            [*enter, "env", "--chdir=/", "-i", *_ENVIRONMENT, "bash", "-euc", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        if check:
            assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done

    def active(self, unit: str) -> bool:
        return self.run(f"systemctl is-active {shlex.quote(unit)}", check=False).stdout.strip() == "active"


@contextmanager
def machine(directory: Path, shared: Path) -> Iterator[Machine]:
    """The machine, which sees `shared` as /mnt, until the end of the block. NoMachine where the kernel or systemd does not let us."""
    command = ["unshare", "--mount", "sh", str(_SCRIPT), str(directory), str(shared)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            first = child.stdout.readline().strip()
            made = Machine(int(first)) if first else None
            if made is None or not _booted(made):
                child.stdin.close()
                raise NoMachine(
                    f"no machine with a systemd of its own can be made here: {child.stderr.read().strip()[-300:]}"
                )
            yield made
        finally:
            child.stdin.close()


def _booted(made: Machine) -> bool:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if made.run("systemctl is-system-running", check=False).stdout.strip() in {"running", "degraded"}:
            return True
        time.sleep(0.1)
    return False
