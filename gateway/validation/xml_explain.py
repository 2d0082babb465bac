"""Says in words what a document breaks in its schema, with xmlschema; used for documents that failed, and no others.

libxml2 says quickly *that* a document fails and where; xmlschema, thirty times slower, knows which part of the schema
was broken. So the tree is first cut down to the records that libxml2 complained about. Neither library's own messages
are used: they quote the document. Sentences are made here out of names and descriptions that the schema has.
Nothing is raised, and no schema or file is fetched: xmlschema gets the whole schema in one piece, with `allow="none"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import xmlschema
from lxml import etree
from xmlschema.validators import (
    XsdAttributeGroup,
    XsdElement,
    XsdEnumerationFacets,
    XsdGroup,
    XsdMaxLengthFacet,
    XsdMinLengthFacet,
    XsdPatternFacets,
)
from xmlschema.validators.exceptions import XMLSchemaChildrenValidationError, XMLSchemaValidationError

from gateway.validation.contract import Finding
from gateway.validation.xml_catalog import SchemaSource
from gateway.validation.xml_codes import Complaint, XmlCode
from gateway.validation.xml_rules import Ruleset
from gateway.validation.xml_walk import local_name, place, record_number

_MOST_ELEMENTS: Final = 20_000
"""Beyond this many elements (a second or two of xmlschema) the places are told without the words."""
_MOST_NAMES_TOLD: Final = 6


@dataclass(frozen=True)
class Explained:
    """`findings` are at most as many as were asked for; `total` counts all that are known."""

    findings: tuple[Finding, ...]
    total: int


class Explainer:
    """Explains failures against one schema version. Building it takes a fifth of a second, so it is kept."""

    def __init__(self, source: SchemaSource, ruleset: Ruleset) -> None:
        self._schema = xmlschema.XMLSchema10(source.to_bytes().decode(), allow="none")
        self._ruleset = ruleset

    def explain(
        self, root: etree._Element, failures: Iterable[Complaint], flagged: set[etree._Element], most: int
    ) -> Explained:
        """What is wrong beside the elements already `flagged`. The tree is cut down: it is worth nothing afterwards."""
        places = _places(root, failures)
        unseen = [element for element in places.values() if element not in flagged]
        if not unseen:
            return Explained((), 0)
        bare = tuple(self._bare(element) for element in unseen[:most])
        kept = _failing_children(root, unseen, most)
        numbers = {child: record_number(child) for child in kept if child.tag == self._ruleset.record}
        uncounted = sum(1 for element in unseen if element is not root and _below_root(element, root) not in kept)
        _cut_down(root, self._ruleset.record, kept)
        if sum(1 for _ in root.iter()) > _MOST_ELEMENTS:
            return Explained(bare, len(unseen))
        findings = list(self._findings(root, flagged, numbers))
        if not findings:
            return Explained(bare, len(unseen))
        return Explained(tuple(findings[:most]), len(findings) + uncounted)

    def _findings(
        self, root: etree._Element, flagged: set[etree._Element], numbers: dict[etree._Element, int]
    ) -> Iterator[Finding]:
        told: set[tuple[etree._Element, XmlCode]] = set()
        for error in self._schema.iter_errors(root, use_location_hints=False):
            element = error.elem if etree.iselement(error.elem) else root
            if element in flagged:
                continue
            if isinstance(error, XMLSchemaChildrenValidationError):
                code, element, message = self._children(error, element)
            else:
                code, message = self._value(error, element)
            if (element, code) not in told:
                told.add((element, code))
                name = local_name(element, self._ruleset.names)
                yield Finding(code.value, place(element, self._ruleset, numbers), f"{name}: {message}.")

    def _children(
        self, error: XMLSchemaChildrenValidationError, parent: etree._Element
    ) -> tuple[XmlCode, etree._Element, str]:
        """A child that is missing, or that should not be where it is; the element is the one to be named."""
        expected = list(error.expected or ())
        required = [particle for particle in expected if particle.min_occurs > 0] or expected
        names = [particle.local_name for particle in required if isinstance(particle, XsdElement)]
        wanted = _one_of([name for name in names if name in self._ruleset.names])
        if error.index >= len(parent):
            return XmlCode.ELEMENT_MISSING, parent, f"{wanted or 'an element'} is missing"
        child = parent[error.index]
        previous = child.getprevious()
        if child.tag not in self._ruleset.tags:
            return XmlCode.ELEMENT_UNEXPECTED, child, "the schema has no such element here"
        if previous is not None and previous.tag == child.tag:
            return XmlCode.ELEMENT_UNEXPECTED, child, "given more often than is allowed"
        if not wanted:
            return XmlCode.ELEMENT_UNEXPECTED, child, "not allowed here"
        later = {etree.QName(sibling).localname for sibling in child.itersiblings(etree.Element)}
        if later.intersection(names):
            return XmlCode.ELEMENT_UNEXPECTED, child, f"not allowed before {wanted}"
        return XmlCode.ELEMENT_MISSING, child, f"{wanted} is missing before it"

    def _value(self, error: XMLSchemaValidationError, element: etree._Element) -> tuple[XmlCode, str]:
        simple_type = self._ruleset.types.get(str(element.tag), "")
        rule = error.validator
        if isinstance(rule, XsdAttributeGroup):
            return XmlCode.ATTRIBUTE, "has an attribute that is not allowed"
        if isinstance(rule, XsdGroup):
            return XmlCode.SCHEMA, "holds text between its elements"
        if len(element):
            return XmlCode.SCHEMA, "holds elements where only text belongs"
        if not (element.text or "").strip():
            return XmlCode.VALUE, "empty"
        if isinstance(rule, XsdEnumerationFacets):
            return XmlCode.CODE, "not one of the codes allowed"
        if isinstance(rule, XsdMaxLengthFacet | XsdMinLengthFacet):
            return XmlCode.VALUE, f"{'longer' if isinstance(rule, XsdMaxLengthFacet) else 'shorter'} than is allowed"
        description = self._ruleset.descriptions.get(simple_type, "").rstrip(".")
        if not description:
            return XmlCode.SCHEMA, "breaks the schema's rules"
        kind = "not of the right form" if isinstance(rule, XsdPatternFacets) else "not a right value"
        return XmlCode.VALUE, f"{kind}. It should be: {description}"

    def _bare(self, element: etree._Element) -> Finding:
        name = local_name(element, self._ruleset.names)
        return Finding(XmlCode.SCHEMA.value, place(element, self._ruleset), f"{name}: breaks the schema's rules.")


def _one_of(names: list[str]) -> str:
    told = list(dict.fromkeys(names))[:_MOST_NAMES_TOLD]
    return " or ".join(filter(None, [", ".join(told[:-1]), told[-1]])) if told else ""


def _places(root: etree._Element, failures: Iterable[Complaint]) -> dict[str, etree._Element]:
    """The element of each place that libxml2 names; the root where it names one in a way that cannot be followed."""
    prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    places: dict[str, etree._Element] = {}
    for entry in failures:
        path = entry.path or ""
        if path not in places:
            places[path] = _at(root, path, prefixes)
    return places


def _at(root: etree._Element, path: str, prefixes: dict[str, str]) -> etree._Element:
    try:
        found = root.getroottree().xpath(path, namespaces=prefixes)
    except etree.XPathError:
        return root
    return found[0] if isinstance(found, list) and found and etree.iselement(found[0]) else root


def _below_root(element: etree._Element, root: etree._Element) -> etree._Element:
    """The child of the root that holds the element, or is it."""
    while (parent := element.getparent()) is not None and parent is not root:
        element = parent
    return element


def _failing_children(root: etree._Element, failing: Iterable[etree._Element], most: int) -> set[etree._Element]:
    children: dict[etree._Element, None] = {}
    for element in failing:
        if element is not root:
            children.setdefault(_below_root(element, root))
        if len(children) >= most:
            break
    return set(children)


def _cut_down(root: etree._Element, record: str | None, kept: set[etree._Element]) -> None:
    """Remove the records that nobody complained about, but for one where none is left: the schema asks for one."""
    if record is None:
        return
    clean = [child for child in root.iterchildren(record) if child not in kept]
    spare = 0 if any(child.tag == record for child in kept) else 1
    for child in clean[spare:]:
        root.remove(child)
