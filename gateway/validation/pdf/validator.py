"""Decide whether a PDF may travel as a LAID: readable to the last object, and without active content.

Every object of the file is judged, referred to or not, those in object streams too. A file that qpdf reads without a warning
is judged as it is. Otherwise `xref_tables` looks through it. Where only the form of its table is odd, and every reader has to
find the same objects, qpdf reads a plain copy in memory, which is judged by the same rules and must give no warning. Anything
else is refused, since a reader that repairs a file decides for itself what the file says.

The file is opened for reading only and never altered. Page contents and pictures are not judged; what all streams unpack to is
bounded (`PdfLimits.max_content`), for whoever opens the file later. `PdfLimits.max_unpacked` bounds what qpdf itself unpacks,
and the sandbox's limits stand behind both.

Raises DiskFailed where the file cannot be read at all, and nothing for what it holds. The layout of a LAID is not public: no
rule asks what is written on its pages, or for which authority.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pikepdf import settings

from gateway.errors import DiskFailed
from gateway.validation.contract import Finding, Report
from gateway.validation.pdf.links import LINKS
from gateway.validation.pdf.plain_copy import plain_copy
from gateway.validation.pdf.reading import PdfLimits, Reading, read, unpack, unreadable
from gateway.validation.pdf.words import MESSAGES, Trouble
from gateway.validation.pdf.xref_sections import TableFault
from gateway.validation.pdf.xref_tables import WHITE, survey

__all__ = ["PdfLimits", "PdfValidator"]

SCHEMA: Final = "laid/1.0"
DEFAULT_LIMITS: Final = PdfLimits()
_HEAD: Final = re.compile(rb"%PDF-[12]\.[0-9][\t\n\f\r ]")
_END: Final = b"%%EOF"
_LONGEST_COMMENT: Final = 0xFFFF
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_BYTES: Final = 22


class PdfValidator:
    """A `Validator` for LAIDs. Not for use by two threads at once: qpdf's bounds are one set for the whole process.

    `links` are the kinds of address (of `pdf_links.KNOWN`) that a link may lead to which a person has to click.
    """

    def __init__(self, limits: PdfLimits = DEFAULT_LIMITS, links: Iterable[str] = LINKS) -> None:
        self._limits = limits
        self._links = frozenset(links)

    def validate(self, path: Path) -> Report:
        """Every rule the file breaks, each with the number of the object that breaks it; `records` counts the pages."""
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(0)
                content = file.read(min(size, self._limits.max_bytes) + 1)  # never more room than the file needs
        except OSError as error:
            raise DiskFailed("The file to validate cannot be read.") from error
        return self._validate(content, path)

    def validate_bytes(self, content: bytes) -> Report:
        """The same for a file in memory."""
        return self._validate(content, io.BytesIO(content))

    def _validate(self, content: bytes, source: Path | io.BytesIO) -> Report:
        framed = _frame(content, self._limits.max_bytes)
        if framed is not None:
            return self._report([framed], None)
        settings.set_qpdf_limits(
            flate_max_memory=self._limits.max_unpacked,
            run_length_max_memory=self._limits.max_unpacked,
            png_max_memory=self._limits.max_unpacked,
            tiff_max_memory=self._limits.max_unpacked,
            max_stream_filters=4,
        )
        reading = read(source, self._limits, self._links)
        if not reading.troubles or reading.ended:
            return self._report([*reading.findings, *reading.tree], reading.pages)
        return self._read_again(content, reading)

    def _read_again(self, content: bytes, first: Reading) -> Report:
        """Judge a file that qpdf could not read, or only with warnings."""
        content = content.rstrip(WHITE)
        try:
            layout = survey(content, self._limits.max_objects, unpack)
            copy = plain_copy(content, layout)
        except TableFault as fault:
            return self._report([*first.findings, unreadable(fault.trouble, fault.where)], None)
        if layout.revised and not self._is_sound_before(content):
            return self._report([*first.findings, unreadable(Trouble.EARLIER, "document")], None)
        again = read(io.BytesIO(copy), self._limits, self._links, layout)
        return self._report([*first.findings, *again.findings, *again.tree, *again.troubles], again.pages)

    def _is_sound_before(self, content: bytes) -> bool:
        """Whether what was there before the last update is a PDF that qpdf reads without a warning, and that would pass.

        Readers that look through the file for objects come across it.
        """
        before = content[: content.rfind(_END, 0, len(content) - len(_END)) + len(_END)]
        reading = read(io.BytesIO(before), self._limits, self._links)
        return not (reading.troubles or reading.findings or reading.tree)

    def _report(self, findings: Iterable[Finding], pages: int | None) -> Report:
        told = tuple(dict.fromkeys(findings))
        facts = {} if pages is None else {"records": str(pages)}
        return Report(SCHEMA, told[: self._limits.max_findings], len(told), facts)


def _frame(content: bytes, most: int) -> Finding | None:
    """What is wrong with head, end or size, before any library sees the file."""
    if not content:
        return _plainly("file-empty", "document")
    if _HEAD.match(content) is None:
        return _plainly("pdf-not-pdf", "first line")
    if len(content) > most:
        return _plainly("pdf-too-large", "document")
    end = content.rfind(_END) + len(_END)
    if end < len(_END):
        return unreadable(Trouble.NO_END, "end of file")
    if content[end:].strip(WHITE) or _ends_as_zip(content, end):
        return _plainly("pdf-trailing-data", "end of file")
    return None


def _ends_as_zip(content: bytes, end: int) -> bool:
    """Whether the file can be opened as a ZIP archive too: an end record whose comment runs to the end, or into the padding."""
    lowest = max(0, end - _LONGEST_COMMENT - _ZIP_END_BYTES)
    start = content.rfind(_ZIP_END, lowest)
    while start >= 0:
        if start + _ZIP_END_BYTES + int.from_bytes(content[start + 20 : start + 22], "little") >= end:
            return True
        start = content.rfind(_ZIP_END, lowest, start)
    return False


def _plainly(code: str, where: str) -> Finding:
    return Finding(code, where, MESSAGES[code])
