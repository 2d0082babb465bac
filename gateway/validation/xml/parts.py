"""Take a large document apart by its records, so that each look at it costs what its part is worth.

libxml2 and lxml locate every failure by counting siblings: a document of a hundred thousand wrong records would take minutes. A
part is the whole document with only some of its records, at most as many elements as the limit allows. A document of few
records is one part. Nothing is raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lxml import etree

_ELEMENTS: Final = etree.XPath("count(descendant-or-self::*)")


def oversized(root: etree._Element, record: str | None, most: int) -> etree._Element | None:
    """The first record of more than `most` elements; the root, where that much stands outside the records."""
    outside = 1
    for child in root.iterchildren(etree.Element):
        count = _size(child)
        if child.tag != record:
            outside += count
        elif count > most:
            return child
        if outside > most:
            return root
    return None


def scattered(root: etree._Element, record: str | None) -> etree._Element | None:
    """The first element that stands between records and is none."""
    first = root.find(record) if record is not None else None
    if first is None:
        return None
    stranger: etree._Element | None = None
    for child in first.itersiblings(etree.Element):
        if child.tag != record:
            stranger = stranger if stranger is not None else child
        elif stranger is not None:
            return stranger
    return None


def parts(root: etree._Element, record: str | None, most: int) -> Iterator[Mapping[etree._Element, int]]:
    """Make the document each of its parts in turn, and give the numbers of the records that are in it.

    The tree is changed in place, and is worth nothing afterwards. What the caller takes out of a part stays out.
    """
    records = list(root.iterchildren(record)) if record is not None else []
    groups = list(_groups(records, most))
    if len(groups) <= 1:
        yield {element: number for number, element in enumerate(records, 1)}
        return
    position = root.index(records[0])
    for element in records:
        root.remove(element)
    number = 1
    for group in groups:
        root[position:position] = group
        yield {element: number + offset for offset, element in enumerate(group)}
        number += len(group)
        for element in group:
            if element.getparent() is root:
                root.remove(element)


def _groups(records: list[etree._Element], most: int) -> Iterator[list[etree._Element]]:
    group: list[etree._Element] = []
    room = most
    for element in records:
        size = _size(element)
        if group and size > room:
            yield group
            group, room = [], most
        group.append(element)
        room -= size
    if group:
        yield group


def _size(element: etree._Element) -> int:
    count = _ELEMENTS(element) if len(element) else 1.0
    return int(count) if isinstance(count, float) else 0
