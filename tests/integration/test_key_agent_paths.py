"""The key agent starts however deep the home lies: around the length at which its socket no longer fits."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from gateway.crypto.gnupg.key_agent import KeyAgent


@pytest.mark.parametrize("length", range(82, 100))
def test_agent_starts_in_a_home_whose_path_is_as_long_as(length: int) -> None:
    base = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    try:
        home = base / ("h" * (length - len(str(base)) - 1))
        home.mkdir(mode=0o700)
        agent = KeyAgent(home)
        try:
            agent.ensure()
        finally:
            agent.close()
    finally:
        shutil.rmtree(base)
