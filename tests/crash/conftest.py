"""Where the sites of a sweep lie: on memory where there is room, since only processes die here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")
_ROOM = 1 << 30


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Path]:
    """A directory for two sites; its path is short enough for the sockets of key agents."""
    if not (_MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="gateway-", dir=_MEMORY) as directory:
        yield Path(directory)
