"""Which objects of a PDF are reached as an action, and by what: a click on a link, or anything else.

Asked only where an object looks like an action that may pass: a link's, or one that merely has the name of an action. Every key
that can lead to an action is followed in every dictionary of the file, whatever its type (ISO 32000-2 section 12.6). Arrays and
references are followed with a list, each once. Pure; raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.validation.pdf.syntax import NULL, Name, Reference, Text, Value

Resolve = Callable[[Value], Value]
"""Follows a reference to the object itself, and gives anything else back as it is; a reference that leads to a stream, to
nothing, or on and on is given back too."""
Follow = Callable[[Reference], Value]
"""Follows a reference by one step; a stream is given as its dictionary."""

LEADING: Final = frozenset({b"/A", b"/AA", b"/OpenAction", b"/Next", b"/PA", b"/NA", b"/JavaScript"})
"""Keys whose value is an action, or holds actions. An outline and a page's steps have a /Next that is none: no harm."""
_LEADS: Final = re.compile(rb"/(?:A|AA|OpenAction|Next|PA|NA|JavaScript)(?![^\x00\t\n\f\r /<>\[\](){}%])")


def may_lead(text: bytes) -> bool:
    """Whether an object, as qpdf writes it, has a key that may lead to an action."""
    return _LEADS.search(text) is not None


def is_clicked(holder: dict[bytes, Value], resolve: Resolve) -> bool:
    """Whether the /A of this dictionary waits for a click on a link or on a line of the outline."""
    kind = resolve(holder.get(b"/Subtype", NULL))
    if kind == Name(b"/Link"):
        return True
    outline = kind is NULL and b"/Parent" in holder and isinstance(resolve(holder.get(b"/Title", NULL)), Text)
    return outline and not {b"/FT", b"/T", b"/S", b"/Kids", b"/Type"} & holder.keys()


def parts(value: Value) -> Iterator[dict[bytes, Value]]:
    """Every dictionary in an object, itself included."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


@dataclass
class Reached:
    """The objects that are reached by a click, and those reached otherwise; an object may be both."""

    by_click: set[Reference] = field(default_factory=set)
    otherwise: set[Reference] = field(default_factory=set)


def reached(values: Iterable[Value], resolve: Resolve, follow: Follow) -> Reached:
    """What all the objects of a file lead to."""
    found = Reached()
    walk = _Walk(follow, found)
    for value in values:
        for item in parts(value):
            for key in LEADING & item.keys():
                if key == b"/A" and is_clicked(item, resolve):
                    walk.mark(item[key], found.by_click)
                elif key in {b"/AA", b"/JavaScript"}:
                    walk.hold(item[key])
                else:
                    walk.mark(item[key], found.otherwise)
    return found


class _Walk:
    def __init__(self, follow: Follow, found: Reached) -> None:
        self._follow = follow
        self._found = found
        self._held: set[Reference] = set()

    def mark(self, value: Value, among: set[Reference]) -> None:
        """An action, or several of them."""
        pending = [value]
        while pending:
            item = pending.pop()
            if isinstance(item, Reference):
                if item in among:
                    continue
                among.add(item)
                pending.append(self._follow(item))
            elif isinstance(item, list):
                pending.extend(item)

    def hold(self, value: Value) -> None:
        """A dictionary of events, or a tree of names: whatever is in it may be an action."""
        pending = [value]
        while pending:
            item = pending.pop()
            if isinstance(item, Reference):
                if item in self._held:
                    continue
                self._held.add(item)
                self._found.otherwise.add(item)
                pending.append(self._follow(item))
            elif isinstance(item, dict):
                pending.extend(item.values())
            elif isinstance(item, list):
                pending.extend(item)
