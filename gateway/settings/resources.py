"""Find the files that come with the program: `schemas`, `config`, `spool`, and the documentation that the console shows (`docs`), in a checkout or in an installed wheel.

Raises FileNotFoundError where neither is there, which only a broken installation can cause.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Resource = Literal["schemas", "config", "spool", "docs"]


def resource(name: Resource) -> Path:
    """The directory of that name: the wheel's copy if there is one, else the checkout's own."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "_data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the installation lacks its directory {name!r}")
