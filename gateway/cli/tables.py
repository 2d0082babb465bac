"""Tables for people: as wide as the terminal allows, whole where nobody's terminal sets a width. Raises nothing of its own."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import click

from gateway.administration.views.words import bytes_of
from gateway.logs import safe_text

__all__ = ["Column", "brief", "bytes_of", "printable", "show"]

_ROOMY: Final = 140
_LEAST: Final = 8
_BETWEEN: Final = "  "
_COLOURS: Final = {
    **dict.fromkeys(("receipted", "delivered", "ingested", "open", "yes"), "green"),
    **dict.fromkeys(("rejected", "quarantined", "expired", "no"), "red"),
    **dict.fromkeys(("held", "deferred"), "yellow"),
}


@dataclass(frozen=True)
class Column:
    """A heading; `right` for numbers, `gives_way` for the text that is cut first, `wide` where only room allows it."""

    name: str
    right: bool = False
    gives_way: bool = False
    wide: bool = False


def show(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """The rows on stdout. A cell that is the name of a state gets its colour."""
    room = _room()
    shown = [number for number, column in enumerate(columns) if room is None or room >= _ROOMY or not column.wide]
    chosen = [columns[number] for number in shown]
    cells = [[printable(row[number]) for number in shown] for row in rows]
    widths = [max(map(_width, (column.name, *(row[at] for row in cells)))) for at, column in enumerate(chosen)]
    if room is not None:
        widths = _fitted(chosen, widths, room)
    click.echo(_line([_cell(each.name, each, size, bold=True) for each, size in zip(chosen, widths, strict=True)]))
    for row in cells:
        shaped = zip(row, chosen, widths, strict=True)
        click.echo(_line([_cell(text, each, size, colour=_COLOURS.get(text)) for text, each, size in shaped]))


def brief(moment: str | None) -> str:
    """An RFC 3339 time as tables show it, UTC to the second."""
    return "" if moment is None else f"{moment[:10]} {moment[11:19]}"


def _room() -> int | None:
    """How many columns the terminal has; None where stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitted(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The widths, with the columns that give way cut as far as the room demands and a few letters allow."""
    fitted = list(widths)
    over = sum(widths) + len(_BETWEEN) * (len(widths) - 1) - room
    for at, column in enumerate(columns):
        if column.gives_way and over > 0:
            fitted[at] = max(widths[at] - over, min(widths[at], _LEAST))
            over -= widths[at] - fitted[at]
    return fitted


def _cell(text: str, column: Column, width: int, colour: str | None = None, *, bold: bool = False) -> str:
    """The text, cut or filled up to the width."""
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    space = " " * (width - _width(text))
    styled = click.style(text, fg=colour, bold=True if bold else None) if bold or colour else text
    return space + styled if column.right else styled + space


def _line(cells: Sequence[str]) -> str:
    return _BETWEEN.join(cells).rstrip()


def printable(text: str) -> str:
    """The text as it is, or masked and escaped where it has characters that cannot be seen as what they are."""
    return text if text.isprintable() else safe_text(text)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
