"""One reading of a PDF by qpdf: it judges every object, weighs the streams, counts the pages and reports qpdf's warnings.

Raises DiskFailed where the file cannot be read at all; what the file holds comes back in the `Reading`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import pikepdf

from gateway.errors import DiskFailed
from gateway.validation.contract import Finding
from gateway.validation.pdf.actions import may_lead, reached
from gateway.validation.pdf.filters import NO_PICTURE, Packing
from gateway.validation.pdf.pages import PageTreeFault, count_pages
from gateway.validation.pdf.raw import Malformed, RawDictionary
from gateway.validation.pdf.rules import Breach, Doubt, breach, judge, suspicious
from gateway.validation.pdf.syntax import NULL, Name, Null, Reference, TooDeep, Value, parse
from gateway.validation.pdf.weight import TooHeavy
from gateway.validation.pdf.words import Trouble, location_of, trouble_of
from gateway.validation.pdf.xref_sections import Packed
from gateway.validation.pdf.xref_tables import Survey


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


@dataclass
class Reading:
    """What one reading found.

    `findings` are rules that are broken, `tree` what is wrong with the pages, `troubles` what qpdf could not read or warned of.
    `ended` says that a rule made further reading pointless.
    """

    findings: list[Finding] = field(default_factory=list)
    tree: list[Finding] = field(default_factory=list)
    troubles: list[Finding] = field(default_factory=list)
    pages: int | None = None
    ended: bool = False


class _Refused(ValueError):
    """The file breaks a rule that makes further reading pointless; `args` are the code and the place."""


FAILURES: Final = (pikepdf.PikepdfError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError)
"""What pikepdf raises for what a file holds: its own errors, and C++ exceptions as pybind translates them."""
_WIDEST: Final = 64
"""Columns of a table, and more than the number of any predictor."""


def read(source: Path | io.BytesIO, limits: PdfLimits, links: frozenset[str], layout: Survey | None = None) -> Reading:
    """All that is wrong with a document; with `layout`, also where its objects are not those that were surveyed."""
    reading = Reading()
    try:
        with pikepdf.open(source, attempt_recovery=False, suppress_warnings=True, inherit_page_attributes=False) as pdf:
            document = _Document(pdf, limits, links, layout)
            reading.findings.extend(document.findings())
            try:
                reading.pages = document.pages()
            except PageTreeFault as fault:
                reading.tree.append(finding(_of_pages(fault.code), fault.where))
            reading.troubles.extend(_warnings(pdf))
    except pikepdf.PasswordError:
        reading.findings.append(finding(breach("pdf-encrypted"), "document"))
        reading.ended = True
    except _Refused as refusal:
        reading.findings.append(finding(breach(refusal.args[0]), refusal.args[1]))
        reading.ended = True
    except MemoryError:
        reading.findings.append(finding(breach("pdf-exhausting"), "document"))
        reading.ended = True
    except OSError as error:
        raise DiskFailed("The file to validate cannot be read.") from error
    except FAILURES as error:
        reading.troubles.append(unreadable(trouble_of(str(error)), location_of(str(error))))
    return reading


def finding(broken: Breach, where: str) -> Finding:
    """A rule that is broken at a place."""
    return Finding(broken.code, where, broken.message)


def unreadable(trouble: Trouble, where: str) -> Finding:
    """What keeps the file from being read."""
    return Finding("pdf-unreadable", where, trouble.value)


def unpack(packed: bytes, dictionary: RawDictionary) -> bytes:
    """The content of a stream of a table, by qpdf and under its limits; Malformed where it is not as those are written."""
    named, parameters = dictionary.entries.get(b"/Filter"), dictionary.entries.get(b"/DecodeParms", {})
    if named is None:
        return packed
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if isinstance(parameters, list) and len(parameters) == 1:
        parameters = parameters[0]
    if named != Name(b"/FlateDecode") or not isinstance(parameters, dict):
        raise Malformed
    if not all(isinstance(it, int) and 0 <= it <= _WIDEST for it in parameters.values()):
        raise Malformed
    try:
        with pikepdf.new() as scratch:
            numbers = {str(key, "latin-1"): it for key, it in parameters.items()}
            stream = scratch.make_stream(packed, Filter=pikepdf.Name.FlateDecode)
            stream.stream_dict["/DecodeParms"] = pikepdf.Dictionary(numbers)
            return stream.read_bytes()
    except FAILURES as error:
        raise Malformed from error


class _Document:
    """One open document, and what is asked of it."""

    def __init__(self, pdf: pikepdf.Pdf, limits: PdfLimits, links: frozenset[str], layout: Survey | None) -> None:
        self._pdf = pdf
        self._limits = limits
        self._links = links
        self._layout = layout
        self._doubts: list[tuple[Reference, Doubt, Breach]] = []

    def findings(self) -> Iterator[Finding]:
        """Every rule that an object breaks."""
        pdf, limits = self._pdf, self._limits
        if pdf.is_encrypted:
            raise _Refused("pdf-encrypted", "document")
        yield from self._examine("trailer", pdf.trailer.unparse(resolved=True), stream=False)
        objects = pdf.objects
        if len(objects) > limits.max_objects:
            raise _Refused("pdf-too-many-objects", "document")
        packing = Packing(limits.max_content, limits.max_pixels)
        for item in objects:
            text = _text_of(item)
            stream = text.endswith(b" R") and isinstance(item, pikepdf.Stream)
            if stream:
                if self._layout is not None and item.objgen[0] not in self._layout.objects:
                    continue  # the copy's own table, whose dictionary is the trailer
                text = item.stream_dict.unparse(resolved=True)
                yield from _packed(item, packing)
                if self._layout is not None:
                    yield from _compare(item, self._layout)
            yield from self._examine(item, text, stream=stream)
        yield from self._resolve_doubts(objects)
        for used in packing.misused(partial(_texts_of, objects), self._text_at):
            yield finding(NO_PICTURE, "object {} {}".format(*used))

    def pages(self) -> int:
        """The number of pages. Raises PageTreeFault."""
        try:
            trailer = parse(self._pdf.trailer.unparse(resolved=True), self._limits.max_depth)
            return count_pages(trailer, self._resolve, self._node, self._limits.max_pages, self._limits.max_depth)
        except TooDeep as fault:
            raise PageTreeFault("pdf-too-deep", "page tree") from fault

    def _examine(self, item: pikepdf.Object | str, text: bytes, *, stream: bool) -> Iterator[Finding]:
        limits = self._limits
        if not self._may_be_deep(text) and not suspicious(text, stream=stream):
            return
        where = item if isinstance(item, str) else "object {} {}".format(*item.objgen)
        try:
            value = parse(text, limits.max_depth)
        except TooDeep:
            yield finding(breach("pdf-too-deep"), where)
            return
        judged = judge(value, self._resolve, stream=stream, max_pixels=limits.max_pixels, links=self._links)
        for broken in sorted(judged.breaches):
            yield finding(broken, where)
        if not isinstance(item, str):
            self._doubts.extend((Reference(*item.objgen), doubt, broken) for doubt, broken in judged.doubts)

    def _resolve_doubts(self, objects: Iterable[pikepdf.Object]) -> Iterator[Finding]:
        """Find out whether what was let pass is reached as an action after all."""
        if not self._doubts:
            return
        leads = reached(self._leading(objects), self._resolve, self._follow)
        for reference, doubt, broken in self._doubts:
            if reference in leads.otherwise or (doubt is Doubt.ELEMENT and reference in leads.by_click):
                yield finding(broken, "object {} {}".format(*reference))

    def _leading(self, objects: Iterable[pikepdf.Object]) -> Iterator[Value]:
        for text in (_text_of(self._pdf.trailer), *_texts_of(objects)):
            if may_lead(text):
                try:
                    yield parse(text, self._limits.max_depth)
                except TooDeep:
                    continue  # refused for that already

    def _resolve(self, value: Value) -> Value:
        """See `pdf_actions.Resolve`."""
        start = value
        for _ in range(4):
            if not isinstance(value, Reference):
                return value if not isinstance(value, Null) else start
            value = parse(self._text_at(value), self._limits.max_depth)
        return start

    def _text_at(self, reference: Reference) -> bytes:
        return _text_of(self._pdf.get_object(reference.number, reference.generation))

    def _node(self, value: Value) -> Value:
        """As `_resolve`, for a node of the page tree: of a dictionary without /Kids, which is a page, nothing is read."""
        if isinstance(value, Reference):
            text = self._text_at(value)
            if text.startswith(b"<<") and b"/Kids" not in text and not self._may_be_deep(text):
                return {}
        return self._resolve(value)

    def _may_be_deep(self, text: bytes) -> bool:
        return text.count(b"<<") + text.count(b"[") > self._limits.max_depth

    def _follow(self, reference: Reference) -> Value:
        """See `pdf_actions.Follow`."""
        item = self._pdf.get_object(reference.number, reference.generation)
        try:
            value = parse(_text_of(item), self._limits.max_depth)
            if value == reference and isinstance(item, pikepdf.Stream):
                value = parse(item.stream_dict.unparse(resolved=True), self._limits.max_depth)
        except TooDeep:
            return NULL  # refused for that already
        return value


def _compare(stream: pikepdf.Object, layout: Survey) -> Iterator[Finding]:
    """What a reader that looks for objects would find in a stream, and the tables do not say."""
    number, generation = stream.objgen
    where = f"object {number} {generation}"
    kind = stream.stream_dict.get("/Type")
    if kind == pikepdf.Name.XRef and number not in layout.tables:
        yield unreadable(Trouble.SEVERAL_ROOTS, where)
    if kind != pikepdf.Name.ObjStm:
        return
    listed = {
        it.position: inner for inner, it in layout.objects.items() if isinstance(it, Packed) and it.stream == number
    }
    count: object = stream.stream_dict.get("/N")  # a number comes as an int, whatever the stubs say
    first: object = stream.stream_dict.get("/First")
    if not isinstance(count, int) or not isinstance(first, int):
        yield unreadable(Trouble.OBJECT, where)
        return
    head = stream.read_bytes()[: max(0, first)].split()
    if [b"%d" % listed[at] if at in listed else b"" for at in range(max(count, len(listed)))] != head[
        0 : 2 * count : 2
    ]:
        yield unreadable(Trouble.TWICE, where)


def _packed(stream: pikepdf.Object, packing: Packing) -> list[Finding]:
    try:
        return [finding(broken, "object {} {}".format(*stream.objgen)) for broken in packing.judge(stream)]
    except TooHeavy as fault:
        raise _Refused("pdf-exhausting", "object {} {}".format(*stream.objgen)) from fault


def _text_of(item: object) -> bytes:
    """An object as qpdf writes it; pikepdf gives numbers, booleans and null as Python's own."""
    if isinstance(item, pikepdf.Object):
        return item.unparse(resolved=True)
    if isinstance(item, Decimal):
        return b"%f" % item
    return b"%d" % item if isinstance(item, int) else b"null"


def _texts_of(objects: Iterable[pikepdf.Object]) -> Iterator[bytes]:
    """Each object as qpdf writes it, and each stream's dictionary."""
    for item in objects:
        text = _text_of(item)
        if text.endswith(b" R") and isinstance(item, pikepdf.Stream):
            text = item.stream_dict.unparse(resolved=True)
        yield text


def _of_pages(code: str) -> Breach:
    return Breach(code, Trouble.PAGES.value) if code == "pdf-unreadable" else breach(code)


def _warnings(pdf: pikepdf.Pdf) -> Iterator[Finding]:
    """Each place that qpdf warned about. Its messages may quote the file: only their kind and the object's number are taken."""
    said = [str(warning) for warning in pdf.get_warnings()]
    return iter(dict.fromkeys(unreadable(trouble_of(words), location_of(words)) for words in said))
