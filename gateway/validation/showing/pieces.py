"""The files that a renderer writes, into the directory that is its own for one payload. OSError as the system has it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

LONGEST: Final = 20_000
_UNSEEN: Final = re.compile(
    r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""What cannot be seen, or turns the text around it."""


class Pieces:
    """Writes each file once, and never over one that is there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, name: str, content: bytes) -> None:
        """A new file of these bytes."""
        target = self._directory / name
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def plain(text: str, longest: int = LONGEST) -> str:
    """A text as it may be shown: nothing in it that cannot be seen, no longer than that."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text[:longest])
