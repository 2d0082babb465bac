"""The marks of a document's records: digests by which *triage* knows that a record says what another one said.

What counts is in the schema (`rule:triage`), in which order and how it is written here: docs/formats/triage.md has the rule for people.
The digests are BLAKE2b without a key, and guessable where somebody knows the person: they go to the role through the reader's pipe
alone, and the role keeps what its site key makes of them. A document that is valid raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.domain.triage import BLANKS, claim_digest, composed, digest, plain
from gateway.validation.contract import MOST_MARKS, RecordMark
from gateway.validation.government_types import to_date

_NINO_DIGITS: Final = 8
"""The suffix is no part of the number: a space may stand in its place (GovTalk's NINO type)."""
_NO_NUMBER: Final = b"XX999"


Path = tuple[str, ...]
"""Tags, one below the other."""


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


def marks(root: etree._Element, rule: TriageRule | None) -> tuple[RecordMark, ...]:
    """The mark of each record, of MOST_MARKS at most; none in a schema without the rule."""
    if rule is None:
        return ()
    names = set(root.nsmap)
    declared = len(names) if None in names and names <= {None, "xsi"} else 0
    numbered = zip(range(1, MOST_MARKS + 1), root.iterchildren(rule.record), strict=False)
    return tuple(_mark(number, record, rule, declared) for number, record in numbered)


def _mark(number: int, record: etree._Element, rule: TriageRule, declared: int) -> RecordMark:
    about = _at(record, rule.person)
    person = b"" if about is None else _person(about, rule.namespace)
    award = b"\x1f".join(
        sorted(plain((each.text or "").encode()) for path in rule.award for each in _all(record, path))
    )
    for tag in () if award else rule.kind:
        if (child := _at(record, (tag,))) is not None:
            award = _local(tag) + b"\x1f" + _person(child, rule.namespace)
    content = (_written(record, rule, declared) if declared else None) or rewritten(record, rule)
    day = to_date(_text(record, rule.day).strip())
    return RecordMark(
        number,
        digest(person + b"\x1e" + content),
        digest(person + b"\x1e" + award) if person else "",
        "" if day is None else day.isoformat(),
        tuple(sorted({claim_digest(text) for path in rule.claims if (text := _text(record, path))})),
    )


def _all(element: etree._Element, path: Path) -> Iterable[etree._Element]:
    """What lies at a path. (The find functions of lxml read their path anew each time, and take thrice as long.)"""
    if len(path) == 1:
        return element.iterchildren(path[0])
    above = _at(element, path[:-1])
    return () if above is None else above.iterchildren(path[-1])


def _at(element: etree._Element, path: Path) -> etree._Element | None:
    return next(iter(_all(element, path)), None)


def _text(element: etree._Element, path: Path) -> str:
    found = _at(element, path)
    return "" if found is None else found.text or ""


def _person(about: etree._Element, space: str) -> bytes:
    """Who it is: by number, or where there is none, by name and date of birth. Empty where neither is there."""
    nino = plain(_text(about, (f"{space}Nino",)).upper().encode())
    if nino and not nino.startswith(_NO_NUMBER):
        return b"nino\x1f" + nino[:_NINO_DIGITS]
    name = _at(about, (f"{space}Name",))
    if name is None:
        return b""
    said = [each.text or "" for each in name.iterchildren(f"{space}GivenName", f"{space}FamilyName")]
    born = plain(_text(about, (f"{space}DateOfBirth",)).encode())
    return b"\x1f".join([b"name", *(plain(each.casefold().encode()) for each in said), b"born", born])


def _written(record: etree._Element, rule: TriageRule, declared: int) -> bytes | None:
    """`rewritten`, by libxml2: five times as fast. None for a record that is written in an unusual way: with prefixes or
    attributes, with other than the root's `declared` namespaces, or with what does not count elsewhere than at its ends.
    """
    content = etree.tostring(record, encoding="utf-8", with_tail=False).translate(None, BLANKS)
    head = content.index(b">")
    if not content.count(b"xmlns", 0, head) == content.count(b"xmlns") == declared or b'="' in content[head:]:
        return None
    first, last = head + 1, content.rfind(b"</")
    if last < first:
        return None
    for child in record:
        if child.tag not in rule.but:
            break
        name = _local(child.tag)
        end = content.find(b"</" + name + b">", first)
        if end < 0 or not content.startswith(b"<" + name + b">", first):
            return None
        first = end + len(name) + 3
    for child in record.iterchildren(reversed=True):
        if child.tag not in rule.but:
            break
        name = _local(child.tag)
        start = content.rfind(b"<" + name + b">", first, last)
        if start < 0 or not content.endswith(b"</" + name + b">", first, last):
            return None
        last = start
    return composed(content[first:last])


def rewritten(record: etree._Element, rule: TriageRule) -> bytes:
    """What counts in a record: its elements by their local names, with their texts, without white space; characters composed
    (Unicode's NFC). So that neither prefixes, nor the version of the schema, nor how lines are broken make a difference.
    """
    return composed(b"".join(_tree(child) for child in record if child.tag not in rule.but))


def _tree(element: etree._Element) -> bytes:
    name = _local(element.tag)
    text = (element.text or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    inside = plain(text.replace("\r", "&#13;").encode()) + b"".join(
        _tree(child) + plain((child.tail or "").encode()) for child in element
    )
    return b"<%b>%b</%b>" % (name, inside, name) if inside else b"<%b/>" % name


def _local(tag: str) -> bytes:
    return tag.rpartition("}")[2].encode()
