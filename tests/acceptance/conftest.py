"""Fixtures of the acceptance tests: pairs of real sites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.sites import Site, two_sites


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """DWP and one authority, introduced to each other and not running."""
    with two_sites(tmp_path) as sites:
        yield sites
