"""How much lies in a partner's landing; `domain.landing_quota` says when that is too much.

The managed server shuts a partner out while its landing is too full (`daemon.sshd_supervision`). Sizes are those that a copy
would have, so that a file of holes counts too. Raises nothing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from gateway.domain.landing_quota import LandingUsage

_BLOCK: Final = 512


def landing_usage(landing: Path) -> LandingUsage | None:
    """What lies in the directory; None where it cannot be read."""
    size = files = 0
    try:
        with os.scandir(landing) as entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # taken, or renamed, in this moment
                files += 1
                if stat.S_ISREG(about.st_mode):
                    size += max(about.st_size, about.st_blocks * _BLOCK)
    except OSError:
        return None
    return LandingUsage(size, files)
