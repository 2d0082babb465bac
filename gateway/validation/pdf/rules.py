"""What no LAID may hold: active content, hidden files, and anything that leads out of the document but a link to be clicked.

Pure functions from one parsed object to the rules that it breaks. A search of the object's text (`suspicious`) comes first,
since nearly every ordinary object passes it; only the others are parsed and judged. The search is sound because names in the text
are decoded, and because it stops a kind that is kept in an object of its own too (`/S 12 0 R`).

A name alone makes no action: a structure element's kind may be named `Sound`, and a tree without leaves holds no program.
What passes for such a reason is reported as a `Doubt` wherever another object may lead to it. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.validation.pdf.actions import Resolve, is_clicked
from gateway.validation.pdf.links import Fault, fault_of
from gateway.validation.pdf.syntax import NULL, Name, Null, Opaque, Reference, Text, Value, spelled
from gateway.validation.pdf.words import MESSAGES, Trouble

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
_DIGITS: Final = re.compile(rb"([+-]?)0*+([0-9]{1,18})")
_TREES: Final = frozenset({b"/JavaScript", b"/EmbeddedFiles"})
_NEVER_EMPTY: Final = frozenset({b"/Collection", b"/RichMediaContent", b"/RichMediaSettings"})
"""What says something by being there."""
_NODES: Final = 64
"""Nodes of a tree of names that may be empty."""
_LINK_KEYS: Final = frozenset({b"/Type", b"/S", b"/URI", b"/IsMap"})
_ELEMENT_KEYS: Final = frozenset(
    b"/Type /S /P /ID /Ref /Pg /K /A /C /R /T /Lang /Alt /E /ActualText /AF /NS /PhoneticAlphabet /Phoneme".split()
)
"""What a structure element may have (ISO 32000-2 table 355); no action of a refused kind can do anything with these alone."""


def _search_for(*names: bytes) -> re.Pattern[bytes]:
    """Any of these names, or a kind that is kept in an object of its own."""
    spelled_out = b"|".join(re.escape(name[1:]) for name in sorted({*_KEYS, *_KINDS, *names}))
    return re.compile(rb"/(?:(?:" + spelled_out + rb")(?![^\x00\t\n\f\r /<>\[\](){}%])|(?:S|Subtype2?|Type) [0-9])")


_SUSPICIOUS: Final = _search_for(b"/OpenAction", b"/Thread")
_SUSPICIOUS_STREAM: Final = _search_for(b"/OpenAction", b"/Thread", b"/Image", *_OUTSIDE_STREAM_KEYS)


class Breach(NamedTuple):
    """A rule that is broken: a finding's code and sentence."""

    code: str
    message: str


class Doubt(Enum):
    """What an object is let pass as, provided that nothing else leads to it as an action."""

    LINK = "link"
    ELEMENT = "structure element"


@dataclass
class Judgement:
    """Of one object: the rules it breaks, and those it breaks if it is reached in another way than it seems."""

    breaches: set[Breach] = field(default_factory=set)
    doubts: set[tuple[Doubt, Breach]] = field(default_factory=set)


def breach(code: str) -> Breach:
    """A broken rule in the words of its code."""
    return Breach(code, MESSAGES[code])


BY_ITSELF: Final = Breach("pdf-external", "The PDF has a link that opens without a click. Print it to PDF again.")


def suspicious(text: bytes, *, stream: bool) -> bool:
    """Whether an object, as qpdf writes it, holds any name that a rule is about."""
    return (_SUSPICIOUS_STREAM if stream else _SUSPICIOUS).search(text) is not None


def judge(value: Value, resolve: Resolve, *, stream: bool, max_pixels: int, links: frozenset[str]) -> Judgement:
    """The rules that this object breaks. Objects that it refers to are judged on their own.

    `links` are the kinds of address that a link may lead to.
    """
    found = Judgement()
    if stream and isinstance(value, dict):
        found.breaches.update(breach(code) for code in _judge_stream(value, resolve, max_pixels))
    pending: list[tuple[Value, bytes, bool]] = [(value, b"", False)]
    while pending:
        item, key, clicked = pending.pop()
        if isinstance(item, dict):
            _judge_dictionary(item, key, resolve, links, found, clicked=clicked)
            waits = b"/A" in item and is_clicked(item, resolve)
            pending.extend((inner, name, waits and name == b"/A") for name, inner in item.items())
        elif isinstance(item, list):
            pending.extend((inner, key or b"[", False) for inner in item)
    return found


