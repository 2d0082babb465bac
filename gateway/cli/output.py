"""What commands print: data on stdout, everything else on stderr.

Raises OSError where stdout cannot be written; `gateway.cli.main` deals with a reader that went away.
"""

from __future__ import annotations

import sys
from typing import Any

import click
import orjson

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def say(text: str) -> None:
    """A line for the person at the terminal."""
    click.echo(text, err=True)


def show_json(value: Any) -> None:
    """Data as JSON, indented, on stdout. Dataclasses become objects, their fields in order."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def in_fours(fingerprint: str) -> str:
    """A fingerprint in groups of four, to be read out on the telephone."""
    return " ".join(fingerprint[start : start + 4] for start in range(0, len(fingerprint), 4))
