"""What lies in the spool and in the landing and is nobody's submission: passed over, never returned or locked away.

`forgotten` raises OSError for a directory that cannot be read. Nothing is opened or changed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from gateway.settings.debris import Debris, has_wildcard
from gateway.spool.names import is_temporary

_LONG: Final = 86400.0
"""Seconds after which somebody should look at what is not finished."""


class PassedOver:
    """Whether a name is passed over: by the patterns of a site, or as everywhere (`names.is_temporary`)."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._debris = Debris(patterns)

    def __call__(self, name: str) -> bool:
        return is_temporary(name) or self._debris(name)


def forgotten(trees: Iterable[Path], patterns: Iterable[str], now: float) -> Mapping[Path, int]:
    """How many files have been passed over for more than a day, by directory FLOW/PARTNER of these trees.

    Such a file may be somebody's, whose program never gave it its last name. Left out are names that no person chooses: those
    that begin with a dot, and those that a pattern gives in full.
    """
    patterns = list(patterns)
    passed_over, own = PassedOver(patterns), Debris(pattern for pattern in patterns if not has_wildcard(pattern))
    found: Counter[Path] = Counter()
    for directory in (path for tree in trees for path in sorted(tree.glob("*/*"))):
        if not directory.is_dir():
            continue
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or own(entry.name) or not passed_over(entry.name):
                    continue
                # When it came here, or was last written to: its own time may be as old as its source.
                if entry.is_file(follow_symlinks=False) and now - entry.stat(follow_symlinks=False).st_ctime > _LONG:
                    found[directory] += 1
    return found
