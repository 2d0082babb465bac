"""`--watch`: what a command shows, drawn anew every few seconds while it is on a terminal, until Ctrl-C.

Raises UsageWrong where stdout is no terminal, or data is asked for.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import Final, TypeVar

import click

from gateway.domain.identity import to_text
from gateway.errors import UsageWrong

_AROUND: Final = 4
"""Lines of a screen that hold no row: when it was drawn, the headings, the total, and the cursor's own."""
_Found = TypeVar("_Found")

option = click.option(
    "--watch",
    is_flag=False,
    flag_value="2",
    type=click.FloatRange(min=0.2, max=3600),
    metavar="[SECONDS]",
    help="Draw it anew every SECONDS (2 if none are given), until Ctrl-C.",
)


def repeat(look: Callable[[], _Found], show: Callable[[_Found], None], seconds: float, *, as_data: bool) -> None:
    """Show what `look` finds, again and again. The screen is cleared when the next picture is there, so it does not flicker."""
    if as_data or not sys.stdout.isatty():
        raise UsageWrong(
            "--watch draws on a terminal. For data, call the command again, or follow `gateway tail --json`."
        )
    try:
        while sys.stdout.isatty():
            found = look()
            click.clear()
            click.echo(f"{to_text(time.time())[:19].replace('T', ' ')} UTC, every {seconds:g} s; Ctrl-C ends it")
            show(found)
            time.sleep(seconds)
    except KeyboardInterrupt:
        click.echo()


def room() -> int:
    """How many rows of a table fit on the screen."""
    return max(shutil.get_terminal_size().lines - _AROUND, 1)
