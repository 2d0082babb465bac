"""Lists as tables: headings that sort, and pages that go on where the last one ended.

A page begins after the last row of the one before, by the columns that it is sorted by, so that the thousandth page costs what the first one
costs. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.console.rendering import address

PAGE_ROWS: Final = 50
_PLACE_DIGITS: Final = 16


@dataclass(frozen=True)
class Column:
    """A heading. `sort` is the word that the query has for an order by it; None where there is none."""

    title: str
    sort: str | None = None
    numeric: bool = False
    descends_first: bool = False


@dataclass(frozen=True)
class Heading:
    """A column as a page shows it. `sorted` is a value of aria-sort."""

    title: str
    numeric: bool
    address: str | None
    sorted: str | None


@dataclass(frozen=True)
class Listing:
    """A page of a list; `previous` and `next` are addresses, None at either end."""

    columns: tuple[Heading, ...]
    rows: Sequence[Any]
    previous: str | None
    next: str | None
    empty: str


def listing(
    path: str,
    query: Mapping[str, str],
    columns: Sequence[Column],
    rows: Sequence[Any],
    *,
    sort: str = "",
    empty: str = "There is nothing here.",
    previous: str | None = None,
    following: str | None = None,
) -> Listing:
    """A page of a list at `path`. `query` is what else the page was asked for, without sort and place; `sort` is a column's word, with
    `-` before it for descending; `previous` and `following` are queries of places.
    """
    order = {"sort": sort} if sort else {}
    return Listing(
        columns=tuple(_heading(path, query, column, sort) for column in columns),
        rows=rows,
        previous=None if previous is None else address(path, **query, **order, before=previous),
        next=None if following is None else address(path, **query, **order, after=following),
        empty=empty,
    )


def whole(
    path: str,
    query: Mapping[str, str],
    columns: Sequence[Column],
    rows: Sequence[Any],
    *,
    empty: str = "There is nothing here.",
    key: Callable[[Any, str], Any] = getattr,
) -> Listing:
    """A list that is in memory, sorted and cut into pages here: `sort` is a word that `key` finds in a row, `page` counts from 1."""
    known = {column.sort for column in columns if column.sort}
    sort = query.get("sort", "")
    found = list(rows)
    if sort.removeprefix("-") in known:
        name = sort.removeprefix("-")
        found.sort(key=lambda row: _sortable(key(row, name)), reverse=sort.startswith("-"))
    else:
        sort = ""
    pages = max(1, -(-len(found) // PAGE_ROWS))
    number = int(query["page"]) if query.get("page", "").isdecimal() and len(query["page"]) < 7 else 1
    number = min(max(number, 1), pages)
    rest = {name: value for name, value in query.items() if name not in ("sort", "page")}
    order = {"sort": sort} if sort else {}
    return Listing(
        columns=tuple(_heading(path, rest, column, sort) for column in columns),
        rows=found[(number - 1) * PAGE_ROWS : number * PAGE_ROWS],
        previous=address(path, **rest, **order, page=number - 1) if number > 1 else None,
        next=address(path, **rest, **order, page=number + 1) if number < pages else None,
        empty=empty,
    )


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is None, "" if value is None else value.casefold() if isinstance(value, str) else value)


def _heading(path: str, query: Mapping[str, str], column: Column, sort: str) -> Heading:
    if column.sort is None:
        return Heading(column.title, column.numeric, None, None)
    descending = f"-{column.sort}"
    now = {column.sort: "ascending", descending: "descending"}.get(sort)
    turned = now == "ascending" or (now is None and column.descends_first)
    return Heading(
        column.title, column.numeric, address(path, **query, sort=descending if turned else column.sort), now
    )


def place_of(text: str | None) -> int | None:
    """A row's key, or an event's number, out of an address; None for what is none."""
    return int(text) if text and text.isdecimal() and len(text) < _PLACE_DIGITS else None


@dataclass(frozen=True)
class Cell:
    """A cell of a simple list: a text, where it leads, whether it is shown as a state's tag, and lines of small print below it."""

    text: object
    path: str | None = None
    tag: bool = False
    moment: bool = False
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A row of a simple list: `keys` are what it is sorted by."""

    cells: tuple[Cell, ...]
    keys: Mapping[str, Any]


def simple(
    path: str, query: Mapping[str, str], columns: Sequence[Column], lines: Sequence[Line], empty: str
) -> Listing:
    """A list in memory whose rows are lines of cells."""
    return whole(path, query, columns, lines, empty=empty, key=lambda line, name: line.keys[name])


@dataclass(frozen=True)
class Filter:
    """A field by which a list is restricted: a choice, or free text where `options` is None."""

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...] | None = None
    everything: str = "All"


@dataclass(frozen=True)
class Titled:
    """One of several lists on a page."""

    title: str
    list: Listing
