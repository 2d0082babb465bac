"""A site on a disk of its own that can lose its power: an ext4 image on a loop device.

`cut` is what a power cut is to a file system (the ioctl that the file systems' own crash tests use): from that moment on
nothing reaches the device any more. What was written and not synced is in memory alone, and gone. `restore_power` takes
what the device then holds, as a new disk, and mounts that, which replays the journal. Needs root, a loop device and
mkfs.ext4; `disk` raises Impossible without them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SHUTDOWN: Final = 0x8004587D
"""EXT4_IOC_SHUTDOWN: _IOR('X', 125, __u32)."""
_LOG_FLUSHED: Final = (1).to_bytes(4, "little")
_NOTHING_FLUSHED: Final = (2).to_bytes(4, "little")
_MEGABYTES: Final = 24
_TIMEOUT: Final = 60.0


class Impossible(Exception):
    """No such disk can be made here."""


def _run(*command: str | Path) -> str:
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Impossible(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Impossible(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


@dataclass
class Disk:
    """An image and where it is mounted. `device` is its loop device while it has one."""

    image: Path
    directory: Path
    device: str | None = None

    def format(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(_MEGABYTES << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-N", "2048", "-J", "size=4", self.image)

    def mount(self, options: str = "defaults") -> None:
        self.device = _run("losetup", "--find", "--show", self.image)
        try:
            _run("mount", "-t", "ext4", "-o", options, self.device, self.directory)
        except Impossible:
            self.detach()
            raise

    def unmount(self) -> None:
        """Also while those who were killed there are still on their way out."""
        deadline = time.monotonic() + _TIMEOUT
        while self.directory.is_mount():
            try:
                _run("umount", self.directory)
            except Impossible:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def detach(self) -> None:
        device, self.device = self.device, None
        if device is not None:
            _run("losetup", "--detach", device)

    def cut(self, *, journal: bool) -> Callable[[], None]:
        """What cuts the power, ready to be called at the moment; with `journal` the journal still gets to the disk.

        That is the cut that follows soon after a commit of the journal: names are durable, and what was not synced of
        the files behind them is not.
        """
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)

        def now() -> None:
            fcntl.ioctl(descriptor, _SHUTDOWN, _LOG_FLUSHED if journal else _NOTHING_FLUSHED)

        return now

    def restore_power(self) -> None:
        """A copy of what the device holds takes its place, mounted again: as another device, as after a restart."""
        held = self.image.with_suffix(".held")
        shutil.copyfile(self.image, held)
        before = Disk(self.image, self.directory, self.device)
        self.unmount()
        held.replace(self.image)
        self.mount()
        before.detach()


@contextmanager
def disk(image: Path, directory: Path) -> Iterator[Disk]:
    """A new disk, to be mounted at `place`; Impossible where there can be none."""
    made = Disk(image, directory)
    made.format()
    made.mount()
    try:
        made.unmount()
        made.detach()
        yield made
    finally:
        with suppress(Impossible):
            made.unmount()
        with suppress(Impossible):
            made.detach()


def let_go(root: Path) -> None:
    """Whatever is mounted below a directory is no longer, and no device is held by an image in it: after a process that
    was killed in the middle of its work.
    """
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    with suppress(Impossible):
        for directory in mounts:
            if Path(directory).is_relative_to(root):
                _run("umount", "--lazy", directory)
        for line in _run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").splitlines():
            device, _, image = line.partition(" ")
            if Path(image.strip()).is_relative_to(root):
                _run("losetup", "--detach", device)
