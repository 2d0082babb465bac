"""Tables for people, as wide as the terminal allows; whole where nobody's terminal sets a width. Raises nothing of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.logs import safe_text

if TYPE_CHECKING:
    from rich.text import Text

_PLENTY: Final = 500
_GOOD: Final = frozenset({"receipted", "delivered", "ingested", "open", "yes"})
_BAD: Final = frozenset({"rejected", "quarantined", "expired", "no"})
_WAITING: Final = frozenset({"held", "deferred"})
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Column:
    """A heading; `right` for numbers, `gives_way` for the text that is cut first, `wide` where only room allows it."""

    name: str
    right: bool = False
    gives_way: bool = False
    wide: bool = False


def show(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """The rows on stdout. A cell that is the name of a state gets its colour."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and `--json` does without
    from rich.table import Table  # noqa: PLC0415 - as above

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PLENTY
    roomy = console.width >= 140
    shown = [number for number, column in enumerate(columns) if roomy or not column.wide]
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True, padding=(0, 2, 0, 0))
    for number in shown:
        column = columns[number]
        width = 8 if column.gives_way else len(column.name)
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if column.gives_way else width,
        )
    for row in rows:
        table.add_row(*(_cell(row[number]) for number in shown))
    console.print(table)


def _cell(text: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 - as above

    style = "green" if text in _GOOD else "red" if text in _BAD else "yellow" if text in _WAITING else ""
    return Text(text if text.isprintable() else safe_text(text), style=style)


def bytes_of(size: int) -> str:
    """A size as people read it, in powers of 1000."""
    value = float(size)
    for unit in _UNITS[:-1]:
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_UNITS[-1]}"


def brief(moment: str | None) -> str:
    """An RFC 3339 time as tables show it, UTC to the second."""
    return "" if moment is None else f"{moment[:10]} {moment[11:19]}"
