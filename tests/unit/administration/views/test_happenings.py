"""The last events: the same ones, in however many pieces of the chain they are found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.administration.views import happenings
from gateway.administration.views.happenings import HappeningFilter, from_on, last
from gateway.ledger.store import read_head
from tests.fakes.two_ledgers import Pair, two_ledgers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def test_last_events_are_the_same_however_many_are_read_at_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.xml", "b.xml", "c.xml"):
        pair.dwp.submit(name, name.encode())
        pair.work()
    with pair.dwp.ledger.read() as connection:
        everything = last(connection, HappeningFilter(), 1000)
        assert len(everything) > 12
        for wanted in (HappeningFilter(), HappeningFilter(flow="claim"), HappeningFilter(partner="nobody")):
            meant = [each for each in everything if wanted.flow is None or wanted.flow in each.flows]
            meant = [each for each in meant if wanted.partner is None or wanted.partner == each.partner]
            for chunk in (1, 3, 1000):
                monkeypatch.setattr(happenings, "_CHUNK", chunk)
                assert [last(connection, wanted, most) for most in (1, 2, 5, 40)] == [
                    meant[:most] for most in (1, 2, 5, 40)
                ]
                found, before = from_on(connection, wanted, read_head(connection).sequence + 1, 4)
                while before is not None:
                    more, before = from_on(connection, wanted, before, 4)
                    found += more
                assert found == meant
