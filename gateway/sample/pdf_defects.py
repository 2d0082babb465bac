"""The ways in which a sample PDF can be unfit, each with the code of the finding that it must lead to.

Objects are changed and added by an incremental update (ISO 32000-1, 7.5.6): the valid file stays, and the changes follow it.
Only files of `sample.laid` can be updated so; KeyError where an object is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Spoil = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Defect:
    code: str
    spoil: Spoil


def _object_holding(pdf: bytes, mark: bytes) -> tuple[int, bytes]:
    """Number and body of the first object whose dictionary holds `mark`."""
    for match in re.finditer(rb"(?m)^([0-9]+) 0 obj\n(<<.*?>>\s*)(?:endobj|stream)", pdf, re.DOTALL):
        if mark in match[2]:
            return int(match[1]), match[2].rstrip()
    raise KeyError(mark)


def _update(pdf: bytes, objects: Mapping[int, bytes]) -> bytes:
    """The file with some objects replaced or added."""
    trailer = pdf[pdf.rindex(b"trailer") :]
    size = max(_number(trailer, rb"/Size ([0-9]+)"), *(number + 1 for number in objects))
    out = bytearray(pdf)
    table = bytearray(b"xref\n")
    for number, body in sorted(objects.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    previous, root = _number(trailer, rb"startxref\s+([0-9]+)"), _number(trailer, rb"/Root ([0-9]+) 0 R")
    out += table
    out += b"trailer\n<< /Size %d /Root %d 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, previous, start)
    return bytes(out)


def _number(text: bytes, pattern: bytes) -> int:
    match = re.search(pattern, text)
    if match is None:
        raise KeyError(pattern)
    return int(match[1])


def _free(pdf: bytes) -> int:
    """The number of an object that the file does not have yet."""
    return _number(pdf[pdf.rindex(b"trailer") :], rb"/Size ([0-9]+)")


def _extend(mark: bytes, entries: bytes, *added: bytes) -> Spoil:
    """Adds entries to the object that holds `mark`, and new objects; `@0` in either stands for the first new one."""

    def spoil(pdf: bytes) -> bytes:
        number, body = _object_holding(pdf, mark)
        free = _free(pdf)

        def numbered(text: bytes) -> bytes:
            return text.replace(b"@0", b"%d 0 R" % free).replace(b"@1", b"%d 0 R" % (free + 1))

        objects = {number: body[:-2] + numbered(entries) + b" >>"}
        objects.update({free + offset: numbered(text) for offset, text in enumerate(added)})
        return _update(pdf, objects)

    return spoil


def _catalog(entries: bytes, *added: bytes) -> Spoil:
    return _extend(b"/Type /Catalog", entries, *added)


def _annotation(body: bytes, *added: bytes) -> Spoil:
    """A link or the like over the first page."""
    return _extend(b"/Type /Page\n", b" /Annots [ @0 ]", b"<< /Type /Annot /Rect [0 0 99 99] " + body + b" >>", *added)


def _action(body: bytes) -> Spoil:
    return _annotation(b"/Subtype /Link /A << " + body + b" >>")


def _no_pages(pdf: bytes) -> bytes:
    number, _ = _object_holding(pdf, b"/Type /Pages")
    return _update(pdf, {number: b"<< /Type /Pages /Count 0 /Kids [] >>"})


def _huge_image(pdf: bytes) -> bytes:
    body = b"<< /Type /XObject /Subtype /Image /Width 65000 /Height 65000 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    return _update(pdf, {_free(pdf): body + b" /Length 1 >>\nstream\n0\nendstream"})


_SCRIPT: Final = b"(app.alert\\(1\\))"

DEFECTS: Final[Mapping[str, Defect]] = MappingProxyType(
    {
        "empty": Defect("file-empty", lambda _: b""),
        "not-pdf": Defect("pdf-not-pdf", lambda pdf: b"{\\rtf1 Claim}\n" + pdf),
        "truncated": Defect("pdf-unreadable", lambda pdf: pdf[: len(pdf) * 2 // 3]),
        "damaged-table": Defect("pdf-unreadable", lambda pdf: pdf.replace(b"startxref\n", b"startxref\n1", 1)),
        "trailing-data": Defect("pdf-trailing-data", lambda pdf: pdf + b"PK\x03\x04 and more"),
        "no-pages": Defect("pdf-no-pages", _no_pages),
        "huge-image": Defect("pdf-image-too-large", _huge_image),
        "javascript": Defect(
            "pdf-javascript",
            _catalog(b" /Names << /JavaScript << /Names [(a) @0] >> >>", b"<< /S /JavaScript /JS " + _SCRIPT + b" >>"),
        ),
        "obfuscated-javascript": Defect("pdf-javascript", _action(b"/#53 /J#61vaScr#69pt /#4aS " + _SCRIPT)),
        "open-action": Defect("pdf-open-action", _catalog(b" /OpenAction << /S /Named /N /Print >>")),
        "launch": Defect("pdf-launch", _action(b"/S /Launch /F (calc.exe)")),
        "embedded-file": Defect(
            "pdf-embedded-file",
            _catalog(
                b" /Names << /EmbeddedFiles << /Names [(a.exe) @0] >> >>",
                b"<< /Type /Filespec /F (a.exe) /EF << /F @1 >> >>",
                b"<< /Type /EmbeddedFile /Length 2 >>\nstream\nMZ\nendstream",
            ),
        ),
        "xfa": Defect(
            "pdf-xfa",
            _catalog(b" /AcroForm << /Fields [] /XFA @0 >>", b"<< /Length 6 >>\nstream\n<xdp/>\nendstream"),
        ),
        "rich-media": Defect("pdf-rich-media", _annotation(b"/Subtype /RichMedia")),
        "uri": Defect("pdf-external", _action(b"/S /URI /URI (http://example.invalid/)")),
        "submit-form": Defect("pdf-external", _action(b"/S /SubmitForm /F (http://example.invalid/)")),
    }
)
