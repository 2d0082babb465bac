"""Names of what other programs leave in directories or have not finished there: patterns that a site may change.

`check_pattern` raises ValueError, the rest nothing. A pattern is a name in which `*` stands for any characters and `?` for
one; everything else stands for itself, brackets included. Upper and lower case are the same. Safe because no pattern is
taken that would pass over the files that a site is there for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

PASSED_OVER: Final = (
    *("Thumbs.db", "ehthumbs*.db", "desktop.ini", "*:Zone.Identifier", "$RECYCLE.BIN", "System Volume Information"),
    *(
        "~$*",
        "*.partial",
        "*.crdownload",
        "*.download",
        "*.opdownload",
        "*.fdmdownload",
        "*.dtapart",
        "*.aria2",
        "*.!qB",
        "*.sb-*-*",
        "*.temp",
        "*.incomplete",
        "*.lftp-pget-status",
        "*.swp",
        "#*#",
    ),
    *("Icon\r", "__MACOSX", "Network Trash Folder", "Temporary Items", "@eaDir", "#recycle", "#snapshot", "lost+found"),
)
"""Windows; what office programs, browsers, transfer programs and editors make meanwhile; macOS, NAS boxes, Linux.

Names that begin with a dot (`.DS_Store`, `._NAME`, `.~lock.NAME#`, `.nfs*`, `.fuse_hidden*`) need no pattern.
"""

_WILD: Final = {"*": ".*", "?": "."}
_LEAST: Final = 2
"""Characters of a pattern that stand for themselves."""
_LONGEST: Final = 120
_ID: Final = "019ab5f0-1c2d-7abc-8def-0123456789ab"
_ORDINARY: Final = (
    *("claims-1.xml", "Claim 2.XML", "laid.pdf", "LAID [1].PDF", "hb9991_SHBE_555086k May 2013.csv", "a.csv", "b.txt"),
    *(f"redirect-20261121-{_ID}.xml", f"{_ID}.pgp", f"{_ID}.receipt.pgp", "claims-1.xml.accepted", "laid.pdf.rejected"),
)
"""Names of files that a gateway is there for; a pattern that one of them fits would stop the site silently."""


def check_pattern(pattern: str) -> str:
    """The pattern, where it is one and passes over no ordinary file."""
    if len(pattern) > _LONGEST or "/" in pattern or "\0" in pattern:
        raise ValueError("not the pattern of a name")
    if len(pattern) - sum(map(pattern.count, _WILD)) < _LEAST:
        raise ValueError("a pattern of nearly every name")
    fits = _compiled([pattern])
    if any(map(fits.fullmatch, _ORDINARY)):
        raise ValueError("a pattern of ordinary files")
    return pattern


class Debris:
    """Whether a name fits one of the patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._all = _compiled(patterns)

    def __call__(self, name: str) -> bool:
        return self._all.fullmatch(name) is not None


def has_wildcard(pattern: str) -> bool:
    """Whether it stands for more than one name."""
    return any(mark in pattern for mark in _WILD)


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    parts = ["".join(_WILD.get(mark) or re.escape(mark) for mark in pattern) for pattern in patterns]
    return re.compile("|".join(parts) or r"(?!)", re.IGNORECASE | re.DOTALL)
