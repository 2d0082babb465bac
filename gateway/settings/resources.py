"""Find the files that come with the program: `schemas`, `config`, `spool`, and the desk aids (`operators`), in a checkout or in an installed wheel.

Raises FileNotFoundError where neither is there, which only a broken installation can cause.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Resource = Literal["schemas", "config", "spool", "operators"]


def resource(name: Resource) -> Path:
    """The directory of that name: the wheel's copy if there is one, else the checkout's own."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "_data" / name, package.parent / name, package.parent / "docs" / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the installation lacks its directory {name!r}")
