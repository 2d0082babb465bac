"""What follows from a schema for every document that it accepts: how deep it is, and that its records stand together.

A document that was accepted need not be looked at for it again. Only plain schemas are understood: sequences, choices and groups
of elements with named types, closed to `xsi:type` and without attributes. For any other the answer is that nothing follows.
Nothing is raised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Final

from lxml import etree

from gateway.validation.xml.catalog import XSD, SchemaSource
from gateway.validation.xml.codes import XmlLimits

_ELEMENT: Final = f"{XSD}element"
_COMPLEX: Final = f"{XSD}complexType"
_SIMPLE: Final = f"{XSD}simpleType"
_GROUP: Final = f"{XSD}group"
_SEQUENCE: Final = f"{XSD}sequence"
_PARTICLES: Final = frozenset({_ELEMENT, _GROUP, _SEQUENCE, f"{XSD}choice", f"{XSD}all"})
_FACETS: Final = frozenset(
    f"{XSD}{name}"
    for name in (
        *("restriction", "enumeration", "pattern", "length", "minLength", "maxLength", "whiteSpace", "totalDigits"),
        *("fractionDigits", "minInclusive", "maxInclusive", "minExclusive", "maxExclusive"),
    )
)
_NOTES: Final = frozenset(f"{XSD}{name}" for name in ("annotation", "appinfo", "documentation"))
_UNDERSTOOD: Final = _PARTICLES | _FACETS | _NOTES | {f"{XSD}schema", _COMPLEX, _SIMPLE}
_ALWAYS_ALLOWED: Final = 4
"""Attributes that any element may have: `xsi:type` (its own), `nil`, `schemaLocation`, `noNamespaceSchemaLocation`."""


def keeps_bounds(source: SchemaSource, record: str | None, limits: XmlLimits) -> bool:
    """Whether each document that the schema accepts is within the limits of depth and attributes, with its records together.

    `record` is the tag of records.
    """
    root = source.root
    if root.get("blockDefault") != "#all" or limits.attributes < _ALWAYS_ALLOWED:
        return False
    if not all(_is_understood(node) for node in root.iter(etree.Element) if str(node.tag).startswith(XSD)):
        return False
    named = {(str(node.tag), name): node for node in root.iterchildren(etree.Element) if (name := node.get("name"))}
    levels = max((_levels(each, named, ()) for each in root.iterchildren(_ELEMENT)), default=math.inf)
    return levels <= limits.depth and (record is None or _together(root, etree.QName(record).localname))


def _is_understood(node: etree._Element) -> bool:
    if node.tag == _ELEMENT:
        return {"substitutionGroup", "abstract", "block", "ref"}.isdisjoint(node.attrib)
    return node.tag in _UNDERSTOOD


def _levels(
    node: etree._Element, named: Mapping[tuple[str, str], etree._Element], around: tuple[etree._Element, ...]
) -> float:
    """How many levels of elements a part of a schema allows at most; without end where it is inside itself (`around`)."""
    if node in around:
        return math.inf
    below = [child for child in node if child.tag in _PARTICLES or child.tag == _COMPLEX]
    if node.tag == _ELEMENT and (declared := node.get("type")) is not None:
        if (found := named.get((_COMPLEX, declared))) is not None:
            below.append(found)
        elif (_SIMPLE, declared) not in named and (not declared.startswith("xs:") or declared == "xs:anyType"):
            return math.inf
    elif node.tag == _ELEMENT and node.find(_COMPLEX) is None and node.find(_SIMPLE) is None:
        return math.inf  # anything may stand in it
    elif node.tag == _GROUP and (referred := node.get("ref")) is not None:
        if (_GROUP, referred) not in named:
            return math.inf
        below.append(named[_GROUP, referred])
    own = 1 if node.tag == _ELEMENT else 0
    return own + max(map(partial(_levels, named=named, around=(*around, node)), below), default=0)


def _together(root: etree._Element, record: str) -> bool:
    """Whether nothing can come between two records: they are declared once, in a sequence that is all there is and comes once."""
    declared = [node for node in root.iter(_ELEMENT) if node.get("name") == record]
    if len(declared) != 1 or (sequence := declared[0].getparent()) is None or sequence.tag != _SEQUENCE:
        return False
    above = sequence.getparent()
    return sequence.get("maxOccurs", "1") == "1" and above is not None and above.tag == _COMPLEX
