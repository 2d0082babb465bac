"""An authority's console in one process, asked in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.console import live, watching
from tests.fakes.programs import Program, program
from tests.fakes.two_ledgers import two_ledgers


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Of an authority that got a claim. A module's tests share it: each has people of its own."""
    with two_ledgers(tmp_path_factory.mktemp("console")) as pair:
        pair.dwp.submit("claim.xml", b"claim")
        pair.work()
        with program(pair.la) as made:
            yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever listens looks a hundred times a second."""
    for module in (live, watching):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
