"""How far a verification is, for the console to show: a file in state/run, worth nothing once the request has its answer.

Raises nothing: whoever writes it has other work, and writes it again soon.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import orjson

_FILE: Final = "verification"
_MOST: Final = 4096


class Progress(NamedTuple):
    """Of the request with that id: what is being looked at, how many of those so far, and of how many where that is known, else 0."""

    request: str
    what: str
    done: int
    total: int


def note(run: Path, progress: Progress) -> None:
    """Write down how far it is."""
    fresh = run / f".{_FILE}"
    with suppress(OSError):
        fresh.write_bytes(orjson.dumps(list(progress)))
        fresh.chmod(0o660)
        fresh.replace(run / _FILE)


def noted(run: Path) -> Progress | None:
    """What was written down last."""
    with suppress(OSError, ValueError, TypeError), (run / _FILE).open("rb") as file:
        request, what, count, total = orjson.loads(file.read(_MOST))
        return Progress(str(request), str(what), int(count), int(total))
    return None


def moved(run: Path) -> int:
    """A number that changes whenever something else is written down; 0 where nothing was."""
    try:
        return (run / _FILE).stat().st_mtime_ns
    except OSError:
        return 0
