"""A back office's side of the directories: takes files out of spool/inbound, leaves answers in spool/outcomes.

What every back office may do, and no more (docs/operators/back-office.md). Names are what people and programs at other sites made:
no link is followed, only plain files are read, a name is never taken for a path. Raises DiskFull and DiskFailed.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.identity import is_id
from gateway.loading.database import ACCEPTED, Document
from gateway.settings.flow_settings import FlowSettings
from gateway.settings.naming import MARKER, with_transfer
from gateway.spool.exception_lists import ENDING, from_csv
from gateway.spool.names import is_temporary
from gateway.storage.directory_walk import FILE, ROOT, is_plain, names, opened
from gateway.storage.durable import DISK, Disk, disk_error, make_directory
from gateway.storage.file_group import write_files

BESIDE: Final = (ENDING, MARKER, ".triage.json")
"""What lies beside a file, under its name and one of these, and goes with it."""
_MOST: Final = 20 << 20
"""Bytes of a file that are read: as many as the reader of documents takes, and one more says that there are too many."""
_MOST_LISTED: Final = 4 << 20
_LONGEST: Final = 255


@dataclass(frozen=True)
class Found:
    """A file as it was seen: where, and which one it was. Oldest first is by `ctime`, when it was put there."""

    ctime_ns: int
    flow: str
    partner: str
    name: str
    inode: int


@dataclass(frozen=True)
class Arrived:
    """A file that was read. `listed` are the records that have exceptions, None where no list lies beside it.

    `subject` is what an answer about it is named after, None where no name is left for one.
    """

    found: Found
    document: Document
    content: bytes
    listed: frozenset[int] | None
    subject: str | None


@dataclass(frozen=True)
class Answer:
    """What an answer says: about which file, under which name, `verdict` and the reason of a rejection."""

    found: Found
    subject: str
    verdict: str
    reason: str | None


class Inbox:
    """The directories of one site: `inbound` and `outcomes`. `flows` are those that are loaded, with their settings."""

    def __init__(self, inbound: Path, outcomes: Path, flows: Mapping[str, FlowSettings], disk: Disk = DISK) -> None:
        self._inbound = inbound
        self._outcomes = outcomes
        self._names = {flow: with_transfer(settings.inbound_name) for flow, settings in flows.items()}
        # Where there are no markers, a document may be named as one.
        self._passed_over = {
            flow: tuple(each for each in BESIDE if each != MARKER or settings.done_marker)
            for flow, settings in flows.items()
        }
        self._disk = disk

    def scan(self) -> list[Found]:
        """Every file that can be taken, oldest first."""
        found: list[Found] = []
        try:
            root = os.open(self._inbound, ROOT)
            try:
                for flow, passed_over in self._passed_over.items():
                    with opened(root, flow) as directory:
                        for partner in () if directory is None else names(directory):
                            with opened(directory or root, partner) as below:
                                found += () if below is None else _files(below, flow, partner, passed_over)
            finally:
                os.close(root)
        except OSError as error:
            raise disk_error(error, "looking through spool/inbound") from error
        return sorted(found, key=lambda each: (each.ctime_ns, each.flow, each.partner, each.name))

    def read(self, found: Found) -> Arrived | None:
        """The file with its list of exceptions; None where somebody has taken it meanwhile, or it is another one."""
        content = self._bytes(found, found.name, _MOST)
        if content is None:
            return None
        listed = self._bytes(found, f"{found.name}{ENDING}", _MOST_LISTED)
        sha256 = hashlib.sha256(content).hexdigest()
        named = self._names[found.flow].fullmatch(found.name)
        identity = named["transfer"] if named is not None and "transfer" in named.groupdict() else None
        if identity is None or not is_id(identity):
            whole = f"{found.flow}\0{found.partner}\0{found.name}\0{sha256}"
            transfer, subject = f"sha256:{hashlib.sha256(os.fsencode(whole)).hexdigest()}", found.name
        else:
            transfer = subject = identity
        answerable = len(os.fsencode(f"{subject}.{ACCEPTED}")) <= _LONGEST
        document = Document(transfer, found.flow, found.partner, _told(found.name), sha256, len(content))
        records = None if listed is None else _records(listed)
        return Arrived(found, document, content, records, subject if answerable else None)

    def answer(self, answers: Sequence[Answer]) -> None:
        """Leave these answers, durably and all together. One that is there already says the same."""
        files = {
            self._outcomes / each.found.flow / each.found.partner / f"{each.subject}.{each.verdict}": (
                each.reason or ""
            ).encode()
            for each in answers
        }
        for directory in dict.fromkeys(path.parent for path in files):
            make_directory(directory, 0o770, self._disk)
        write_files(files, mode=0o640, disk=self._disk)

    def remove(self, taken: Iterable[Found]) -> None:
        """Remove files that are loaded and answered, and what lies beside them; what a crash leaves is removed the next time."""
        lying: dict[str, set[str]] = {}
        for found in taken:
            directory = self._directory(found)
            try:
                if directory not in lying:
                    lying[directory] = {path.name for path in Path(directory).iterdir()}
                with suppress(FileNotFoundError):
                    if os.lstat(f"{directory}/{found.name}").st_ino != found.inode:
                        continue  # somebody took the file, and another has its name
                    for name in (f"{found.name}{ending}" for ending in self._passed_over[found.flow]):
                        if name in lying[directory]:
                            self._disk.unlink(f"{directory}/{name}")
                    self._disk.unlink(f"{directory}/{found.name}")
            except OSError as error:
                raise disk_error(error, "removing a file from spool/inbound") from error

    def _directory(self, found: Found) -> str:
        """Where the file lies: as text, since paths as objects took a tenth of the time of a claim."""
        return f"{self._inbound}/{found.flow}/{found.partner}"

    def _bytes(self, found: Found, name: str, most: int) -> bytes | None:
        """What a plain file holds, at most one byte more than `most`; of the file itself, only while it is the one that was found."""
        try:
            descriptor = os.open(f"{self._directory(found)}/{name}", FILE)
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not is_plain(status) or (name == found.name and status.st_ino != found.inode):
                    return None
                return file.read(most + 1)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG):
                return None  # gone, a link, or a name that leaves no room for what would lie beside it
            raise disk_error(error, "reading a file of spool/inbound") from error


def _files(directory: int, flow: str, partner: str, passed_over: tuple[str, ...]) -> Iterator[Found]:
    for name in names(directory):
        if is_temporary(name) or name.lower().endswith(passed_over):
            continue
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if is_plain(status):
                yield Found(status.st_ctime_ns, flow, partner, name, status.st_ino)


def _records(content: bytes) -> frozenset[int] | None:
    """The records that a list of exceptions names; None where it is no such list, which leaves the document to be good or not."""
    try:
        return frozenset(each.row for each in from_csv(content)) if len(content) <= _MOST_LISTED else None
    except (ValueError, csv.Error):
        return None


def _told(name: str) -> str:
    """The name as text, whatever bytes it is made of."""
    return os.fsencode(name).decode(errors="replace")
