"""Which file holds a submitted transfer's bytes: one flat directory, one file a transfer, named by the transfer's id.

Raises ValueError for anything that is no id, so no name from outside becomes a path; DiskFailed where the system
refuses. One directory is enough: ext4 and XFS index entries by hash, and 50,000 of them cost no more to reach than ten.
A file is complete once the ledger has its row, and the row comes after the fsync; so no temporary name is needed, and a
file without a row, cut short by a crash, is found by `orphans` and removed at start-up.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

from gateway.domain.identity import is_id
from gateway.storage.durable import disk_error


def custody_file(custody: Path, transfer: str) -> Path:
    """Where the bytes of a transfer lie."""
    if not is_id(transfer):
        raise ValueError("not the id of a transfer")
    return custody / transfer


def orphans(custody: Path, known: AbstractSet[str]) -> list[Path]:
    """Files that no row speaks of, in order of name: to be removed before anything new is taken in."""
    try:
        with os.scandir(custody) as entries:
            return sorted(custody / entry.name for entry in entries if entry.name not in known)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(error, "looking through custody") from error
