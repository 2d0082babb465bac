"""Batch folders: `spool/batches/TEMPLATE/TEMPLATE-TIME-NUMBER/`, each there whole or not at all, and every document in one of them.

A batch is opened by a journal that names its documents; they are moved into a folder of spool/open-batches, the index, the manifest and
at last the marker are written there, and one rename shows the folder. A crash leaves an open batch, and the next run goes on with it:
a document lies in spool/inbound or in that folder, never in both, since it is moved and not copied. An open batch without its folder in
spool/open-batches is one that was shown. Only one process at a time may work on a template's folder.

Raises DiskFull and DiskFailed. The documents' bytes are compared with the ledger's digests where they lie at last; what is not the
delivered file goes back to spool/inbound.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.administration.indexing.forms import Filed, index_name, render, values
from gateway.administration.indexing.inbound import BESIDE, digest
from gateway.administration.indexing.journal import Entry, Journal, read, write
from gateway.errors import DiskFailed
from gateway.ledger.units import Transfer
from gateway.settings.directories import SHARED
from gateway.settings.index_templates import Template
from gateway.settings.model import Settings
from gateway.settings.naming import MARKER
from gateway.spool.names import second_name
from gateway.storage.directory_walk import is_plain
from gateway.storage.durable import DISK, Disk, disk_error, make_directory, move_new, sync_directory, write_file
from gateway.storage.file_group import write_files

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
DONE: Final = "done"
_FILE_MODE: Final = 0o640


@dataclass(frozen=True)
class Batch:
    """A batch that was made: its name, how many documents and bytes, and those that went back: not the delivered files, or
    unknown to the ledger by now.
    """

    batch: str
    template: str
    documents: int
    bytes: int
    given_back: tuple[Entry, ...] = ()


LookUp = Callable[[Sequence[Entry]], dict[str, Transfer]]
"""The ledger's rows of these documents, by their ids."""


