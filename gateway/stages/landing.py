"""The landing, where partners leave their sealed files: names of files under way, and which uploads are known to be finished.

`inbound.collect` takes what is finished. Raises nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

COPYING: Final = "copying"
"""The file in `sealed/in/PARTNER` that is being copied; no partner chooses that name."""

UNFINISHED: Final = ".part"
"""How names end in a landing while somebody still writes there."""

_CARRIED: Final = ".carried-"

_MOST_NAMES: Final = 10_000


def carried_part(final: Path) -> Path:
    """What a file that comes by hand is called until it is whole. Not NAME.part, which may be half an upload of the partner's."""
    return final.with_name(f"{_CARRIED}{final.name}{UNFINISHED}")


class LandingUploads:
    """Which files were renamed from NAME.part, and which were written under their last name. The watcher's thread notes
    them and Collect asks. A file that it forgot, or never saw, is neither.
    """

    def __init__(self) -> None:
        self._parts: set[Path] = set()
        self._direct: set[Path] = set()

    def note(self, path: Path) -> None:
        """Note a file that was made, closed or renamed."""
        for names in (self._parts, self._direct):
            if len(names) >= _MOST_NAMES:
                names.clear()
        if path.name.endswith(UNFINISHED):
            final = path.with_name(path.name.removesuffix(UNFINISHED).removeprefix(_CARRIED))
            self._parts.add(final)
            self._direct.discard(final)
        elif path not in self._parts:
            self._direct.add(path)

    def is_finished(self, path: Path) -> bool:
        """Whether its writer has finished it, by the rename. A broken session of the writer may still have it open."""
        return path in self._parts and not os.path.lexists(path.with_name(path.name + UNFINISHED))

    def is_direct(self, path: Path) -> bool:
        return path in self._direct

    def forget(self, path: Path) -> None:
        """Forget a file that was taken."""
        self._parts.discard(path)
        self._direct.discard(path)
