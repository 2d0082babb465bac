"""Says in words what a document breaks in its schema, with xmlschema; used for documents that failed, and no others.

libxml2 says quickly *that* a document fails and where; xmlschema, thirty times slower, knows which part of the schema
was broken. So the records that libxml2 did not complain about are taken out first. Neither library's own messages are
used: they quote the document. Sentences are made here out of names and descriptions that the schema has.
Nothing is raised, and no schema or file is fetched: xmlschema gets the whole schema in one piece, with `allow="none"`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
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

from gateway.domain.characters import called
from gateway.validation.contract import Finding
from gateway.validation.xml.catalog import SchemaSource
from gateway.validation.xml.codes import Complaint, XmlCode
from gateway.validation.xml.places import find_places
from gateway.validation.xml.rules import Ruleset
from gateway.validation.xml.walk import local_name, location

_MOST_NAMES_TOLD: Final = 6
_SPACES: Final = " \t\r\n"
"""White space, as XML has it."""


class Explainer:
    """Explains failures against one schema version. Building it takes a fifth of a second, so it is kept."""

    def __init__(self, source: SchemaSource, ruleset: Ruleset) -> None:
        self._schema = xmlschema.XMLSchema10(source.to_bytes().decode(), allow="none")
        self._ruleset = ruleset

    def begin(self, flagged: Collection[etree._Element], most: int) -> Explanation:
        """An explanation of one document, beside the elements that are `flagged` already; `most` findings are told."""
        return Explanation(self._schema, self._ruleset, flagged, most)


class Explanation:
    """What is wrong with one document, told part by part. `total` goes on when `findings` is full."""

    def __init__(
        self, schema: xmlschema.XMLSchema10, ruleset: Ruleset, flagged: Collection[etree._Element], most: int
    ) -> None:
        self._schema = schema
        self._ruleset = ruleset
        self._flagged = flagged
        self._most = most
        self._told: set[tuple[etree._Element, XmlCode]] = set()
        self._known: set[etree._Element] = set()
        self.findings: list[Finding] = []
        self.total = 0

    def add(self, root: etree._Element, complaints: Iterable[Complaint], numbers: Mapping[etree._Element, int]) -> None:
        """Explain what libxml2 complained about in a part whose records have these `numbers`; records may be taken out.

        What is outside the records is in every part, and is told once.
        """
        unseen = [
            element
            for element in find_places(root, complaints)
            if element not in self._flagged and element not in self._known
        ]
        self._known.update(unseen)
        if not unseen:
            return
        if len(self.findings) >= self._most:
            self.total += len(unseen)
            return
        bare = [self._bare(element, numbers) for element in unseen]
        strange = {element: finding for element in unseen if (finding := self._strange(element, numbers)) is not None}
        _take_out(root, {_below_root(element, root) for element in unseen}, numbers)
        found = list(self._findings(root, numbers))
        # xmlschema takes some characters for white space that XML does not.
        told = {element for element, _ in self._told}
        found = found + [finding for element, finding in strange.items() if element not in told] or bare
        self.findings += found[: self._most - len(self.findings)]
        self.total += len(found)

    def _findings(self, root: etree._Element, numbers: Mapping[etree._Element, int]) -> Iterator[Finding]:
        for error in self._errors(root):
            element = error.elem if etree.iselement(error.elem) else root
            if element in self._flagged:
                continue
            if isinstance(error, XMLSchemaChildrenValidationError):
                code, element, message = self._children(error, element)
            else:
                code, message = self._value(error, element)
            if (element, code) not in self._told:
                self._told.add((element, code))
                name = local_name(element, self._ruleset.names)
                yield Finding(code.value, location(element, self._ruleset, numbers), f"{name}: {message}.")

    def _errors(self, root: etree._Element) -> Iterator[XMLSchemaValidationError]:
        """What xmlschema finds, as far as it comes: libxml2 has refused the document before.

        It cannot count to some years, and gives up over an `xsi:type` that no schema has.
        """
        with suppress(ArithmeticError, xmlschema.XMLSchemaException):
            yield from self._schema.iter_errors(root, use_location_hints=False)

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
            return XmlCode.SCHEMA, _between(element)
        if len(element):
            return XmlCode.SCHEMA, "holds elements where only text belongs"
        if not (element.text or "").strip(_SPACES):
            return XmlCode.VALUE, "empty"
        if isinstance(rule, XsdEnumerationFacets):
            return XmlCode.CODE, "not one of the codes allowed"
        if isinstance(rule, XsdMaxLengthFacet | XsdMinLengthFacet):
            return XmlCode.VALUE, f"{'longer' if isinstance(rule, XsdMaxLengthFacet) else 'shorter'} than is allowed"
        strange = self._ruleset.character_fault(str(element.tag), element.text or "")
        description = self._ruleset.descriptions.get(simple_type, "").rstrip(".")
        if strange is not None:
            return XmlCode.VALUE, f"not of the right form; {strange}" + (
                f". It should be: {description}" if description else ""
            )
        if not description:
            return XmlCode.SCHEMA, "breaks the schema's rules"
        kind = "not of the right form" if isinstance(rule, XsdPatternFacets) else "not a right value"
        return XmlCode.VALUE, f"{kind}. It should be: {description}"

    def _strange(self, element: etree._Element, numbers: Mapping[etree._Element, int]) -> Finding | None:
        """A finding for an element that holds a character which may not stand in it, or text where elements belong."""
        if len(element):
            if not any(text.strip(_SPACES) for text in _texts(element)):
                return None
            code, message = XmlCode.SCHEMA, _between(element)
        else:
            fault = self._ruleset.character_fault(str(element.tag), element.text or "")
            if fault is None:
                return None
            code, message = XmlCode.VALUE, f"not of the right form; {fault}"
        name = local_name(element, self._ruleset.names)
        return Finding(code.value, location(element, self._ruleset, numbers), f"{name}: {message}.")

    def _bare(self, element: etree._Element, numbers: Mapping[etree._Element, int]) -> Finding:
        name = local_name(element, self._ruleset.names)
        return Finding(
            XmlCode.SCHEMA.value, location(element, self._ruleset, numbers), f"{name}: breaks the schema's rules."
        )


def _texts(element: etree._Element) -> list[str]:
    """What stands between an element's children."""
    return [element.text or "", *(child.tail or "" for child in element)]


def _between(element: etree._Element) -> str:
    """That text stands there; and which character, where it is one that cannot be told from nothing, or no letter."""
    found = "".join(_texts(element)).strip(_SPACES)
    named = f": {called(found[0])}" if found and not any(character.isalnum() for character in found) else ""
    return f"holds text between its elements{named}"


def _one_of(names: list[str]) -> str:
    told = list(dict.fromkeys(names))[:_MOST_NAMES_TOLD]
    return " or ".join(filter(None, [", ".join(told[:-1]), told[-1]])) if told else ""


def _below_root(element: etree._Element, root: etree._Element) -> etree._Element:
    """The child of the root that holds the element, or is it."""
    while (parent := element.getparent()) is not None and parent is not root:
        element = parent
    return element


def _take_out(root: etree._Element, failing: set[etree._Element], records: Collection[etree._Element]) -> None:
    """Remove the records that nobody complained about, but for one where none is left: the schema asks for one."""
    clean = [record for record in records if record not in failing]
    spare = 1 if len(clean) == len(records) else 0
    for record in clean[spare:]:
        root.remove(record)
