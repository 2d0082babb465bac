"""Files that came through the console, in `state/uploads`: finding one, removing it, and removing those that nobody sends.

The directory is the console's, so everything in it is judged again: notes are read as what a stranger wrote, no link is followed. Raises
NotFound for an upload that is not there, DiskFailed for the disk.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.domain.identity import is_id
from gateway.domain.uploads import LONGEST_NOTE, NOTE, Upload, read_note
from gateway.errors import NotFound
from gateway.storage.directory_walk import FILE
from gateway.storage.durable import disk_error

KEPT_SECONDS: Final = 3600.0
"""How long a file stays that nobody sends, and one that has not come whole."""


def find_upload(directory: Path, identity: str) -> tuple[Path, Upload]:
    """The file and its note; NotFound where one of them is not there, or the note is none."""
    if not is_id(identity):
        raise NotFound(f"there is no upload {identity[:40]!r}")
    path = directory / identity
    try:
        upload = read_note(_small(path.with_suffix(NOTE)), identity)
        about = path.lstat()
    except FileNotFoundError as error:
        raise NotFound("the file that was uploaded is not here any more: upload it again") from error
    except ValueError as error:
        raise NotFound("the upload has no note that can be read: upload it again") from error
    except OSError as error:
        raise disk_error(error, "reading an upload") from error
    if not stat.S_ISREG(about.st_mode) or about.st_size != upload.size:
        raise NotFound("the upload is not the file that its note is about: upload it again")
    return path, upload


def remove_upload(directory: Path, identity: str) -> None:
    """Remove a file and its note; nothing where they are gone already."""
    path = directory / identity
    try:
        for each in (path, path.with_suffix(NOTE)):
            with suppress(FileNotFoundError):
                each.unlink()
    except OSError as error:
        raise disk_error(error, "removing an upload") from error


def sweep(directory: Path, now: float, kept: float = KEPT_SECONDS) -> int:
    """Remove what has been there for longer than `kept` seconds, or is from the future; how many files that were."""
    removed = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if 0 <= now - entry.stat(follow_symlinks=False).st_mtime <= kept or entry.is_dir(
                        follow_symlinks=False
                    ):
                        continue
                    Path(entry.path).unlink()
                    removed += 1
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise disk_error(error, "removing old uploads") from error
    return removed


def _small(path: Path) -> bytes:
    descriptor = os.open(path, FILE)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LONGEST_NOTE + 1)