class BatchFolder:
    """The batches of one template, at one site."""

    def __init__(self, settings: Settings, template: Template, clock: Callable[[], float], disk: Disk = DISK) -> None:
        self._settings = settings
        self._template = template
        self._clock = clock
        self._disk = disk
        self._folder = settings.home.batches / template.name
        self._open = settings.home.open_batches / template.name
        self._zone = ZoneInfo(settings.site.time_zone)

    def resume(self, look_up: LookUp) -> Batch | None:
        """Go on with the batch that a crash left open; None where there is none, or where it had been shown."""
        journal = read(self._open)
        return self._make(journal, look_up) if journal.open else None

    def make(self, entries: Sequence[Entry], look_up: LookUp) -> Batch | None:
        """Make one batch of these documents; None where none of them is there any more."""
        for directory in (self._folder.parent, self._folder, self._open.parent, self._open):
            self._directory(directory)
        for path in filter(Path.is_dir, self._open.iterdir()):
            with suppress(OSError):  # only an empty one goes: of a batch that a crash ended before the journal had it
                path.rmdir()
        number = max(read(self._open).number, self._last_shown()) + 1
        # With the time in it no two batches have one name, also where the journal is an older copy.
        opened = datetime.fromtimestamp(self._clock(), UTC)
        journal = Journal(number, f"{self._template.name}-{opened:%Y%m%dT%H%M%SZ}-{number:06d}", tuple(entries))
        self._directory(self._open / journal.batch)  # before the journal: an open batch without it was shown
        write(self._open, journal, self._disk)
        return self._make(journal, look_up)

    def _make(self, journal: Journal, look_up: LookUp) -> Batch | None:
        folder, name = self._open / journal.batch, journal.batch
        made: Batch | None = None
        with _translated("making a batch"):
            if folder.is_dir():
                rows = look_up(journal.open)
                given_back = self._fill(folder, journal.open, rows)
                filed = self._filed(folder, name, journal.open, rows)
                self._clear(folder, journal.open)
                if not filed:
                    write(self._open, Journal(journal.number - 1), self._disk)  # so that its number is not missed
                    folder.rmdir()
                    return Batch("", self._template.name, 0, 0, given_back) if given_back else None
                self._describe(folder, name, filed)
                folder.chmod(SHARED)  # whatever a crash left it at
                self._disk.rename(folder, self._folder / name)
                for directory in (self._folder, self._open):  # where it is now, before where it was
                    sync_directory(directory, self._disk)
                made = Batch(name, self._template.name, len(filed), sum(each.row.size for each in filed), given_back)
        write(self._open, Journal(journal.number), self._disk)
        return made

    def _fill(self, folder: Path, entries: Sequence[Entry], rows: dict[str, Transfer]) -> tuple[Entry, ...]:
        """Move the documents and what lies beside them into the folder, durably; those that went back."""
        given_back = []
        for entry in entries:
            row = rows.get(entry.transfer)
            source, target = self._source(entry), folder / entry.file
            if row is not None:
                for ending in (*BESIDE, ""):
                    self._move(_beside(source, ending), _beside(target, ending))
                self._remove(_beside(source, MARKER))
            if os.path.lexists(target) and (row is None or digest(target) != row.sha256):
                back = source
                if os.path.lexists(source) and not os.path.samestat(source.lstat(), target.lstat()):
                    back = source.with_name(
                        second_name(source.name, entry.transfer)
                    )  # another file has its name by now
                for ending in (*BESIDE, ""):
                    self._move(_beside(target, ending), _beside(back, ending))
                given_back.append(replace(entry, name=back.name))
        sync_directory(folder, self._disk)  # where they are now, before where they were
        for directory in dict.fromkeys(self._source(entry).parent for entry in entries):
            sync_directory(directory, self._disk)
        return tuple(given_back)

    def _filed(self, folder: Path, batch: str, entries: Sequence[Entry], rows: dict[str, Transfer]) -> list[Filed]:
        """The documents that the folder holds, in order."""
        there = [entry for entry in entries if entry.transfer in rows and os.path.lexists(folder / entry.file)]
        now = self._moment(self._clock())
        filed = []
        for number, entry in enumerate(there, 1):
            row, name = rows[entry.transfer], self._partner_name(entry.partner)
            filed.append(Filed(row, entry.file, number, batch, self._moment(row.created), now, name))
        return filed

    def _describe(self, folder: Path, batch: str, filed: Sequence[Filed]) -> None:
        """Write index, manifest and sums, and when they are on the disk, the marker."""
        records = [values(self._template, each) for each in filed]
        if self._template.says.per == "batch":
            indices = {index_name(self._template, ""): render(self._template, records)}
        else:
            indices = {
                index_name(self._template, each.file): render(self._template, [record])
                for each, record in zip(filed, records, strict=True)
            }
        documents = [self._document(each) for each in filed]
        others = [
            {"file": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(indices.items())
        ]
        others += _lying_beside(folder, filed)
        manifest = {
            "version": 1,
            "batch": batch,
            "template": self._template.name,
            "site": self._settings.site.code,
            "created": datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "count": len(filed),
            "bytes": sum(each.row.size for each in filed),
            "documents": documents,
            "files": others,
        }
        text = (json.dumps(manifest, indent=2) + "\n").encode()
        digests = {str(each["file"]): str(each["sha256"]) for each in (*documents, *others)}
        digests[MANIFEST] = hashlib.sha256(text).hexdigest()
        sums = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(digests.items())).encode()
        contents = {**indices, MANIFEST: text, SUMS: sums}
        write_files({folder / name: content for name, content in contents.items()}, mode=_FILE_MODE, disk=self._disk)
        write_file(folder / DONE, b"", mode=_FILE_MODE, disk=self._disk)

    def _document(self, each: Filed) -> dict[str, Any]:
        row = each.row
        about = {"transfer": row.id, "flow": row.flow, "partner": row.partner}
        index = index_name(self._template, each.file)
        return {"file": each.file, "size": row.size, "sha256": row.sha256, **about, "index": index}

    def _clear(self, folder: Path, entries: Sequence[Entry]) -> None:
        """Remove what an attempt that ended early wrote, and what lies beside a document and is no file."""
        known = {name for entry in entries for name in _names(entry.file)}
        for path in folder.iterdir():
            if path.name not in known or not is_plain(path.lstat()):
                self._remove(path)

    def _move(self, source: Path, target: Path) -> None:
        if not os.path.lexists(source):
            return  # moved by an attempt before this one, or taken by somebody; or nothing lies beside the document
        try:
            move_new(source, target, self._disk)
        except FileNotFoundError:
            return  # taken in this moment
        except FileExistsError:
            if os.path.samestat(source.lstat(), target.lstat()):  # a crash between link and unlink (`move_new`)
                self._remove(source)
            # Otherwise another file has that name in spool/inbound by now: it is looked at by itself, or what is in its way stays here.

    def _remove(self, path: Path) -> None:
        if not os.path.lexists(path):
            return
        try:
            self._disk.unlink(path)
        except FileNotFoundError:
            return

    def _directory(self, path: Path) -> None:
        if not path.is_dir():
            make_directory(path, SHARED, self._disk)
            path.chmod(SHARED)  # whatever the umask: the importer works here by its group

    def _last_shown(self) -> int:
        """The highest number of a batch that still lies here: a journal that was lost must not name it again."""
        numbers = (path.name.rpartition("-")[2] for path in self._folder.iterdir())
        return max((int(number) for number in numbers if number.isascii() and number.isdigit()), default=0)

    def _source(self, entry: Entry) -> Path:
        return self._settings.home.inbound / entry.flow / entry.partner / entry.name

    def _moment(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment, self._zone)

    def _partner_name(self, code: str) -> str:
        partner = self._settings.partners.get(code)
        return code if partner is None else partner.name


def _names(file: str) -> tuple[str, ...]:
    """What a document is called in its batch, and what lies beside it there."""
    return (file, *(f"{file}{ending}" for ending in BESIDE))


def _lying_beside(folder: Path, filed: Sequence[Filed]) -> Iterator[dict[str, Any]]:
    for each in filed:
        for name in _names(each.file)[1:]:
            if (sha256 := digest(folder / name)) is not None:
                yield {"file": name, "size": (folder / name).lstat().st_size, "sha256": sha256}


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise DiskFailed(f"{doing}: all of spool has to be on one file system") from error
        raise disk_error(error, doing) from error
