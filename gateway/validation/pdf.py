"""Decide whether a PDF may travel as a LAID: readable to the last object, and nothing in it that acts.

Every object of the file is looked at, referred to or not, those inside object streams too. What qpdf cannot read, or reads with a
warning, is refused: a reader that repairs a file decides for itself what the file says. The file is opened for reading only and
never altered; page contents and pictures are not looked at, but what all streams unpack to is counted and bounded
(`PdfLimits.max_content`), for the sake of whoever opens the file later. What qpdf itself has to unpack is bounded by
`PdfLimits.max_unpacked`, and the sandbox's limits stand behind both.

Raises DiskFailed where the file cannot be read at all, and nothing for what it holds. The layout of a LAID is not public: no rule
here asks what is written on its pages, or for which authority.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import pikepdf
from pikepdf import settings

from gateway.errors import DiskFailed
from gateway.validation.contract import Finding, Report
from gateway.validation.pdf_pages import PageTreeFault, count_pages
from gateway.validation.pdf_rules import MESSAGES, judge, suspicious
from gateway.validation.pdf_syntax import OPAQUE, Reference, TooDeep, Value, parse
from gateway.validation.pdf_weight import TooHeavy, unpacked_size

SCHEMA: Final = "laid/1.0"


@dataclass(frozen=True)
class PdfLimits:
    """How much PDF is too much. Sizes are in bytes, `max_pixels` in points of one picture."""

    max_bytes: int = 16 * 1024 * 1024
    max_objects: int = 50_000
    max_pages: int = 200
    max_depth: int = 64
    max_pixels: int = 100_000_000
    max_unpacked: int = 64 * 1024 * 1024
    max_content: int = 512 * 1024 * 1024
    max_findings: int = 50


class _Refused(ValueError):
    """The file breaks a rule that makes further reading pointless; `args` are the code and the place."""


_FAILURES: Final = (pikepdf.PikepdfError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError)
"""What pikepdf raises for what a file holds: its own errors, and C++ exceptions as pybind translates them."""
_OBJECT_NAMED = re.compile(r"object (\d{1,10} \d{1,5})\b")
_WHITESPACE: Final = b"\x00\t\n\f\r "
_HEAD: Final = re.compile(rb"%PDF-[12]\.[0-9][\t\n\f\r ]")
_TAIL_BYTES: Final = 66 * 1024  # the longest end record of a ZIP archive, and then some
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_BYTES: Final = 22


class PdfValidator:
    """A `Validator` for LAIDs. Not for use by two threads at once: qpdf's bounds are one set for the whole process."""

    def __init__(self, limits: PdfLimits = PdfLimits()) -> None:
        self._limits = limits

    def validate(self, path: Path) -> Report:
        """Every rule the file breaks, each with the number of the object that breaks it; `records` counts the pages."""
        return self._validate(path)

    def validate_bytes(self, content: bytes) -> Report:
        """The same for a file in memory."""
        return self._validate(io.BytesIO(content))

    def _validate(self, source: Path | io.BytesIO) -> Report:
        findings: list[Finding] = []
        facts: dict[str, str] = {}
        try:
            with contextlib.nullcontext(source) if isinstance(source, io.BytesIO) else source.open("rb") as file:
                self._frame(file)
            self._bound_qpdf()
            with pikepdf.open(
                source, attempt_recovery=False, suppress_warnings=True, inherit_page_attributes=False
            ) as pdf:
                findings.extend(self._objects(pdf))
                facts["records"] = str(self._pages(pdf))
                findings.extend(_warnings(pdf))
        except pikepdf.PasswordError:
            findings.append(_finding("pdf-encrypted", "document"))
        except _Refused as refusal:
            findings.append(_finding(*refusal.args))
        except MemoryError:
            findings.append(_finding("pdf-exhausting", "document"))
        except OSError as error:
            raise DiskFailed("The file to validate cannot be read.") from error
        except _FAILURES as error:
            findings.append(_finding("pdf-unreadable", _place_of(str(error))))
        return Report(SCHEMA, tuple(findings[: self._limits.max_findings]), len(findings), facts)

    def _bound_qpdf(self) -> None:
        settings.set_qpdf_limits(
            flate_max_memory=self._limits.max_unpacked,
            run_length_max_memory=self._limits.max_unpacked,
            png_max_memory=self._limits.max_unpacked,
            tiff_max_memory=self._limits.max_unpacked,
            max_stream_filters=4,
        )

    def _frame(self, file: BinaryIO) -> None:
        """Head, tail and size, before any library sees the file."""
        head = file.read(9)
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
        if not head:
            raise _Refused("file-empty", "document")
        if _HEAD.match(head) is None:
            raise _Refused("pdf-not-pdf", "first line")
        if size > self._limits.max_bytes:
            raise _Refused("pdf-too-large", "document")
        end = tail.rfind(b"%%EOF")
        if end < 0:
            raise _Refused("pdf-unreadable", "end of file")
        if tail[end + 5 :].strip(_WHITESPACE) or _ends_as_zip(tail):
            raise _Refused("pdf-trailing-data", "end of file")

    def _objects(self, pdf: pikepdf.Pdf) -> Iterator[Finding]:
        if pdf.is_encrypted:
            raise _Refused("pdf-encrypted", "document")
        yield from self._examine(pdf, "trailer", pdf.trailer.unparse(resolved=True), stream=False)
        objects = pdf.objects
        if len(objects) > self._limits.max_objects:
            raise _Refused("pdf-too-many-objects", "document")
        room = self._limits.max_content
        for item in objects:
            text = _text_of(item)
            stream = text.endswith(b" R") and isinstance(item, pikepdf.Stream)
            if stream:
                text = item.stream_dict.unparse(resolved=True)
                room -= _weigh(item, room)
            yield from self._examine(pdf, item, text, stream=stream)

    def _examine(self, pdf: pikepdf.Pdf, item: pikepdf.Object | str, text: bytes, *, stream: bool) -> Iterator[Finding]:
        limits = self._limits
        deep = text.count(b"<<") + text.count(b"[") > limits.max_depth
        if not deep and not suspicious(text, stream=stream):
            return
        where = item if isinstance(item, str) else "object {} {}".format(*item.objgen)
        try:
            value = parse(text, limits.max_depth)
        except TooDeep:
            yield _finding("pdf-too-deep", where)
            return
        for code in sorted(judge(value, self._resolver(pdf), stream=stream, max_pixels=limits.max_pixels)):
            yield _finding(code, where)

    def _resolver(self, pdf: pikepdf.Pdf) -> _Resolver:
        return _Resolver(pdf, self._limits.max_depth)

    def _pages(self, pdf: pikepdf.Pdf) -> int:
        try:
            pages = count_pages(
                parse(pdf.trailer.unparse(resolved=True), self._limits.max_depth),
                self._resolver(pdf),
                self._limits.max_pages,
                self._limits.max_depth,
            )
        except PageTreeFault as fault:
            raise _Refused(fault.code, fault.where) from fault
        except TooDeep as fault:
            raise _Refused("pdf-too-deep", "page tree") from fault
        return pages


