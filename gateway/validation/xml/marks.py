"""The marks of a document's records: digests by which *triage* knows that a record says what another one said.

What counts is in the schema (`rule:triage`), in which order and how it is written here: docs/formats/triage.md has the rule for people.
The digests are BLAKE2b without a key, and guessable where somebody knows the person: they go to the role through the reader's pipe
alone, and the role keeps what its site key makes of them. A document that is valid raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count, islice, repeat
from typing import Final

from lxml import etree

from gateway.domain.triage import BLANKS, claim_digest, composed, digest, plain
from gateway.validation.contract import MOST_MARKS, RecordMark
from gateway.validation.government_types import to_date

_NINO_DIGITS: Final = 8
"""The suffix is no part of the number: a space may stand in its place (GovTalk's NINO type)."""
_NO_NUMBER: Final = b"XX999"
_CHARACTERS: Final = ((b"&gt;", b">"), (b"&quot;", b'"'), (b"&apos;", b"'"))
"""What need not be written by its name; `&amp;` and `&lt;` stay."""


Path = tuple[str, ...]
"""Tags, one below the other."""
_Below = Mapping[str, list[etree._Element]]  # noqa: SLF001 - lxml has no other name for it
"""A record's children by their tags."""


@dataclass(frozen=True)
class TriageRule:
    """What of a record triage looks at; `namespace` ends in a brace, as tags begin.

    `person` has the National Insurance number, or name and date of birth, of whom it is about. `but` are the children that do
    not count for a repetition: the record's own numbers, and what only describes the person. `award` says, with the person,
    what a later record would take the place of; where it has none, `kind` counts, whichever of these children is there, with the
    person whom that is about. `day` is the day of the decision, and `claims` are references of the authority's claim.
    """

    namespace: str
    record: str
    person: Path
    but: frozenset[str]
    award: tuple[Path, ...]
    kind: tuple[str, ...]
    day: Path
    claims: tuple[Path, ...]

    @cached_property
    def looked_at(self) -> frozenset[str]:
        """The children of a record that matter here."""
        paths = (self.person, self.day, *self.award, *self.claims)
        return self.but.union(self.kind, (path[0] for path in paths))


def marks(root: etree._Element, rule: TriageRule | None, content: bytes = b"") -> tuple[RecordMark, ...]:
    """The mark of each record, of MOST_MARKS at most; none in a schema without the rule. `content` is the document's text: where it is
    written as most are, records are cut out of it, which takes a tenth of the time of writing them anew.
    """
    if rule is None:
        return ()
    records = list(islice(root.iterchildren(rule.record), MOST_MARKS))
    texts = _texts(root, rule, content, len(records)) or repeat(None)
    return tuple(_mark(each, record, rule, text) for each, record, text in zip(count(1), records, texts, strict=False))


def _mark(number: int, record: etree._Element, rule: TriageRule, text: bytes | None) -> RecordMark:
    below: dict[str, list[etree._Element]] = {}
    edges = []
    for child in record:
        if (tag := child.tag) not in rule.looked_at:
            continue
        below.setdefault(tag, []).append(child)
        if tag in rule.but:
            edges.append(tag)
    about = _first(below, rule.person)
    person = b"" if about is None else _person(about, rule.namespace)
    awards = [each for path in rule.award for each in _all(below, path)]
    award = b"\x1f".join(sorted([plain((each.text or "").encode()) for each in awards]))
    for tag in () if award else rule.kind:
        if tag in below:
            award = _local(tag) + b"\x1f" + _person(below[tag][0], rule.namespace)
    content = (None if text is None else _counted(text, edges)) or rewritten(record, rule)
    day = to_date(_text(below, rule.day).strip())
    claims = {claim_digest(told) for path in rule.claims if (told := _text(below, path))}
    return RecordMark(
        number,
        digest(person + b"\x1e", content),
        digest(person + b"\x1e", award) if person else b"",
        0 if day is None else day.toordinal(),
        tuple(sorted(claims)),
    )


def _all(below: _Below, path: Path) -> Iterable[etree._Element]:
    """What lies at a path below a record."""
    found: Iterable[etree._Element] = below.get(path[0], ())
    for tag in path[1:]:
        found = [child for each in found for child in each.iterchildren(tag)]
    return found


def _first(below: _Below, path: Path) -> etree._Element | None:
    return next(iter(_all(below, path)), None)


def _text(below: _Below, path: Path) -> str:
    found = _first(below, path)
    return "" if found is None else found.text or ""


def _said(element: etree._Element, tag: str) -> str:
    """The text of a child. (The find functions of lxml read their path anew each time, and take thrice as long.)"""
    child = next(element.iterchildren(tag), None)
    return "" if child is None else child.text or ""


def _person(about: etree._Element, space: str) -> bytes:
    """Who it is: by number, or where there is none, by name and date of birth. Empty where neither is there."""
    nino = plain(_said(about, f"{space}Nino").upper().encode())
    if nino and not nino.startswith(_NO_NUMBER):
        return b"nino\x1f" + nino[:_NINO_DIGITS]
    name = next(about.iterchildren(f"{space}Name"), None)
    if name is None:
        return b""
    said = [each.text or "" for each in name.iterchildren(f"{space}GivenName", f"{space}FamilyName")]
    born = plain(_said(about, f"{space}DateOfBirth").encode())
    return b"\x1f".join([b"name", *(plain(each.casefold().encode()) for each in said), b"born", born])


def _texts(root: etree._Element, rule: TriageRule, content: bytes, records: int) -> list[bytes] | None:
    """The first `records` as the document has them, without white space: what is within their tags. None where they cannot be told
    in the text: elements have prefixes, records attributes, or there is a comment or CDATA.
    """
    names = set(root.nsmap)
    if None not in names or not names <= {None, "xsi"}:
        return None
    text = content.translate(None, BLANKS)
    if b"!" in text and b"<!" in text:
        return None
    start, end = _tags(rule.record)
    texts: list[bytes] = []
    close = 0
    while len(texts) < records and (at := text.find(start, close)) >= 0:
        close = text.find(end, at)
        texts.append(text[at + len(start) : close])
    told = len(texts) == records and (records == MOST_MARKS or text.find(start, close) < 0)
    return texts if told else None


def _counted(text: bytes, edges: Sequence[str]) -> bytes | None:
    """`rewritten`, as the `text` of a record has it; `edges` are those of its children that do not count. None for one that is written
    in an unusual way: with attributes, empty elements, or characters by their numbers, or edges elsewhere than at its ends.
    """
    if b"/>" in text or (b"=" in text and (b'="' in text or b"='" in text)):
        return None
    first, last, ahead = 0, len(text), 0
    for tag in edges:
        start, end = _tags(tag)
        if not text.startswith(start, first):
            break
        first = text.index(end, first) + len(end)
        ahead += 1
    for tag in reversed(edges[ahead:]):
        start, end = _tags(tag)
        if not text.endswith(end, first, last):
            return None
        last = text.rindex(start, first, last)
    counted = text[first:last]
    if b"&" in counted:
        if b"&#" in counted:
            return None
        for name, character in _CHARACTERS:
            counted = counted.replace(name, character)
    return composed(counted)


def rewritten(record: etree._Element, rule: TriageRule) -> bytes:
    """What counts in a record: its elements by their local names, with their texts, without white space; characters composed
    (Unicode's NFC). So that neither prefixes, nor the version of the schema, nor how lines are broken make a difference.
    """
    return composed(b"".join(_tree(child) for child in record if child.tag not in rule.but))


def _tree(element: etree._Element) -> bytes:
    start, end = _tags(element.tag)
    inside = _escaped(element.text) + b"".join(_tree(child) + _escaped(child.tail) for child in element)
    return start + inside + end


def _escaped(text: str | None) -> bytes:
    return (text or "").replace("&", "&amp;").replace("<", "&lt;").encode().translate(None, BLANKS)


@cache
def _tags(tag: str) -> tuple[bytes, bytes]:
    """An element's start and its end, by its local name."""
    name = _local(tag)
    return b"<%b>" % name, b"</%b>" % name


def _local(tag: str) -> bytes:
    return tag.rpartition("}")[2].encode()
