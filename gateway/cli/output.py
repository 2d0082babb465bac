"""What commands print: data on stdout, everything else on stderr.

Raises OSError where stdout cannot be written; `gateway.cli.main` deals with a reader that went away.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import orjson

if TYPE_CHECKING:
    from gateway.administration.evidence.contents import Made

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def say(text: str) -> None:
    """A line for the person at the terminal."""
    click.echo(text, err=True)


def show_json(value: Any) -> None:
    """Data as JSON, indented, on stdout. Dataclasses become objects, their fields in order."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


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
    say(f"Who gets it checks it with: python3 verify_evidence.py {made.file}")
