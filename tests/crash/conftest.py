"""Where the sites of a sweep lie."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory for two sites; its path is short enough for the sockets of key agents."""
    with tempfile.TemporaryDirectory(prefix="gateway-") as directory:
        yield Path(directory)
