"""What the sites of a run lie on: the file system's type, and whether it keeps a journal.

Creating files costs ten times as much where there is no journal and many were removed lately, so figures from the two do not compare. Linux
only. What cannot be known is said to be so; nothing is raised. Sources: proc(5) for /proc/self/mountinfo; for ext4
/proc/fs/jbd2, where each journal in use has a directory, and /proc/fs/ext4/DEVICE/options, which tell of a mode of
journaling only where there is a journal.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ALWAYS: Final = frozenset({"xfs", "jfs", "reiserfs", "ocfs2", "gfs2"})
_NEVER: Final = frozenset({"tmpfs", "ramfs", "ext2", "vfat"})


@dataclass(frozen=True)
class FileSystem:
    """The type as the kernel names it ("" where not known), and whether it has a journal (None where not known)."""

    type: str
    journal: bool | None

    def __str__(self) -> str:
        journal = {True: "with a journal", False: "without a journal", None: "whether it has a journal is not known"}
        return f"{self.type or 'a file system of a kind that is not known'}, {journal[self.journal]}"


def file_system(path: Path, root: Path = Path("/")) -> FileSystem:
    """Of a directory that exists. `root` is where proc and sys are."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return FileSystem("", None)
    kind = next((line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == number), "")
    if kind in _ALWAYS | _NEVER:
        return FileSystem(kind, kind in _ALWAYS)
    return FileSystem(kind, _journal(root, number) if kind in ("ext3", "ext4") else None)


def _journal(root: Path, number: str) -> bool | None:
    """Whether the ext4 on the block device of this number has one."""
    try:
        name = (root / "sys/dev/block" / number).readlink().name
        options = (root / "proc/fs/ext4" / name / "options").read_text()
    except OSError:
        return None
    inside = any((root / "proc/fs/jbd2").glob(f"{name}-*"))
    return inside or re.search(r"^data=", options, re.MULTILINE) is not None
