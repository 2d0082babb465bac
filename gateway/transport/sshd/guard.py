"""The parent of the managed sshd: it confines sshd, and ends sshd with all its sessions when the gateway is gone.

A small program of its own (`python -m gateway.transport.sshd.guard`), because only a parent can do this after a kill -9
of the gateway: sshd puts every session into a process group of its own, so no signal to a group reaches them; this
process adopts them (child subreaper) and ends them one by one. It lives while the gateway holds the other end of its
stdin and stays its parent. SIGHUP is passed on to sshd. It exits with sshd's own status.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from gateway.linux.landlock import confine_writes
from gateway.linux.process import adopt_orphans, signal_at_parents_end
from gateway.linux.seccomp import ignore_attributes

_LOOK_EVERY_MS: Final = 500
_GRACE_SECONDS: Final = 2.0
OPEN_FILES: Final = 1024
"""The most files that sshd, and each session of a partner, may have open."""
UNCONFINED: Final = "gateway: this kernel has no Landlock, so the SFTP server's writes are not confined to the landing"
UNFILTERED: Final = (
    "gateway: this kernel has no seccomp, so the SFTP server is not started: partners could change modes"
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--pid-file", type=Path, required=True)
    parser.add_argument("--confine-to", type=Path, action="append", default=[])
    parser.add_argument("--ignore-attributes", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)

    adopt_orphans()
    wakeup, notify = os.pipe()
    os.set_blocking(notify, False)
    signal.set_wakeup_fd(notify, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _noted)

    # One thread only, so running Python between fork and exec is safe here.
    sshd = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=partial(_prepare, options.confine_to, os.getpid(), ignore=options.ignore_attributes),  # noqa: PLW1509 -- see above
    )
    options.pid_file.touch(mode=0o600)  # as `gateway rights` has it
    options.pid_file.write_text(f"{sshd.pid}\n", encoding="ascii")
    try:
        _watch(sshd, options.parent, wakeup)
    finally:
        _end(sshd)
        options.pid_file.unlink(missing_ok=True)
    return sshd.returncode if sshd.returncode >= 0 else 128 - sshd.returncode


def _watch(sshd: subprocess.Popen[bytes], gateway: int, wakeup: int) -> None:
    """Return when sshd has ended, when the gateway has, or when a signal asks for it."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    poll.register(wakeup, select.POLLIN)
    while sshd.poll() is None and os.getppid() == gateway:
        for descriptor, _ in poll.poll(_LOOK_EVERY_MS):
            if descriptor != wakeup:
                return
            numbers = os.read(wakeup, 512)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                return
            if signal.SIGHUP in numbers:
                sshd.send_signal(signal.SIGHUP)
        _reap(sshd)


def _end(sshd: subprocess.Popen[bytes]) -> None:
    """End sshd, then every session that it left to us: SIGTERM first, SIGKILL after two seconds."""
    deadline = time.monotonic() + _GRACE_SECONDS
    if sshd.poll() is None:
        sshd.terminate()
        try:
            sshd.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            sshd.kill()
            sshd.wait()
    number = signal.SIGTERM
    while children := list(_children()):
        for pid in children:
            os.kill(pid, number)  # ours until reaped, so the number cannot be somebody else's
        time.sleep(0.02)
        _reap(sshd)
        if time.monotonic() > deadline:
            number = signal.SIGKILL


def _children() -> Iterator[int]:
    """Processes whose parent is this one, as /proc/PID/stat says (its second field may hold blanks and brackets)."""
    own = str(os.getpid())
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == own:
            yield int(entry.name)


def _reap(sshd: subprocess.Popen[bytes]) -> None:
    """Collect adopted children that have ended; sshd itself is left to `sshd.poll`."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != sshd.pid:
            os.waitpid(ended.si_pid, 0)


def _prepare(confine_to: Sequence[Path], guard: int, *, ignore: bool) -> None:
    """In the child: die with the guard, open few files, write below the landing alone, change no file's mode, owner or times."""
    signal_at_parents_end(signal.SIGTERM)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if os.getppid() != guard:
        os._exit(1)
    if confine_to and not confine_writes(confine_to, [Path(os.devnull)]):
        os.write(2, UNCONFINED.encode() + b"\n")
    if ignore and not ignore_attributes():
        os.write(2, UNFILTERED.encode() + b"\n")
        os._exit(1)


def _noted(_number: int, _frame: object) -> None:
    """The wake-up descriptor carries the signal; nothing else is done in a handler."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
