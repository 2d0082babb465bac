"""What a schema calls its elements, and says about them: by the type that an element stands in, since one name may mean two things."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.validation.xml.catalog import XSD, SchemaSource

_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Declared:
    """What a schema declares at one place: what it says, the members of the element, and what its codes mean."""

    about: str
    type: str
    node: etree._Element


class Labels:
    """The declarations of one schema version."""

    def __init__(self, source: SchemaSource) -> None:
        self._types = _named(source.root, "complexType")
        self._simple = _named(source.root, "simpleType")
        self._groups = _named(source.root, "group")
        self._roots = {name: _declared(node) for name, node in _named(source.root, "element").items()}
        self._members: dict[etree._Element, Mapping[str, Declared]] = {}

    def root(self, name: str) -> Declared | None:
        """The declaration of a document's first element."""
        return self._roots.get(name)

    def within(self, around: Declared | None) -> Mapping[str, Declared]:
        """The declarations of what may stand in an element, by name."""
        if around is None:
            return {}
        node = self._types.get(around.type) if around.type else around.node.find(f"{XSD}complexType")
        if node is None:
            return {}
        if node not in self._members:
            found: dict[str, Declared] = {}
            for element in self._elements(node, frozenset()):
                found.setdefault(element.get("name", ""), _declared(element))
            self._members[node] = found
        return self._members[node]

    def meaning(self, declared: Declared | None, value: str) -> str:
        """What the schema says about a code; nothing where it says nothing."""
        node = None if declared is None else self._simple.get(declared.type)
        if node is None:
            return ""
        codes = node.iterfind(f"{XSD}restriction/{XSD}enumeration")
        return next((_about(code) for code in codes if code.get("value") == value), "")

    def _elements(self, node: etree._Element, seen: frozenset[etree._Element]) -> Iterator[etree._Element]:
        """The elements that a type has, with those of its groups and its bases, without what is in them."""
        if node in seen:
            return
        for child in node.iterchildren(etree.Element):
            if child.tag == f"{XSD}element":
                yield self._named_element(child)
            elif child.tag == f"{XSD}group" and (group := self._groups.get(child.get("ref", ""))) is not None:
                yield from self._elements(group, seen | {node})
            else:
                if child.tag == f"{XSD}extension" and (base := self._types.get(child.get("base", ""))) is not None:
                    yield from self._elements(base, seen | {node})
                yield from self._elements(child, seen | {node})

    def _named_element(self, node: etree._Element) -> etree._Element:
        found = self._roots.get(node.get("ref", ""))
        return node if found is None else found.node


def words(name: str) -> str:
    """`DateOfBirth` as `Date of birth`."""
    return " ".join(
        word if at == 0 or word.isupper() else word.lower() for at, word in enumerate(_CAPITAL.sub(" ", name).split())
    )


def _named(root: etree._Element, kind: str) -> dict[str, etree._Element]:
    return {node.get("name", ""): node for node in root.iterchildren(f"{XSD}{kind}")}


def _declared(node: etree._Element) -> Declared:
    return Declared(_about(node), node.get("type", ""), node)


def _about(node: etree._Element) -> str:
    return " ".join((node.findtext(f"{XSD}annotation/{XSD}documentation") or "").split())