class _Resolver:
    """Follows references within one open document, a few steps at most."""

    def __init__(self, pdf: pikepdf.Pdf, max_depth: int) -> None:
        self._pdf = pdf
        self._max_depth = max_depth

    def __call__(self, value: Value) -> Value:
        for _ in range(4):
            if not isinstance(value, Reference):
                return value
            value = parse(_text_of(self._pdf.get_object(value.number, value.generation)), self._max_depth)
        return OPAQUE


def _weigh(stream: pikepdf.Object, most: int) -> int:
    """The bytes that a stream unpacks to."""
    named = stream.stream_dict.get("/Filter")
    if named is None:
        return 0
    filters = [str(name) for name in named] if isinstance(named, pikepdf.Array) else [str(named)]
    try:
        return unpacked_size(stream.read_raw_bytes(), filters, most)
    except TooHeavy as fault:
        raise _Refused("pdf-exhausting", "object {} {}".format(*stream.objgen)) from fault


def _text_of(item: object) -> bytes:
    """An object as qpdf writes it; pikepdf gives numbers, booleans and null as Python's own."""
    if isinstance(item, pikepdf.Object):
        return item.unparse(resolved=True)
    return b"%d" % item if isinstance(item, int) else b"null"


def _warnings(pdf: pikepdf.Pdf) -> Iterator[Finding]:
    """Each place that qpdf warned about. Its words may quote the file: only the object's number is taken."""
    places = dict.fromkeys(_place_of(str(warning)) for warning in pdf.get_warnings())
    return (_finding("pdf-unreadable", place) for place in places)


def _place_of(words: str) -> str:
    named = _OBJECT_NAMED.search(words)
    return f"object {named[1]}" if named else "document"


def _ends_as_zip(tail: bytes) -> bool:
    """Whether the file can be opened as a ZIP archive too: an end record whose comment runs exactly to the end."""
    start = tail.rfind(_ZIP_END)
    while start >= 0:
        comment = int.from_bytes(tail[start + 20 : start + 22], "little")
        if start + _ZIP_END_BYTES + comment == len(tail):
            return True
        start = tail.rfind(_ZIP_END, 0, start)
    return False


def _finding(code: str, where: str) -> Finding:
    return Finding(code, where, MESSAGES[code])