def _judge_dictionary(
    item: dict[bytes, Value], key: bytes, resolve: Resolve, links: frozenset[str], found: Judgement, *, clicked: bool
) -> None:
    kind = resolve(item.get(b"/S", NULL))
    is_link = kind == Name(b"/URI") and not _is_element(item, resolve)
    for name, value in item.items():
        if name in _KEYS and not (is_link and name == b"/URI") and not holds_nothing(name, value, resolve):
            found.breaches.add(breach(_KEYS[name]))
    for name in _KIND_KEYS:
        meant = resolve(item.get(name, NULL))
        if isinstance(meant, Reference):
            found.breaches.add(Breach("pdf-unreadable", Trouble.KIND.value))
        elif (
            isinstance(meant, Name)
            and meant in _KINDS
            and not (name == b"/S" and (is_link or _is_element(item, resolve)))
        ):
            found.breaches.add(breach(_KINDS[meant]))
    if is_link:
        wrong = _link_fault(item, resolve, links)
        if wrong is not None:
            found.breaches.add(wrong)
        elif not key:
            found.doubts.add((Doubt.LINK, BY_ITSELF))
        elif not clicked:
            found.breaches.add(BY_ITSELF)
    elif isinstance(kind, Name) and kind in _KINDS and _is_element(item, resolve):
        if not key:
            found.doubts.add((Doubt.ELEMENT, breach(_KINDS[kind])))
        elif key != b"/K":
            found.breaches.add(breach(_KINDS[kind]))
    if kind == Name(b"/Thread") and b"/F" in item:
        found.breaches.add(breach("pdf-external"))
    if b"/OpenAction" in item and _acts(resolve(item[b"/OpenAction"]), resolve):
        found.breaches.add(breach("pdf-open-action"))


def _is_element(item: dict[bytes, Value], resolve: Resolve) -> bool:
    """Whether it can be a structure element, and nothing else."""
    if not item.keys() <= _ELEMENT_KEYS or not isinstance(item.get(b"/R", 0), int):
        return False
    if b"/Type" in item:
        return resolve(item[b"/Type"]) == Name(b"/StructElem")
    return isinstance(item.get(b"/P"), Reference)


def _link_fault(item: dict[bytes, Value], resolve: Resolve, links: frozenset[str]) -> Breach | None:
    """Why a link may not be in the file, wherever it is."""
    kind = resolve(item.get(b"/Type", Name(b"/Action")))
    if not item.keys() <= _LINK_KEYS or kind != Name(b"/Action"):
        return Breach("pdf-external", "The PDF has a link that does more than open an address." + _UNLINKED)
    if not isinstance(resolve(item.get(b"/IsMap", NULL)), Opaque | Null):
        return Breach("pdf-external", "The PDF has a link that does more than open an address." + _UNLINKED)
    address = resolve(item.get(b"/URI", NULL))
    wrong = fault_of(spelled(address), links) if isinstance(address, Text) else (Fault.NO_SCHEME, "")
    if wrong is None:
        return None
    fault, scheme = wrong
    named = f" ({scheme}:)" if scheme else ""
    return Breach("pdf-external", f"The PDF has a link{named} {fault}." + _UNLINKED)


_UNLINKED: Final = " Take the link out, and save the PDF again."


def holds_nothing(key: bytes, value: Value, resolve: Resolve) -> bool:
    """Whether what a key leads to is there in name only: null, a name, an empty tree.

    A reference that leads to nothing is something: whoever reads the file in another way may find it.
    """
    value = resolve(value)
    if isinstance(value, Null | Name | Opaque | int):
        return True
    if key in _NEVER_EMPTY or isinstance(value, Text | Reference):
        return False
    if isinstance(value, list):
        return not value
    if key in _TREES:
        return _is_bare(value, resolve)
    if key == b"/AA":
        return all(it == {} or isinstance(it, Null | Name) for it in map(resolve, value.values()))
    return not value


def _is_bare(root: dict[bytes, Value], resolve: Resolve) -> bool:
    """Whether a tree of names has no leaf."""
    pending: list[Value] = [root]
    for _ in range(_NODES):
        if not pending:
            return True
        node = resolve(pending.pop())
        if not isinstance(node, dict) or not node.keys() <= {b"/Names", b"/Kids", b"/Limits"}:
            return False
        names, kids = resolve(node.get(b"/Names", [])), resolve(node.get(b"/Kids", []))
        if names not in ([], NULL) or not isinstance(kids, list):
            return False
        pending.extend(kids)
    return False


def _acts(action: Value, resolve: Resolve) -> bool:
    """Whether an opening action does more than choose the page to show first."""
    if not isinstance(action, dict) or not action:
        return False
    return resolve(action.get(b"/S", NULL)) != Name(b"/GoTo") or not holds_nothing(
        b"/Next", action.get(b"/Next", NULL), resolve
    )


def _judge_stream(item: dict[bytes, Value], resolve: Resolve, max_pixels: int) -> Iterator[str]:
    if any(key in item for key in _OUTSIDE_STREAM_KEYS):
        yield "pdf-external"
    if resolve(item.get(b"/Subtype", NULL)) == Name(b"/Image"):
        width, height = (_whole(resolve(item.get(key, NULL))) for key in (b"/Width", b"/Height"))
        if width * height > max_pixels:
            yield "pdf-image-too-large"


def _whole(number: Value) -> int:
    """A number as most readers take it where it ought to have no fraction."""
    if isinstance(number, int):
        return number
    found = _DIGITS.match(number.text) if isinstance(number, Opaque) else None
    return int(found[1] + found[2]) if found else 0
