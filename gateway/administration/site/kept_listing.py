"""What lies in the directories whose files rows speak of, on this machine and in the site's store, for the audit to compare with the rows.

What the store has is the truth; what lies here as well is this node's copy. Raises DiskFailed, StoreUnreachable, and PermissionError for a
directory that this account may not read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, StoreFileLost
from gateway.ledger.audit.files import Area
from gateway.storage.digest import file_digest
from gateway.storage.payloads import Payloads

_ALWAYS_READ: Final = (Area.EVIDENCE, Area.STATEMENTS, Area.DISPOSALS)
_OTHER: Final = "other bytes"
"""The digest of what is not what its name in the store says."""


class KeptListing:
    """The files of some areas, by their paths below it, with their sizes; None where the store has it. With `deep`, bytes are read."""

    def __init__(self, payloads: Payloads, roots: Mapping[Area, Path], *, deep: bool) -> None:
        self._payloads = payloads
        self._roots = roots
        self._deep = deep
        self.files: dict[Area, dict[str, int | None]] = {area: {**_listing(root)} for area, root in roots.items()}
        self._stored: dict[tuple[Area, str], list[str]] = {}
        for area, root in roots.items():
            for path, sha256 in payloads.names(root):
                name = str(path.relative_to(root))
                self._stored.setdefault((area, name), []).append(sha256)
                self.files[area][name] = None

    def digest(self, area: Area, name: str) -> str | None:
        """The SHA-256 of a file; None where it is not to be read, or has gone meanwhile."""
        path = self._roots[area] / name
        if (area, name) in self._stored:
            return self._stored_digest(path, self._stored[area, name])
        # Receipts and statements are small, and there is no other proof that one is whole: each is read every time.
        return _digest(path) if self._deep or area in _ALWAYS_READ else None

    def _stored_digest(self, path: Path, known: list[str]) -> str | None:
        """What the store says, which has a file by its digest; None where a crash has left it two of a name."""
        if len(known) > 1 or not self._deep:
            return known[0] if len(known) == 1 else None
        try:
            return _digest(self._payloads.fetch(path, known[0]))
        except FileNotFoundError:
            return None
        except StoreFileLost:
            return _OTHER


def _listing(root: Path) -> dict[str, int]:
    """The regular files of a directory and of those right below it, by their path in it, with their sizes."""
    found: dict[str, int] = {}
    try:
        for entry in os.scandir(root):
            if entry.is_dir(follow_symlinks=False):
                found |= {f"{entry.name}/{name}": size for name, size in _plain(entry.path)}
        found |= dict(_plain(root))
    except FileNotFoundError:
        return found
    except PermissionError:
        raise
    except OSError as error:
        raise DiskFailed(f"cannot look through {root.name}: {error.strerror}") from error
    return found


def _plain(directory: str | Path) -> Iterator[tuple[str, int]]:
    for entry in os.scandir(directory):
        try:
            if entry.is_file(follow_symlinks=False):
                yield entry.name, entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue  # the gateway has just let go of it


def _digest(path: Path) -> str | None:
    """The file's SHA-256, None where it has gone meanwhile."""
    try:
        return file_digest(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DiskFailed(f"a kept file cannot be read: {error.strerror}") from error
