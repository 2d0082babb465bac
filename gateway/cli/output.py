"""What commands print: data on stdout, everything else on stderr.

Raises OSError where stdout cannot be written; `gateway.cli.main` deals with a reader that went away.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import click
import orjson

from gateway.domain.spreadsheets import guarded
from gateway.errors import UsageWrong

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from gateway.administration.evidence.contents import Made


def _one_form(ctx: click.Context, param: click.Parameter, value: bool) -> bool:  # noqa: FBT001  # click's signature
    if value and any(ctx.params.get(form) for form in ("as_json", "as_csv") if form != param.name):
        raise UsageWrong("Give --csv or --json, not both.")
    return value


as_json = click.option("--json", "as_json", is_flag=True, callback=_one_form, help="Print JSON instead of a table.")
as_csv = click.option(
    "--csv", "as_csv", is_flag=True, callback=_one_form, help="Print CSV, with a line of headings, instead of a table."
)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    click.echo(text, err=True)


def show_json(value: Any) -> None:
    """Data as JSON, indented, on stdout. Dataclasses become objects, their fields in order."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def show_csv(kind: type[DataclassInstance], rows: Iterable[DataclassInstance]) -> None:
    """The same data as CSV on stdout (RFC 4180, UTF-8), a line for each row, under the names of the fields of `kind`.

    An object within a row has a column for each of its fields, `outer.inner`. A list is in one cell, with `; ` between. Times
    and numbers are as in JSON. Text that a spreadsheet would run as a formula gets an apostrophe before it, and a control
    character, which RFC 4180 does not have, is escaped.
    """
    import csv  # noqa: PLC0415  # few commands print it

    names = list(_names(kind))
    writer = csv.writer(sys.stdout)
    writer.writerow(names)
    for row in rows:
        cells = dict(_cells(row))
        writer.writerow([_cell(cells.get(name)) for name in names])


def _names(kind: type[DataclassInstance]) -> Iterator[str]:
    """The columns of a kind of row, whatever its rows hold."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        inner = next((each for each in (hints[field.name], *_choices(hints[field.name])) if is_dataclass(each)), None)
        if isinstance(inner, type):
            yield from (f"{field.name}.{name}" for name in _names(inner))
        else:
            yield field.name


def _choices(hint: Any) -> tuple[Any, ...]:
    """What a value may be by its hint: `X | None` is X."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else ()


def _cells(row: DataclassInstance) -> Iterator[tuple[str, Any]]:
    for field in fields(row):
        value = getattr(row, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from ((f"{field.name}.{name}", cell) for name, cell in _cells(value))
        else:
            yield field.name, value


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool() | int() | float():
            return orjson.dumps(value).decode()
        case str():
            text = str(value)
        case list() | tuple() if all(isinstance(each, str) for each in value):
            text = "; ".join(value)
        case _:
            text = orjson.dumps(value, default=str).decode()
    cell = guarded(text)
    if cell.isprintable():
        return cell
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in cell)


def counted(number: int, noun: str) -> str:
    """`1 fault`, `2 faults`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def in_fours(fingerprint: str) -> str:
    """A fingerprint in groups of four, to be read out on the telephone."""
    return " ".join(fingerprint[start : start + 4] for start in range(0, len(fingerprint), 4))


@contextmanager
def progress(doing: str) -> Iterator[Callable[[str, int], None]]:
    """What is being done, what with, and how many so far: on a terminal's stderr."""
    if not sys.stderr.isatty():
        yield lambda _what, _count: None
        return
    from rich.console import Console  # noqa: PLC0415  # only where it is seen

    with Console(stderr=True).status(doing) as shown:
        yield lambda what, count: shown.update(f"{doing} {what}{f': {count}' if count else ''}")


def show_made(made: Made, *, as_json: bool) -> None:
    """A file of evidence that was made, and what it shows."""
    if as_json:
        show_json(made)
        return
    click.echo(f"{made.file}: events {made.first_event} to {made.last_event} of the audit chain.")
    if made.by is not None:
        say(f"{made.by} confirms them as far as event {made.confirmed}.")
    for each in made.missing:
        say(f"Not in it: {each}")
    known = "".join(f" --known {key}" for key in made.keys)
    say(f"Who gets it checks it with: python3 verify_evidence.py {made.file}{known}")
