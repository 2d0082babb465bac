"""Children of a process that has everything loaded: one does a piece of work and ends, or is killed in the middle of it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.assembly import reading
from gateway.settings.model import Settings
from gateway.validation.sandbox.pool import Job, Sandbox
from tests.acceptance.sites import claim
from tests.crash.roles import Pair

_KEPT_IN_PLACE: Final = frozenset({"keyrings", "ssh", "run"})


class Lent(Sandbox):
    """Somebody else's readers: they stay when whoever borrowed them leaves."""

    def __init__(self, readers: Sandbox) -> None:
        self.__dict__ = readers.__dict__

    def close(self) -> None:
        """Nothing: they are not ours."""


def lend(readers: Sandbox) -> None:
    """From now on, whatever asks for readers in this process is given these."""

    def lent(settings: Settings, workers: int | None = None) -> Sandbox:
        del settings, workers
        return Lent(readers)

    reading.sandbox = lent


@contextmanager
def warm(root: Path, settings: Settings) -> Iterator[Sandbox]:
    """Readers that have started, and have read a file."""
    name, content = claim(0)
    sample = root / name
    sample.write_bytes(content)
    with reading.sandbox(settings, 1) as readers:
        assert list(readers.validate([Job("warm", "claim", sample)]))
        sample.unlink()
        yield readers


def forked(work: Callable[[], str]) -> tuple[int, str]:
    """Do the work in a child: its exit status or minus its signal, and what it gave back or died of."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(ours)
            said = work()
            status = 0
        except BaseException:  # noqa: BLE001  # whatever it is: it is told, and the child ends here
            said = traceback.format_exc()[-3000:]
        with os.fdopen(theirs, "w") as pipe:
            pipe.write(said)
        os._exit(status)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said


def renew(target: Path, source: Path, kept: AbstractSet[str] = _KEPT_IN_PLACE) -> None:
    """Make a site's files what they are in the copy. Directories that are in both stay: a server may be bound to them.

    What has one of the names in `kept` stays as it is, and is not copied.
    """
    target.mkdir(parents=True, exist_ok=True)
    kept = kept | {"lost+found"}
    entries = [entry for entry in os.scandir(source) if entry.is_dir(follow_symlinks=False) or not _is_special(entry)]
    wanted = {entry.name: entry for entry in entries if entry.name not in kept}
    for entry in list(os.scandir(target)):
        if entry.name in wanted or entry.name in kept:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()
    for name, entry in wanted.items():
        if entry.is_dir(follow_symlinks=False):
            renew(target / name, source / name, kept)
            shutil.copystat(entry.path, target / name)
        else:
            (target / name).unlink(missing_ok=True)
            shutil.copy2(entry.path, target / name, follow_symlinks=False)


def _is_special(entry: os.DirEntry[str]) -> bool:
    """A socket or a wake-up pipe: of processes that have ended."""
    mode = entry.stat(follow_symlinks=False).st_mode
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)


def end_agents(pair: Pair) -> None:
    """The key agents of both sites end, as if nothing had ever run."""
    homes = {os.fsencode(site.home.keyrings / "own") for site in pair}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if command[0].endswith(b"gpg-agent") and homes & set(command):
                    os.kill(int(entry.name), signal.SIGKILL)
