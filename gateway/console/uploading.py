"""A form with a file, as it comes: the file goes to `state/uploads` piece by piece and never lies in memory, the other fields are kept.

The fields stand before the file in the form. So whether this form is the session's, and how long a file of that flow may be, is known
before its first byte is written. What is refused is read to its end and thrown away: a browser shows an answer only then. Raises
what the disk raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from gateway.domain.uploads import COMING
from gateway.storage.durable import disk_error, write_all

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_FIELDS: Final = 10
LONGEST_FIELD: Final = 4_000
FORM_BYTES: Final = 64 * 1024
"""Of the form beside its file."""


@dataclass(frozen=True)
class Came:
    """A form's fields, and its file: what it is called there, and its size in bytes. `fault` says why there is no file."""

    fields: dict[str, str]
    name: str
    size: int
    fault: str


Most = Callable[[dict[str, str]], int]
"""How many bytes the file may have, by the fields before it; 0 for none at all."""


async def receive(request: Request, target: Path, most: Most) -> Came:
    """Read a form whole; its file is `target` with COMING, durable, where there is no fault."""
    form = _Form(target.with_name(target.name + COMING), most)
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        return Came({}, "", 0, "This was sent as no form with a file.")
    parser = MultipartParser(boundary, form.callbacks)
    try:
        async for piece in request.stream():
            if not form.broken:
                await run_in_threadpool(_feed, parser, form, piece)
        if not form.broken:
            await run_in_threadpool(form.end)
        return form.came()
    finally:
        form.close()


def _feed(parser: MultipartParser, form: _Form, piece: bytes) -> None:
    try:
        parser.write(piece)
    except FormParserError:
        form.refuse("The form came broken: send it again.")
        form.broken = True
    except OSError as error:
        raise disk_error(error, "taking an upload in") from error


class _Form:
    """What the parser calls."""

    def __init__(self, target: Path, most: Most) -> None:
        self._target = target
        self._most = most
        self._fields: dict[str, str] = {}
        self._header = b""
        self._value = b""
        self._part: str | None = None
        self._text = bytearray()
        self._is_file = False
        self._file: int | None = None
        self._name = ""
        self._size = 0
        self._limit = 0
        self._whole = False
        self._fault = ""
        self.broken = False
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header,
            "on_header_value": self._on_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def refuse(self, why: str) -> None:
        """Throw the file away, and what comes of it."""
        self._fault = self._fault or why

    def end(self) -> None:
        """Everything has come: the file is made durable."""
        if self._file is not None and not self._fault:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise disk_error(error, "taking an upload in") from error

    def came(self) -> Came:
        """What came of it."""
        if not self._fault and not self._whole:
            self.refuse("Choose a file.")
        return Came(dict(self._fields), self._name, self._size, self._fault)

    def close(self) -> None:
        """Close the file; what is refused or did not come whole is removed."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            if self._fault or not self._whole:
                with suppress(FileNotFoundError):
                    self._target.unlink()

    def _begin(self) -> None:
        self._header, self._value, self._part, self._is_file = b"", b"", None, False
        self._text.clear()

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._part = options.get(b"name", b"").decode("utf-8", "replace")[:100]
            self._is_file = b"filename" in options
            if self._is_file:
                name = options[b"filename"].decode("utf-8", "replace")
                self._name = name.replace("\\", "/").rpartition("/")[2][:255]
        self._header, self._value = b"", b""

    def _headers(self) -> None:
        if not self._is_file:
            if len(self._fields) >= MOST_FIELDS:
                self.refuse("The form has more fields than it may have.")
            return
        if self._file is not None or self._whole or self._fault:
            self.refuse("One file at a time.")
            return
        self._limit = self._most(self._fields)
        if self._limit <= 0:
            self.refuse("The form is out of date: load the page again.")
            return
        if self._name:
            self._file = os.open(
                self._target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660
            )

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            self._text += data[start:end]
            if len(self._text) > LONGEST_FIELD:
                self.refuse("A field is longer than it may be.")
                self.broken = True
        elif self._file is not None and not self._fault:
            self._size += end - start
            if self._size > self._limit:
                self.refuse(f"The file is larger than the {self._limit:,} bytes that its flow allows.")
            else:
                write_all(self._file, data[start:end])

    def _end(self) -> None:
        if self._is_file:
            self._whole = self._file is not None
            if self._whole and self._size == 0:
                self.refuse("The file is empty.")
        elif self._part is not None and not self._fault:
            self._fields[self._part] = self._text.decode("utf-8", "replace")
