"""Find the line of a table or key in TOML source text, which the standard library's reader does not tell.

Raises nothing: where a key cannot be found, the line of its table is given, or the first line. Only messages depend
on it, never what is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_HEADER: Final = re.compile(r"^\s*\[{1,2}\s*(?P<name>[^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY: Final = re.compile(r"""^\s*(?P<name>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_"'-]+)*)\s*=""")
_PART: Final = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_DELIMITERS: Final = ('"""', "'''")

Path = tuple[str, ...]


def _parts(name: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(name))


def _opens(line: str, closing: str | None) -> str | None:
    """The delimiter of a multi-line text that is open at the end of the line, or None."""
    position = 0
    while True:
        if closing is not None:
            found = line.find(closing, position)
            if found < 0:
                return closing
            position, closing = found + 3, None
        starts = [(line.find(mark, position), mark) for mark in _DELIMITERS if mark in line[position:]]
        if not starts:
            return None
        at, closing = min(starts)
        position = at + 3


@dataclass(frozen=True)
class Places:
    """Where the tables and keys of one TOML text stand, lines counted from 1."""

    tables: dict[Path, int] = field(default_factory=dict)
    keys: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of the key or table at `path`, or of the nearest table around it, or 1."""
        for length in range(len(path), 0, -1):
            known = self.keys.get(path[:length]) or self.tables.get(path[:length])
            if known is not None:
                return known
        return 1


def places(source: str) -> Places:
    """Read where everything stands. The text may be anything; what is no TOML is passed over."""
    found = Places()
    table: Path = ()
    closing: str | None = None
    for number, line in enumerate(source.splitlines(), start=1):
        inside, closing = closing, _opens("" if closing is None and line.lstrip().startswith("#") else line, closing)
        if inside is not None:
            continue
        if header := _HEADER.match(line):
            table = _parts(header["name"])
            found.tables.setdefault(table, number)
        elif key := _KEY.match(line):
            found.keys.setdefault(table + _parts(key["name"]), number)
    return found
