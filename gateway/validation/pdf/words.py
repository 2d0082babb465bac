"""The sentences of findings about PDFs: what is wrong with the file, and what its maker can do.

qpdf's messages may quote the file, so only the kind of trouble is taken from them. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_AGAIN: Final = " Print it to PDF again."

MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "file-empty": "The file is empty. Make it again.",
        "pdf-not-pdf": "The file does not begin as a PDF does, with %PDF- as its first characters." + _AGAIN,
        "pdf-unreadable": "The PDF is damaged, or is not written as the standard asks." + _AGAIN,
        "pdf-encrypted": "The PDF is locked with a password or with usage restrictions. Save it without them.",
        "pdf-trailing-data": "Other data follows the end of the PDF." + _AGAIN,
        "pdf-too-large": "The PDF is larger than the limit. Scan or save it with a lower resolution, or in parts.",
        "pdf-exhausting": "Something in the PDF unpacks to more than the limit." + _AGAIN,
        "pdf-too-many-objects": "The PDF has more objects than the limit." + _AGAIN,
        "pdf-too-many-pages": "The PDF has more pages than the limit. Send it in parts.",
        "pdf-too-deep": "The PDF is nested deeper than the limit." + _AGAIN,
        "pdf-no-pages": "The PDF has no pages. Make it again.",
        "pdf-image-too-large": "A picture in the PDF has more points than the limit. Scan it with a lower resolution.",
        "pdf-javascript": "The PDF holds a program (JavaScript)." + _AGAIN,
        "pdf-postscript": "The PDF holds a program (PostScript)." + _AGAIN,
        "pdf-launch": "The PDF asks to start another program." + _AGAIN,
        "pdf-embedded-file": "The PDF has another file attached inside it. Take it out, or print the PDF to PDF again.",
        "pdf-xfa": "The PDF is an XFA form, which can hold programs." + _AGAIN,
        "pdf-rich-media": "The PDF holds sound, film, or three-dimensional or other rich media." + _AGAIN,
        "pdf-open-action": "The PDF does something by itself when it is opened, printed or looked at." + _AGAIN,
        "pdf-external": "The PDF links to, loads from, or sends to a place outside itself." + _AGAIN,
    }
)
"""What a finding of each code says where nothing more is known."""


class Trouble(StrEnum):
    """What makes a PDF unreadable; each is a sentence of a finding `pdf-unreadable`."""

    NO_END = "The PDF has no end (%%EOF): it was cut short, or never finished. Send it again, or print it to PDF again."
    NO_TABLE = "The PDF's table of objects is not where the file says that it is." + _AGAIN
    TABLE_SYNTAX = "The PDF's table of objects is not written as the standard asks." + _AGAIN
    NO_SIZE = "The PDF's table of objects does not say how many objects there are." + _AGAIN
    NO_ROOT = "The PDF does not say which of its objects is its catalog." + _AGAIN
    SEVERAL_ROOTS = (
        "The PDF says in two ways which objects it begins with: readers may show different documents." + _AGAIN
    )
    SEVERAL_TABLES = "The PDF lists an object in two tables that contradict each other." + _AGAIN
    TOO_MANY = "The PDF's table of objects has more rows than the limit." + _AGAIN
    LEADS_ELSEWHERE = "The PDF's table of objects leads to a place where this object does not begin." + _AGAIN
    NOT_LISTED = (
        "The PDF's table is odd, and this object is in the file but not in the table: readers may differ." + _AGAIN
    )
    WITHIN_A_LINE = "The PDF's table is odd, and this object does not begin a line: readers may miss it." + _AGAIN
    EARLIER = "The PDF's table is odd, and an earlier version of the document in it cannot be read." + _AGAIN
    TWICE = "The PDF's table is odd, and this object is in the file more than once: readers may differ." + _AGAIN
    STREAM_LENGTH = "The PDF gives a wrong length, or none, for the data of this object." + _AGAIN
    STREAM_START = "The PDF does not set off the data of this object with the end of a line." + _AGAIN
    OBJECT_END = "This object of the PDF does not end as the standard asks (endobj)." + _AGAIN
    KEY_TWICE = "This object of the PDF says the same thing twice, and readers differ in which they believe." + _AGAIN
    NAME = "This object of the PDF has a name that is written wrongly." + _AGAIN
    CUT = "The PDF ends in the middle of an object: it was cut short. Send it again, or print it to PDF again."
    OBJECT = "This object of the PDF is not written as the standard asks." + _AGAIN
    UNPACKING = "The structure of the PDF cannot be unpacked: it is damaged, or larger than the limit." + _AGAIN
    FILTER = "This object of the PDF is packed in a way that the standard does not know." + _AGAIN
    NO_PICTURE = "This object of the PDF is packed as pictures are, and is used as something else." + _AGAIN
    DAMAGED = "The data of this object of the PDF do not begin as packed data do: they are damaged." + _AGAIN
    KIND = "This object of the PDF names its kind in a way that cannot be followed." + _AGAIN
    PAGES = "The PDF's tree of pages is not written as the standard asks." + _AGAIN
    UNKNOWN = MESSAGES["pdf-unreadable"]


_SIGNS: Final = (
    (r"duplicated key", Trouble.KEY_TWICE),
    (r"stream keyword", Trouble.STREAM_START),
    (r"endstream|/Length", Trouble.STREAM_LENGTH),
    (r"expected endobj", Trouble.OBJECT_END),
    (r"stray #|null character not allowed in name|name with", Trouble.NAME),
    (r"inflate|decod|memory limit|lzw|filter", Trouble.UNPACKING),
    (r"page tree|/Pages|pages", Trouble.PAGES),
    (r"EOF|end of file", Trouble.CUT),
    (r"can't find startxref|xref not found", Trouble.NO_TABLE),
    (r"unable to find /Root", Trouble.NO_ROOT),
    (r"xref|trailer|reported number of objects", Trouble.TABLE_SYNTAX),
    (r"expected n n obj|object with ID 0|expected \d+ \d+ obj", Trouble.LEADS_ELSEWHERE),
    (r"\(object \d", Trouble.OBJECT),
)
_OBJECT_NAMED: Final = re.compile(r"object (\d{1,10} \d{1,5})\b")
_TROUBLES: Final = tuple((re.compile(sign), trouble) for sign, trouble in _SIGNS)


def trouble_of(words: str) -> Trouble:
    """The kind of trouble that qpdf's words tell."""
    return next((trouble for sign, trouble in _TROUBLES if sign.search(words)), Trouble.UNKNOWN)


def location_of(words: str) -> str:
    """The place that qpdf's words name."""
    named = _OBJECT_NAMED.search(words)
    return f"object {named[1]}" if named else "document"
