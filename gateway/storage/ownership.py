"""Whose a file is that root makes in another account's directory: that account's, which otherwise could not read it. OSError as chown(2)."""

from __future__ import annotations

import os
from pathlib import Path


def give_to_owner_of(directory: Path, made: int | Path) -> None:
    """Where root made a file or directory (or has it open) in `directory`, have it be its owner's and its group's."""
    if os.geteuid() == 0:
        about = directory.stat()
        os.chown(made, about.st_uid, about.st_gid)
