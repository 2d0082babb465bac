"""Sealed files into a directory of our own, `landing/PARTNER/out`, where the partner collects them or a person takes them.

Raises DiskFull, DiskFailed, NameTaken; the same call may be made again after any of them. A file appears under its name complete
and durable, by a hard link that never overwrites, or not at all. The bytes are copied, never linked from the queue: the partner
may own the directory, and must not hold a name of the file that a retry sends again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, NameTaken, RemoteRefused
from gateway.storage.durable import sync_directory
from gateway.transport.contract import Parcel, Remote
from gateway.transport.faults import translate
from gateway.transport.names import PART, new_file, plain_name

_PIECE: Final = 1024 * 1024


class FolderTransport:
    """Publishes into `directory`, which must exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def connect(self) -> FolderSession:
        """A session, or the Defer that says why the directory cannot be used."""
        try:
            status = self._directory.stat()
        except OSError as error:
            raise translate(error) from error
        if not self._directory.is_dir():
            raise DiskFailed("the directory that the partner collects from is none")
        return FolderSession(self._directory, (status.st_uid, status.st_gid))


class FolderSession:
    """Publishes files; what it publishes belongs to whom the directory belongs, so that its owner can read it."""

    def __init__(self, directory: Path, owner: tuple[int, int]) -> None:
        self._directory = directory
        self._owner = owner

    @property
    def trusts_names(self) -> bool:
        return True

    @property
    def alive(self) -> bool:
        return True

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        """Publish each parcel, and yield it once it is durable under its name."""
        for parcel in parcels:
            final = self._directory / plain_name(parcel.name)
            try:
                if not _is_there(final, parcel):
                    self._publish(parcel, final)
            except OSError as error:
                raise translate(error) from error
            yield parcel

    def waiting(self) -> list[Remote]:
        """Nothing: what comes back by such a partner lies in our own landing."""
        return []

    def fetch(self, remote: Remote, target: Path) -> None:
        raise RemoteRefused(f"nothing is fetched from a folder of our own, and so not {remote.name} to {target.name}")

    def remove(self, remote: Remote) -> None:
        raise RemoteRefused(f"nothing is fetched from a folder of our own, and so {remote.name} is not removed")

    def close(self) -> None:
        """Nothing is kept open."""

    def _publish(self, parcel: Parcel, final: Path) -> None:
        part = final.with_name(final.name + PART)
        try:
            with parcel.path.open("rb") as source, new_file(part) as sink:
                shutil.copyfileobj(source, sink, _PIECE)
                if sink.tell() != parcel.size:
                    raise DiskFailed("a sealed file of ours is not as long as it was when it was sealed")
                if os.geteuid() == 0:
                    os.fchown(sink.fileno(), *self._owner)
                os.fsync(sink.fileno())
            try:
                os.link(part, final)
            except FileExistsError:
                _is_there(final, parcel)
        finally:
            part.unlink(missing_ok=True)
        sync_directory(self._directory)


def _is_there(final: Path, parcel: Parcel) -> bool:
    """Whether the parcel is published already. Raises NameTaken for another file of that name."""
    try:
        size = final.lstat().st_size
    except FileNotFoundError:
        return False
    if size != parcel.size:
        raise NameTaken("another file of that name waits for the partner still; it is not overwritten")
    return True
