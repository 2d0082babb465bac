"""Arrivals that come through the site's store: while it is away each look at it fails, so that nobody takes the trouble for over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import StoreUnreachable
from gateway.stages.arrivals import Arrivals


def test_a_store_that_is_away_stays_so_between_two_looks(tmp_path: Path) -> None:
    now, away = [1000.0], [True]

    def names(_directory: Path) -> Iterator[tuple[Path, str]]:
        if away[0]:
            raise StoreUnreachable
        return iter(())

    context: Any = SimpleNamespace(
        clock=lambda: now[0],
        lanes=object(),
        payloads=SimpleNamespace(names=names),
        home=SimpleNamespace(sealed_in=tmp_path),
    )
    arrivals = Arrivals(context)
    arrivals._told = set()  # nothing was lost before
    for _ in range(4):
        with pytest.raises(StoreUnreachable):
            arrivals.bring()
        now[0] += 0.5
    away[0] = False
    arrivals.bring()
    away[0] = True
    now[0] += 0.5
    arrivals.bring()
    assert arrivals.due == 1003.0 + 1.0, "it looks again two seconds after the last look"
