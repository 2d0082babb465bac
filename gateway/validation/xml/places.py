"""Finds the elements that libxml2 complained about, by the paths in its error log.

A path is of the form `/*/*[2]/*[7]`, or has prefixed names where the document has (`/c:Claims/c:Claim[2]`). XPath would
count siblings for each of them; here the children of an element are listed once. Nothing is raised: a path that cannot
be followed stands for the root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lxml import etree

from gateway.validation.xml.codes import Complaint

_STEP: Final = re.compile(r"/(\*|[^/\[\]]+)(?:\[([0-9]+)\])?")


def find_places(root: etree._Element, complaints: Iterable[Complaint]) -> list[etree._Element]:
    """The elements complained about, each once, in the log's order."""
    follow = _Follower(root)
    paths = dict.fromkeys(complaint.path or "" for complaint in complaints)
    return list(dict.fromkeys(follow(path) for path in paths))


class _Follower:
    """Follows paths through one tree, and remembers the children of the elements it came through."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._children: dict[tuple[etree._Element, str], list[etree._Element]] = {}

    def __call__(self, path: str) -> etree._Element:
        element = self._root
        for step in list(_STEP.finditer(path))[1:]:
            children = self._named(element, step[1])
            position = int(step[2] or 1)
            if not 1 <= position <= len(children):
                return self._root
            element = children[position - 1]
        return element

    def _named(self, parent: etree._Element, name: str) -> list[etree._Element]:
        known = self._children.get((parent, name))
        if known is None:
            known = [child for child in parent.iterchildren(etree.Element) if name in ("*", _prefixed(child))]
            self._children[parent, name] = known
        return known


def _prefixed(element: etree._Element) -> str:
    local = etree.QName(element).localname
    return f"{element.prefix}:{local}" if element.prefix else local
