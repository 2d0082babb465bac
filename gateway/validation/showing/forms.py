"""An XML document as a form: each element with the name and the words that its schema has for it, record after record.

The document is read as the validator reads it (`xml.guard`): nothing is expanded or fetched. Files that it carries in base 64 are named
by their length. Raises Unshowable for what is no document of the flow, DiskFailed where it cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.domain.shown import MOST_CASES, Case, Kind, Node, Shown, page_name, to_bytes
from gateway.validation.contract import Finding
from gateway.validation.showing.labels import Declared, Labels, words
from gateway.validation.showing.pieces import Pieces, plain
from gateway.validation.showing.unshowable import Unshowable
from gateway.validation.xml.catalog import SchemaSource, find_versions
from gateway.validation.xml.codes import XmlLimits
from gateway.validation.xml.guard import XmlGuard
from gateway.validation.xml.rules import Ruleset, read_rules

MOST_PAGES: Final = 40
RECORDS: Final = 5
"""On a page."""
_MOST_NODES: Final = 10_000
"""On a page: what a record may have at most."""
_LARGEST: Final = 64 << 20
_CARRIED: Final = re.compile(r"[A-Za-z0-9+/=\s]{1000,}")
_REFERENCES: Final = ("Nino", "ClaimReference", "HbReference", "CtbReference")


def form(path: Path, pieces: Pieces, first: int, schema_root: Path, flow: str) -> Shown:
    """The document's records from the number `first` on; all of it, where it has none."""
    root = _read(path)
    source = find_versions(schema_root, flow).get(etree.QName(root).namespace or "")
    if source is None:
        raise Unshowable("it is no document of a schema that is known here")
    rules = read_rules(source)
    writer = _Form(root, Labels(source))
    records = [] if rules.record is None else root.findall(rules.record)
    total = max(1, len(records))
    if not 1 <= first <= total:
        raise Unshowable(f"it has {total} records")
    chosen = records[first - 1 : first - 1 + MOST_PAGES * RECORDS]
    parts = [chosen[at : at + RECORDS] for at in range(0, len(chosen), RECORDS)] or [[]]
    for number, part in enumerate(parts, 1):
        others = (
            [child for child in root.iterchildren(etree.Element) if child.tag != rules.record] if number == 1 else []
        )
        nodes = [*writer.nodes(others), *writer.records(part, first + (number - 1) * RECORDS, total)]
        pieces.write(page_name(number, Kind.FORM), to_bytes(nodes))
    shown = chosen or [root]
    return Shown(
        Kind.FORM,
        len(parts),
        first,
        first + max(1, len(chosen)) - 1,
        total,
        source.name,
        _reference(shown[0]),
        tuple(_cases(shown, source, rules)),
    )


def _read(path: Path) -> etree._Element:
    guard = XmlGuard(XmlLimits(size=_LARGEST))
    root = guard.read(guard.bytes_of(path))
    if isinstance(root, Finding):
        raise Unshowable(root.message.rstrip("."))
    return root


class _Form:
    """Makes nodes of one document's elements."""

    def __init__(self, root: etree._Element, labels: Labels) -> None:
        self._labels = labels
        self._members = labels.within(labels.root(etree.QName(root).localname))
        self._left = _MOST_NODES

    def nodes(self, elements: list[etree._Element]) -> list[Node]:
        """Elements that stand in the first one."""
        self._left = _MOST_NODES
        return [self._node(each, self._members.get(etree.QName(each).localname)) for each in elements]

    def records(self, elements: list[etree._Element], first: int, total: int) -> Iterator[Node]:
        """Records, each with its number."""
        for number, each in enumerate(elements, first):
            name = etree.QName(each).localname
            yield self._node(each, self._members.get(name), f"{words(name)} {number:,} of {total:,}")

    def _node(self, element: etree._Element, declared: Declared | None, label: str = "") -> Node:
        self._left -= 1
        name = etree.QName(element).localname
        members = self._labels.within(declared)
        within = [Node(words(plain(str(key), 100)), value=plain(str(text))) for key, text in element.attrib.items()]
        for child in element.iterchildren(etree.Element):
            if self._left <= 0:
                within.append(Node("And more", "More elements than are shown on a page."))
                break
            within.append(self._node(child, members.get(etree.QName(child).localname)))
        text = (element.text or "").strip() if not len(element) else ""
        return Node(
            label or words(plain(name, 100)),
            "" if declared is None else declared.about,
            None if len(element) else _value(text),
            self._labels.meaning(declared, text),
            tuple(within),
        )


def _value(text: str) -> str:
    if _CARRIED.fullmatch(text):
        return f"A part of a file: {len(text):,} characters of base 64, not shown here."
    return plain(text)


def _cases(records: list[etree._Element], source: SchemaSource, rules: Ruleset) -> Iterator[Case]:
    """What the records tell for management checks: the first person in each is whom it is about."""
    for record in records[:MOST_CASES]:
        birth = _first(record, "DateOfBirth", source)
        yield Case(
            birth=None if birth is None else _day(birth),
            death=None if (death := _first(record, "DateOfDeath", source)) is None else _day(death),
            in_payment=_in_payment(record, source, rules),
        )


def _in_payment(record: etree._Element, source: SchemaSource, rules: Ruleset) -> bool | None:
    """None where the schema does not tell."""
    if "AwardState" in rules.names:
        states = [each.text for each in record.iter(f"{{{source.namespace}}}AwardState")]
        return "in-payment" in states if states else None
    if "InPaymentSince" in rules.names:
        return _first(record, "InPaymentSince", source) is not None
    return None


def _first(record: etree._Element, name: str, source: SchemaSource) -> str | None:
    return next((each.text for each in record.iter(f"{{{source.namespace}}}{name}") if each.text), None)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None


def _reference(record: etree._Element) -> str | None:
    namespace = etree.QName(record).namespace
    for name in _REFERENCES:
        found = next((each.text for each in record.iter(f"{{{namespace}}}{name}") if each.text), None)
        if found:
            return " ".join(plain(found, 60).split())
    return None
