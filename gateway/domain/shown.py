"""What inspect renders for the console: the shape of `shown.json` and of the pages beside it, and reading them again. Pure.

The renderer has read a hostile file and may have been taken over by it. So every part is looked at, and bounded, wherever it is read;
ValueError for what is none. All of it is text that a template escapes: nothing here is markup, and nothing is followed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

META: Final = "shown.json"
FINDINGS: Final = "findings.json"
"""What is wrong with a file that is locked away, beside its rendering. inspect writes it, and no reader."""
PAYLOAD: Final = "payload"
"""The bytes themselves, while a reader reads them, or for a program."""
KEPT_SECONDS: Final = 600.0
"""How long a rendering stays."""
MOST_PAGES: Final = 40
MOST_CASES: Final = 2_000
MOST_BYTES: Final = 8 << 20
"""Of one file."""
_DEEPEST: Final = 30
_MOST_NODES: Final = 20_000
_LONGEST: Final = 20_000
_MOST_COLUMNS: Final = 1_000
_MOST_FINDINGS: Final = 1_000


class Kind(StrEnum):
    """What there is to look at."""

    PICTURES = "pictures"
    FORM = "form"
    TABLE = "table"
    FINDINGS = "findings"
    BYTES = "bytes"
    """Of what no reader can render: the first ones, as hexadecimal."""


@dataclass(frozen=True)
class Case:
    """What matters of one case for a management check; None where the payload does not tell it."""

    birth: date | None = None
    death: date | None = None
    in_payment: bool | None = None
    sensitive: bool | None = None


@dataclass(frozen=True)
class Shown:
    """What was rendered: so many `pages` of records `first` to `last` of `total` (pages, where they are pictures). `reference` is the
    first case's National Insurance number or reference.
    """

    kind: Kind
    pages: int
    first: int
    last: int
    total: int
    schema: str | None = None
    reference: str | None = None
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Node:
    """One element of a form: its label, what its schema says about it, its value, and what that value means; or what is in it."""

    label: str
    about: str = ""
    value: str | None = None
    means: str = ""
    within: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Some rows of a table: titles of the columns, and each row with its number in the file."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Findings:
    """What is wrong with an upload: code, place and sentence each. `accepted` if it would go all the same."""

    accepted: bool
    total: int
    findings: tuple[tuple[str, str, str], ...]
    note: str = ""


def page_name(number: int, kind: Kind) -> str:
    """The file of a page; they count from 1."""
    return f"page-{number}.{'png' if kind is Kind.PICTURES else 'json'}"


def words_name(number: int) -> str:
    """The text of a picture."""
    return f"words-{number}.json"


def to_bytes(what: Shown | Findings | Rows | Sequence[Node] | str) -> bytes:
    """As JSON."""
    plain: object = what
    if isinstance(what, Shown | Findings | Rows):
        plain = asdict(what)
    elif not isinstance(what, str):
        plain = [asdict(node) for node in what]
    return json.dumps(plain, default=str).encode()


def read_shown(content: bytes) -> Shown:
    """What `shown.json` says."""
    match _load(content):
        case {
            "kind": str(kind),
            "pages": int(pages),
            "first": int(first),
            "last": int(last),
            "total": int(total),
            "schema": None | str() as schema,
            "reference": None | str() as reference,
            "cases": list(cases),
        } if 0 <= pages <= MOST_PAGES and len(cases) <= MOST_CASES:
            return Shown(
                Kind(kind),
                pages,
                first,
                last,
                total,
                None if schema is None else _text(schema),
                None if reference is None else _text(reference),
                tuple(_case(case) for case in cases),
            )
        case _:
            raise ValueError("not what was rendered")


def read_words(content: bytes) -> str:
    """The text of a picture."""
    return _text(_load(content))


def read_form(content: bytes) -> tuple[Node, ...]:
    """A page of a form."""
    left = [_MOST_NODES]
    return _nodes(_load(content), left, _DEEPEST)


def read_rows(content: bytes) -> Rows:
    """A page of a table."""
    match _load(content):
        case {"columns": list(columns), "rows": list(rows)} if len(columns) <= _MOST_COLUMNS:
            return Rows(tuple(map(_text, columns)), tuple(_row(row, len(columns)) for row in rows))
        case _:
            raise ValueError("not rows of a table")


def read_findings(content: bytes) -> Findings:
    """What is wrong with an upload."""
    match _load(content):
        case {"accepted": bool(accepted), "total": int(total), "findings": list(findings), "note": str(note)} if (
            len(findings) <= _MOST_FINDINGS
        ):
            return Findings(accepted, total, tuple(_finding(each) for each in findings), _text(note))
        case _:
            raise ValueError("not findings")


def _load(content: bytes) -> Any:
    if len(content) > MOST_BYTES:
        raise ValueError("more than is rendered")
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _text(found: object) -> str:
    if not isinstance(found, str) or len(found) > _LONGEST:
        raise ValueError("not a text")
    return found


def _case(plain: object) -> Case:
    match plain:
        case {
            "birth": None | str() as birth,
            "death": None | str() as death,
            "in_payment": None | bool() as in_payment,
            "sensitive": None | bool() as sensitive,
        }:
            return Case(_day(birth), _day(death), in_payment, sensitive)
        case _:
            raise ValueError("not a case")


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _nodes(plain: object, left: list[int], depth: int) -> tuple[Node, ...]:
    if not isinstance(plain, list) or depth == 0:
        raise ValueError("not a form")
    left[0] -= len(plain)
    if left[0] < 0:
        raise ValueError("more than a page of a form")
    return tuple(_node(each, left, depth) for each in plain)


def _node(plain: object, left: list[int], depth: int) -> Node:
    match plain:
        case {"label": label, "about": about, "value": None | str() as value, "means": means, "within": within}:
            found = None if value is None else _text(value)
            return Node(_text(label), _text(about), found, _text(means), _nodes(within, left, depth - 1))
        case _:
            raise ValueError("not an element of a form")


def _row(plain: object, columns: int) -> tuple[int, tuple[str, ...]]:
    match plain:
        case [int(number), list(cells)] if len(cells) == columns:
            return number, tuple(map(_text, cells))
        case _:
            raise ValueError("not a row of a table")


def _finding(plain: object) -> tuple[str, str, str]:
    match plain:
        case [str(code), str(where), str(message)]:
            return _text(code), _text(where), _text(message)
        case _:
            raise ValueError("not a finding")
