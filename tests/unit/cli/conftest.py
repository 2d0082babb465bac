"""A site in this process, and its command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two sites that are configured, with nothing in their ledgers."""
    with two_ledgers(tmp_path / "sites") as made:
        for bench in (made.dwp, made.la):
            bench.configure()
        yield made


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, at a site or at none."""
    monkeypatch.delenv("GATEWAY_HOME", raising=False)

    def call(bench: Bench | None, *arguments: str | Path) -> Said:
        capfd.readouterr()
        home = [] if bench is None else ["--home", str(bench.home.root)]
        status = main([*home, *map(str, arguments)])
        out, err = capfd.readouterr()
        return Said(status, out, err)

    return call
