"""Where a site's files lie besides the directories of this machine: nowhere, or in a store that every node of the site reaches.

Stages work on local paths. What a row of the ledger speaks of is *kept* before the row is written, so any node can *fetch* it; it
is *forgotten* only after the row that says that its time is over. A gateway that works alone keeps nothing anywhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from gateway.errors import DiskFailed, DiskFull
from gateway.storage.durable import DISK, Disk, disk_error

IN_PLACE: Final[Mapping[Path, Path]] = MappingProxyType({})
"""Files that lie under the names that they are kept by."""


class KeptFile(NamedTuple):
    """A file that a row speaks of: where it lies on this machine, or would, and the SHA-256 (hex) of its bytes."""

    path: Path
    sha256: str


class Payloads(Protocol):
    """A site's files, by their local paths below its state and the SHA-256 (hex) of their bytes.

    All raise DiskFull and DiskFailed for this machine's disk and StoreUnreachable for the store's. A file is known by its path and its
    digest together: what a node wrote under one name that others wrote otherwise is another file, and hurts nobody.
    """

    def keep(self, files: Mapping[Path, str], lying: Mapping[Path, Path] = IN_PLACE) -> None:
        """Make durable, where every node finds them, files that are durable here. Again is the same. To be called before their rows.

        `lying` says where those lie now that get their names in the transaction of their rows.
        """
        ...

    def fetch(self, path: Path, sha256: str) -> Path:
        """The path, once the file lies there: it is brought here where it does not. FileNotFoundError where it is nowhere, with its
        place in the store as its text.

        Raises StoreFileLost where what the store has shows other bytes.
        """
        ...

    def forget(self, path: Path, sha256: str) -> None:
        """Remove a file here and there, or what is left of it. To be called after the row that no longer needs it."""
        ...

    def forget_all(self, files: Iterable[KeptFile]) -> None:
        """Forget many, also where one of them cannot be: that is raised at the end."""
        ...

    def kept_at(self, path: Path, sha256: str) -> float | None:
        """When the store got a file, by its clock, in seconds since 1970; None where it does not have it."""
        ...

    def try_writing(self, name: str) -> None:
        """Nothing where the store can be written to; else what `keep` would raise. `name` is that of who asks, and of no other node."""
        ...

    def names(self, root: Path) -> Iterator[tuple[Path, str]]:
        """Paths and digests of what the store has below a directory of the state, in order of name; nothing where there is no store."""
        ...


class OneMachine:
    """The files of a gateway that works alone: those of its own directories."""

    def __init__(self, disk: Disk = DISK) -> None:
        self._disk = disk

    def keep(self, files: Mapping[Path, str], lying: Mapping[Path, Path] = IN_PLACE) -> None:
        pass

    def fetch(self, path: Path, sha256: str) -> Path:  # noqa: ARG002 - the contract
        if not os.path.lexists(path):
            raise FileNotFoundError(path)
        return path

    def forget(self, path: Path, sha256: str) -> None:  # noqa: ARG002 - the contract
        try:
            self._disk.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error(error, "removing a file that no row needs any more") from error

    def forget_all(self, files: Iterable[KeptFile]) -> None:
        each_of(files, self.forget)

    def kept_at(self, path: Path, sha256: str) -> float | None:  # noqa: ARG002 - the contract
        return None

    def try_writing(self, name: str) -> None:
        pass

    def names(self, root: Path) -> Iterator[tuple[Path, str]]:  # noqa: ARG002 - the contract
        return iter(())


def each_of(files: Iterable[KeptFile], remove: Callable[[Path, str], None]) -> None:
    """Remove all; the first error is raised once the others were tried."""
    failures: list[DiskFull | DiskFailed] = []
    for path, sha256 in files:
        try:
            remove(path, sha256)
        except (DiskFull, DiskFailed) as error:
            failures.append(error)
    if failures:
        raise failures[0]
