"""Fixtures of the acceptance tests: pairs of real sites, and commands in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import main
from tests.acceptance.called import Done, Run
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, two_sites


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """DWP and one authority, introduced to each other, impatient, and not running."""
    with copied_pair(tmp_path) as sites:
        yield sites


@pytest.fixture
def pair_as_installed(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """The same with every setting as `gateway init` writes it."""
    with two_sites(tmp_path) as sites:
        yield sites


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process."""
    monkeypatch.delenv("GATEWAY_HOME", raising=False)

    def call(*arguments: str | Path) -> Done:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return Done(status, said.out, said.err)

    return call
