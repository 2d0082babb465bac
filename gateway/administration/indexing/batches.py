"""Batch folders: `spool/batches/TEMPLATE/TEMPLATE-TIME-NUMBER/`, each there whole or not at all, and every document in one of them.

A batch is opened by a line in the journal that names its documents; they are moved into a hidden folder, the index, the manifest and
at last the marker are written there, and one rename shows the folder. A crash leaves an open batch, and the next run goes on with it:
a document lies in spool/inbound or in that folder, never in both, since it is moved and not copied. An open batch without a hidden
folder is one that was shown. Only one process at a time may work on a template's folder.

Raises DiskFull and DiskFailed. The documents' bytes are compared with the ledger's digests where they lie at last; what is not the
delivered file goes back to spool/inbound.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.administration.indexing.forms import Filed, index_name, render, values
from gateway.administration.indexing.inbound import BESIDE, digest
from gateway.errors import DiskFailed
from gateway.ledger.units import Transfer
from gateway.settings.directories import SHARED
from gateway.settings.index_templates import Template
from gateway.settings.model import Settings
from gateway.settings.naming import MARKER
from gateway.storage.directory_walk import is_plain
from gateway.storage.durable import DISK, Disk, disk_error, make_directory, move_new, sync_directory, write_file
from gateway.storage.file_group import write_files

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
DONE: Final = "done"
_JOURNAL: Final = ".journal.json"
_FILE_MODE: Final = 0o640


@dataclass(frozen=True)
class Entry:
    """A document of an open batch: where it was delivered, its transfer, and what it is called in the batch."""

    flow: str
    partner: str
    name: str
    transfer: str
    file: str


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


@dataclass(frozen=True)
class _Journal:
    """The number of the last batch that was opened; its name and its documents while it is open."""

    number: int = 0
    batch: str = ""
    open: tuple[Entry, ...] = ()


def unfinished(settings: Settings, known: Collection[str]) -> list[str]:
    """Folders of templates that are not among these, and have a batch that a crash left open."""
    try:
        names = sorted(path.name for path in settings.home.batches.iterdir() if path.name not in known)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(error, "looking through spool/batches") from error
    return [name for name in names if _journal_in(settings.home.batches / name).open]


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
        self._zone = ZoneInfo(settings.site.time_zone)

    def resume(self, look_up: LookUp) -> Batch | None:
        """Go on with the batch that a crash left open; None where there is none, or where it had been shown."""
        journal = _journal_in(self._folder)
        return self._make(journal, look_up) if journal.open else None

    def make(self, entries: Sequence[Entry], look_up: LookUp) -> Batch | None:
        """Make one batch of these documents; None where none of them is there any more."""
        for directory in (self._settings.home.batches, self._folder):
            self._directory(directory)
        number = max(_journal_in(self._folder).number, self._last_shown()) + 1
        # With the time in it no two batches have one name, also where the journal is an older copy.
        opened = datetime.fromtimestamp(self._clock(), UTC)
        journal = _Journal(number, f"{self._template.name}-{opened:%Y%m%dT%H%M%SZ}-{number:06d}", tuple(entries))
        self._directory(self._hidden(journal))  # before the journal: an open batch without it was shown
        self._write(journal)
        return self._make(journal, look_up)

    def _make(self, journal: _Journal, look_up: LookUp) -> Batch | None:
        hidden, name = self._hidden(journal), journal.batch
        made: Batch | None = None
        with _translated("making a batch"):
            if hidden.is_dir():
                rows = look_up(journal.open)
                given_back = self._fill(hidden, journal.open, rows)
                filed = self._filed(hidden, name, journal.open, rows)
                self._clear(hidden, journal.open)
                if not filed:
                    self._write(_Journal(journal.number - 1))  # so that its number is not missed
                    hidden.rmdir()
                    return Batch("", self._template.name, 0, 0, given_back) if given_back else None
                self._describe(hidden, name, filed)
                self._disk.rename(hidden, self._folder / name)
                sync_directory(self._folder, self._disk)
                made = Batch(name, self._template.name, len(filed), sum(each.row.size for each in filed), given_back)
        self._write(_Journal(journal.number))
        return made

    def _fill(self, hidden: Path, entries: Sequence[Entry], rows: dict[str, Transfer]) -> tuple[Entry, ...]:
        """Move the documents and what lies beside them into the folder, durably; those that went back."""
        given_back = []
        for entry in entries:
            row = rows.get(entry.transfer)
            source, target = self._source(entry), hidden / entry.file
            if row is not None:
                for ending in (*BESIDE, ""):
                    self._move(_beside(source, ending), _beside(target, ending))
                self._remove(_beside(source, MARKER))
            if os.path.lexists(target) and (row is None or digest(target) != row.sha256):
                given_back.append(entry)
                for ending in (*BESIDE, ""):
                    self._move(_beside(target, ending), _beside(source, ending))
        sync_directory(hidden, self._disk)  # where they are now, before where they were
        for directory in dict.fromkeys(self._source(entry).parent for entry in entries):
            sync_directory(directory, self._disk)
        return tuple(given_back)

    def _filed(self, hidden: Path, batch: str, entries: Sequence[Entry], rows: dict[str, Transfer]) -> list[Filed]:
        """The documents that the folder holds, in order."""
        there = [entry for entry in entries if entry.transfer in rows and os.path.lexists(hidden / entry.file)]
        now = self._moment(self._clock())
        filed = []
        for number, entry in enumerate(there, 1):
            row, name = rows[entry.transfer], self._partner_name(entry.partner)
            filed.append(Filed(row, entry.file, number, batch, self._moment(row.created), now, name))
        return filed

    def _describe(self, hidden: Path, batch: str, filed: Sequence[Filed]) -> None:
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
        others += _lying_beside(hidden, filed)
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
        write_files({hidden / name: content for name, content in contents.items()}, mode=_FILE_MODE, disk=self._disk)
        write_file(hidden / DONE, b"", mode=_FILE_MODE, disk=self._disk)

    def _document(self, each: Filed) -> dict[str, Any]:
        row = each.row
        about = {"transfer": row.id, "flow": row.flow, "partner": row.partner}
        index = index_name(self._template, each.file)
        return {"file": each.file, "size": row.size, "sha256": row.sha256, **about, "index": index}

    def _clear(self, hidden: Path, entries: Sequence[Entry]) -> None:
        """Remove what an attempt that ended early wrote, and what lies beside a document and is no file."""
        known = {name for entry in entries for name in _names(entry.file)}
        for path in hidden.iterdir():
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

    def _write(self, journal: _Journal) -> None:
        write_file(self._folder / _JOURNAL, json.dumps(asdict(journal)).encode(), disk=self._disk)

    def _hidden(self, journal: _Journal) -> Path:
        return self._folder / f".{journal.batch}.part"

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


def _lying_beside(hidden: Path, filed: Sequence[Filed]) -> Iterator[dict[str, Any]]:
    for each in filed:
        for name in _names(each.file)[1:]:
            if (sha256 := digest(hidden / name)) is not None:
                yield {"file": name, "size": (hidden / name).lstat().st_size, "sha256": sha256}


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise DiskFailed(f"{doing}: spool/batches and spool/inbound have to be on one file system") from error
        raise disk_error(error, doing) from error


def _journal_in(folder: Path) -> _Journal:
    """The journal of a template's folder; DiskFailed where it is none of ours."""
    try:
        text = (folder / _JOURNAL).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return _Journal()
    except OSError as error:
        raise disk_error(error, "reading the journal of batches") from error
    try:
        said = json.loads(text)
        return _Journal(int(said["number"]), str(said["batch"]), tuple(Entry(**each) for each in said["open"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DiskFailed(f"{_JOURNAL} of {folder.name} is damaged") from error
