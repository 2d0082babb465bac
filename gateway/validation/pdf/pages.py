"""Count the pages of a PDF by following its page tree, with a bound on everything.

qpdf's own list of pages repairs what it finds, and follows the tree by recursion. Here nothing is repaired, and a tree of ten
thousand levels costs no stack. Raises PageTreeFault, whose code and place are a finding's.
"""

from __future__ import annotations

from gateway.validation.pdf.actions import Resolve
from gateway.validation.pdf.syntax import OPAQUE, Reference, Value


class PageTreeFault(ValueError):
    """The page tree breaks a rule."""

    def __init__(self, code: str, where: str) -> None:
        super().__init__(code, where)
        self.code = code
        self.where = where


def count_pages(trailer: Value, resolve: Resolve, node_of: Resolve, max_pages: int, max_depth: int) -> int:
    """The number of pages, at least 1. Raises PageTreeFault for none, too many, too deep, or a tree that is none.

    `node_of` resolves as `resolve` does; of a dictionary without /Kids it may give an empty one.
    """
    root = resolve(_entry(trailer, b"/Root"))
    pending: list[tuple[Value, int]] = [(_entry(root, b"/Pages"), 1)]
    seen: set[Reference] = set()
    pages = 0
    while pending:
        node, depth = pending.pop()
        where = "page tree"
        if isinstance(node, Reference):
            where = f"object {node.number} {node.generation}"
            if node in seen:
                raise PageTreeFault("pdf-unreadable", where)
            seen.add(node)
        if depth > max_depth:
            raise PageTreeFault("pdf-too-deep", where)
        content = node_of(node)
        if not isinstance(content, dict):
            raise PageTreeFault("pdf-no-pages" if depth == 1 else "pdf-unreadable", where)
        if b"/Kids" in content:
            kids = resolve(content[b"/Kids"])
            if not isinstance(kids, list):
                raise PageTreeFault("pdf-unreadable", where)
            pending.extend((kid, depth + 1) for kid in kids)
        elif depth > 1:
            pages += 1
        if pages > max_pages or len(pending) > 10 * max_pages:
            raise PageTreeFault("pdf-too-many-pages", "page tree")
    if pages == 0:
        raise PageTreeFault("pdf-no-pages", "page tree")
    return pages


def _entry(value: Value, key: bytes) -> Value:
    return value.get(key, OPAQUE) if isinstance(value, dict) else OPAQUE
