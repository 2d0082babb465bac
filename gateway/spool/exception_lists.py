"""Lists of the exceptions of files: kept in state/exceptions, and read back for those who get one beside a file.

A list is CSV as RFC 4180 has it, with a header row: row, field, code, message. Raises DiskFull and DiskFailed; ValueError for an
id that is none, so that no name from outside becomes a path. A list is durable before a row speaks of it, and the same file
makes the same list, so that writing it again after a crash changes nothing.

No row has the digest of a list. So one that does not lie on this machine is looked for by its name alone, here and nowhere else.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from gateway.domain.identity import is_id
from gateway.storage.durable import DISK, Disk, disk_error, make_directory
from gateway.storage.file_group import write_files
from gateway.storage.payloads import Payloads

ENDING: Final = ".exceptions.csv"
"""NAME.exceptions.csv is what people get: beside the delivered file, and beside the receipt."""
HEADER: Final = ("row", "field", "code", "message")
_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o750


class Listed(NamedTuple):
    """One line of a list; see `validation.contract.RecordException`."""

    row: int
    field: str
    code: str
    message: str


class ListKey(NamedTuple):
    """Which transfer a list is about: `direction` is in or out, and an id is one partner's."""

    direction: str
    partner: str
    transfer: str


class ExceptionLists:
    """The lists of one site, below `root`, with all nodes' in `payloads`."""

    def __init__(self, root: Path, payloads: Payloads, disk: Disk = DISK) -> None:
        self._root = root
        self._payloads = payloads
        self._disk = disk

    def keep(self, lists: Mapping[ListKey, Iterable[Listed]]) -> None:
        """Write these lists down, durably and all together; one that is there already is replaced."""
        for directory in dict.fromkeys(self._path(key).parent for key in lists):
            make_directory(directory, _DIRECTORY_MODE, self._disk)
        contents = {self._path(key): to_csv(listed) for key, listed in lists.items()}
        write_files(contents, mode=_MODE, disk=self._disk)
        if contents:
            self._payloads.keep({path: hashlib.sha256(content).hexdigest() for path, content in contents.items()})

    def read(self, key: ListKey) -> bytes | None:
        """The list as CSV; None where there is none."""
        path = self._path(key)
        try:
            if not path.exists():
                for _, sha256 in self._payloads.names(path):
                    self._payloads.fetch(path, sha256)
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error(error, "reading a list of exceptions") from error

    def kept(self) -> Iterator[ListKey]:
        """The lists that there are, on this machine and at all nodes."""
        there = {path for path, _ in self._payloads.names(self._root)}
        for path in sorted(there.union(self._root.glob("*/*/*.csv"))):
            yield ListKey(path.parent.parent.name, path.parent.name, path.stem)

    def forget(self, key: ListKey) -> None:
        """Remove the list, if there is one. To be called once its row is erased."""
        path = self._path(key)
        for _, sha256 in self._payloads.names(path):
            self._payloads.forget(path, sha256)
        with suppress(FileNotFoundError):
            self._disk.unlink(path)

    def _path(self, key: ListKey) -> Path:
        if not is_id(key.transfer):
            raise ValueError("not the id of a transfer")
        return self._root / key.direction / key.partner / f"{key.transfer}.csv"


def to_csv(listed: Iterable[Listed]) -> bytes:
    """The list as it is kept and given to people."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(listed)
    return text.getvalue().encode()


def from_csv(content: bytes) -> list[Listed]:
    """What `to_csv` wrote."""
    rows = csv.reader(io.StringIO(content.decode(), newline=""))
    next(rows, None)
    return [Listed(int(row), field, code, message) for row, field, code, message in rows]
