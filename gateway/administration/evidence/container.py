"""The file that evidence is given out in: a ZIP whose comment is a signature over every byte before it.

Nothing is compressed, no member has a time, an owner or a comment, and nothing lies between members: the same content gives the
same bytes, and the sizes of the members add up to that of the file. Members are written as they come, in bounded memory; the
file gets its name once it is whole and durable, and never replaces another.

Raises UsageWrong where the name is taken, or where what is asked for is more than such a file can hold; DiskFull, DiskFailed.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from gateway.errors import UsageWrong
from gateway.logs import safe_text
from gateway.storage.durable import (
    DISK,
    discard,
    disk_error,
    move_new,
    open_temporary,
    sync_directory,
    temporary_beside,
)

LINES: Final = 4 * 1024 * 1024
"""Bytes of lines after which another member begins: whoever looks into one opens a file of a size that editors bear."""

MANIFEST: Final = "manifest.json"

Sign = Callable[[bytes], bytes]
"""A detached signature over a message."""

_PIECE: Final = 1 << 20
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = 0o100644 << 16
_UNIX: Final = 3
_TOO_MUCH: Final = "It is more than a ZIP file of 2 GiB and 65,000 members can hold: ask for a shorter period."
MOST_MEMBERS: Final = 65_000


class Container:
    """A ZIP that is being written. Made by `container`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.sign: Sign | None = None
        """What signs the whole, once `seal` was called."""

    def add(self, name: str, pieces: Iterable[bytes]) -> str:
        """A member of these bytes. Its SHA-256."""
        if len(self._archive.filelist) >= MOST_MEMBERS:
            raise UsageWrong(_TOO_MUCH)
        digest = hashlib.sha256()
        with self._archive.open(_member(name), "w") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
        return digest.hexdigest()

    def add_lines(self, directory: str, values: Iterable[Any]) -> None:
        """Members of about LINES bytes each, one JSON value a line."""
        for number, lines in enumerate(_grouped(values), 1):
            self.add(f"{directory}/{number:05d}.jsonl", lines)

    def seal(self, told: Mapping[str, Any], sign: Sign) -> None:
        """The manifest, as the last member, and what signs the file when all is in it."""
        self.add(MANIFEST, [orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)])
        self.sign = sign


@contextmanager
def container(target: Path) -> Iterator[Container]:
    """A new file of evidence, readable by its owner alone; there at the end of the block, or not at all."""
    refuse_taken(target)
    temporary = temporary_beside(target)
    try:
        descriptor = open_temporary(temporary, b"", 0o600, DISK)
    except OSError as error:
        raise disk_error(error, "the evidence cannot be written") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
                filled = Container(archive)
                yield filled
            file.flush()
            if filled.sign is not None:
                _sign(file, temporary, filled.sign)
                file.flush()
            os.fsync(descriptor)
        move_new(temporary, target)
        sync_directory(target.parent)
    except FileExistsError as error:
        raise _taken(target) from error
    except zipfile.LargeZipFile as error:
        raise UsageWrong(_TOO_MUCH) from error
    except PermissionError:
        raise  # of something that is read: the caller knows what it may not look at
    except OSError as error:
        raise disk_error(error, "the evidence cannot be written") from error
    finally:
        discard(temporary, DISK)


def refuse_taken(target: Path) -> None:
    """UsageWrong where there is a file of that name, before any work is done for it."""
    if os.path.lexists(target):
        raise _taken(target)


def _taken(target: Path) -> UsageWrong:
    return UsageWrong(f"{safe_text(str(target))} is there already: choose another name.")


def _sign(file: BinaryIO, path: Path, sign: Sign) -> None:
    """Make the ZIP's comment a signature over the digest of all that is before the comment and the two bytes of its length."""
    digest, left = hashlib.sha256(), file.seek(-2, os.SEEK_END)
    with path.open("rb") as written:
        while piece := written.read(min(_PIECE, left)):
            digest.update(piece)
            left -= len(piece)
    signature = sign(f"evidence {digest.hexdigest()}".encode())
    file.write(len(signature).to_bytes(2, "little") + signature)


def _grouped(values: Iterable[Any]) -> Iterator[list[bytes]]:
    lines, size = [], 0
    for value in values:
        lines.append(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
        size += len(lines[-1])
        if size >= LINES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _member(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name, _EPOCH)
    found.create_system, found.external_attr = _UNIX, _PLAIN_FILE
    return found
