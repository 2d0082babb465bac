"""The journal of a template's batches: which documents the open one has, on the disk before the first of them moves.

Raises DiskFull and DiskFailed, the latter also for a journal that nobody here wrote.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed
from gateway.settings.model import Settings
from gateway.storage.durable import DISK, Disk, disk_error, write_file

_FILE: Final = "journal.json"


@dataclass(frozen=True)
class Entry:
    """A document of an open batch: where it was delivered, its transfer, and what it is called in the batch."""

    flow: str
    partner: str
    name: str
    transfer: str
    file: str


@dataclass(frozen=True)
class Journal:
    """The number of the last batch that was opened; its name and its documents while it is open."""

    number: int = 0
    batch: str = ""
    open: tuple[Entry, ...] = ()


def read(folder: Path) -> Journal:
    """The journal in a template's folder of open batches; DiskFailed where it is none of ours."""
    try:
        text = (folder / _FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Journal()
    except OSError as error:
        raise disk_error(error, "reading the journal of batches") from error
    try:
        said = json.loads(text)
        return Journal(int(said["number"]), str(said["batch"]), tuple(Entry(**each) for each in said["open"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DiskFailed(f"{_FILE} of {folder.name} is damaged") from error


def write(folder: Path, journal: Journal, disk: Disk = DISK) -> None:
    """Put it in the place of the one before, durably."""
    write_file(folder / _FILE, json.dumps(asdict(journal)).encode(), disk=disk)


def unfinished(settings: Settings, known: Collection[str]) -> list[str]:
    """Folders of templates that are not among these, and have a batch that a crash left open."""
    try:
        names = sorted(path.name for path in settings.home.open_batches.iterdir() if path.name not in known)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(error, "looking through spool/open-batches") from error
    return [name for name in names if read(settings.home.open_batches / name).open]
