"""What no LAID may hold: active content, hidden files, and anything that leads out of the document.

Pure functions from one parsed object to the codes of the rules it breaks. A search of the object's text (`suspicious`)
comes first, since nearly every object of an ordinary document passes it; only what it stops is parsed and judged. The search is sound
because the text has its names decoded, and because a name kept as an object of its own (`/S 12 0 R`) is judged as one.
Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from gateway.validation.pdf_syntax import OPAQUE, Name, Value

MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "file-empty": "The file is empty.",
        "pdf-not-pdf": "The file does not begin as a PDF does.",
        "pdf-unreadable": "The PDF is damaged or cut short, or is not written as the standard asks.",
        "pdf-encrypted": "The PDF is locked with a password or with usage restrictions.",
        "pdf-trailing-data": "Other data follows the end of the PDF.",
        "pdf-too-large": "The PDF is larger than the limit.",
        "pdf-exhausting": "Something in the PDF unpacks to more than the limit.",
        "pdf-too-many-objects": "The PDF has more objects than the limit.",
        "pdf-too-many-pages": "The PDF has more pages than the limit.",
        "pdf-too-deep": "The PDF is nested deeper than the limit.",
        "pdf-no-pages": "The PDF has no pages.",
        "pdf-image-too-large": "A picture in the PDF has more points than the limit.",
        "pdf-javascript": "The PDF holds a program (JavaScript).",
        "pdf-postscript": "The PDF holds a program (PostScript).",
        "pdf-launch": "The PDF asks to start another program.",
        "pdf-embedded-file": "The PDF has another file attached inside it.",
        "pdf-xfa": "The PDF is an XFA form, which can hold programs.",
        "pdf-rich-media": "The PDF holds sound, film, or three-dimensional or other rich media.",
        "pdf-open-action": "The PDF does something by itself when it is opened, printed or looked at.",
        "pdf-external": "The PDF links to, loads from, or sends to a place outside itself.",
    }
)

_KEYS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"/JS": "pdf-javascript",
        b"/JavaScript": "pdf-javascript",
        b"/XFA": "pdf-xfa",
        b"/EmbeddedFiles": "pdf-embedded-file",
        b"/EF": "pdf-embedded-file",
        b"/AF": "pdf-embedded-file",
        b"/Collection": "pdf-embedded-file",
        b"/RichMediaContent": "pdf-rich-media",
        b"/RichMediaSettings": "pdf-rich-media",
        b"/AA": "pdf-open-action",
        b"/URI": "pdf-external",
    }
)
_KINDS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"/JavaScript": "pdf-javascript",
        b"/PS": "pdf-postscript",
        b"/Launch": "pdf-launch",
        b"/EmbeddedFile": "pdf-embedded-file",
        b"/FileAttachment": "pdf-embedded-file",
        b"/Filespec": "pdf-external",
        b"/URI": "pdf-external",
        b"/GoToR": "pdf-external",
        b"/GoToE": "pdf-external",
        b"/SubmitForm": "pdf-external",
        b"/ImportData": "pdf-external",
        b"/RichMedia": "pdf-rich-media",
        b"/RichMediaExecute": "pdf-rich-media",
        b"/Movie": "pdf-rich-media",
        b"/Sound": "pdf-rich-media",
        b"/Screen": "pdf-rich-media",
        b"/Rendition": "pdf-rich-media",
        b"/3D": "pdf-rich-media",
        b"/GoTo3DView": "pdf-rich-media",
        b"/U3D": "pdf-rich-media",
        b"/PRC": "pdf-rich-media",
    }
)
_KIND_KEYS: Final = (b"/S", b"/Subtype", b"/Subtype2", b"/Type")
_OUTSIDE_STREAM_KEYS: Final = (b"/F", b"/FFilter", b"/Ref", b"/OPI")
"""In a stream's dictionary these say that its bytes, or what it stands for, lie in another file."""


def _any_of(names: Iterator[bytes]) -> re.Pattern[bytes]:
    spelled = b"|".join(re.escape(name) for name in sorted(set(names)))
    return re.compile(rb"(?:" + spelled + rb")(?![^\x00\t\n\f\r /<>\[\](){}%])")


_SUSPICIOUS = _any_of(iter([*_KEYS, *_KINDS, b"/OpenAction", b"/Thread"]))
_SUSPICIOUS_STREAM = _any_of(iter([*_KEYS, *_KINDS, *_OUTSIDE_STREAM_KEYS, b"/OpenAction", b"/Thread", b"/Image"]))

Resolve = Callable[[Value], Value]
"""Follows a reference to the object itself; gives anything else back as it is."""


def suspicious(text: bytes, *, stream: bool) -> bool:
    """Whether an object, as qpdf writes it, holds any name that a rule is about."""
    return (_SUSPICIOUS_STREAM if stream else _SUSPICIOUS).search(text) is not None


def judge(value: Value, resolve: Resolve, *, stream: bool, max_pixels: int) -> set[str]:
    """The codes of the rules that this object breaks. Objects that it refers to are judged on their own."""
    if isinstance(value, Name):
        return {_KINDS[value]} if value in _KINDS else set()
    codes: set[str] = set()
    if stream and isinstance(value, dict):
        codes.update(_judge_stream(value, resolve, max_pixels))
    pending: list[Value] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            codes.update(_judge_dictionary(item, resolve))
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return codes


def _judge_dictionary(item: dict[bytes, Value], resolve: Resolve) -> Iterator[str]:
    for key in item:
        code = _KEYS.get(key)
        if code is not None:
            yield code
    for key in _KIND_KEYS:
        kind = item.get(key)
        if isinstance(kind, Name) and kind in _KINDS:
            yield _KINDS[kind]
    if item.get(b"/S") == b"/Thread" and b"/F" in item:
        yield "pdf-external"
    if b"/OpenAction" in item and _acts(resolve(item[b"/OpenAction"]), resolve):
        yield "pdf-open-action"


def _acts(action: Value, resolve: Resolve) -> bool:
    """Whether an opening action does more than choose the page to show first."""
    if not isinstance(action, dict):
        return False
    return resolve(action.get(b"/S", OPAQUE)) != Name(b"/GoTo") or b"/Next" in action


def _judge_stream(item: dict[bytes, Value], resolve: Resolve, max_pixels: int) -> Iterator[str]:
    if any(key in item for key in _OUTSIDE_STREAM_KEYS):
        yield "pdf-external"
    if item.get(b"/Subtype") == b"/Image":
        width, height = resolve(item.get(b"/Width", 0)), resolve(item.get(b"/Height", 0))
        if isinstance(width, int) and isinstance(height, int) and width * height > max_pixels:
            yield "pdf-image-too-large"
