"""Disposal at a site whose files are in a store: what is erased is erased there too, before a certificate says so."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.administration.requests import actors
from gateway.administration.retention import disposal
from gateway.errors import StoreUnreachable
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.ended_files import areas_of
from tests.fakes.stores import DirectoryStore
from tests.fakes.two_ledgers import two_ledgers
from tests.unit.administration.retention.conftest import DAY, Past, live

YEARS = 8 * 365 * DAY


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[Past, DirectoryStore], ...]:
    """Two sites at rest, each with its store, which commands have from now on as well."""
    with two_ledgers(tmp_path / "sites", stored=True) as pair:
        stores = {bench.home: bench.context.payloads for bench in (pair.dwp, pair.la)}
        pasts = live(pair, random.Random("stored"))

    @contextmanager
    def with_store(settings: Settings, log: Logger) -> Iterator[StageContext]:
        with actors.stage_context(settings, log) as context:
            yield replace(context, payloads=stores[settings.home])

    monkeypatch.setattr(disposal, "stage_context", with_store)
    return tuple((past, store) for past in pasts if isinstance(store := stores[past.home], DirectoryStore))


def words_in(past: Past, store: DirectoryStore) -> set[str]:
    held = b"".join(str(path).encode() + path.read_bytes() for path in store.root.rglob("*") if path.is_file())
    return {each for each in past.words if each.encode() in held}


def test_nothing_of_what_is_erased_is_left_in_the_store(stored: tuple[tuple[Past, DirectoryStore], ...]) -> None:
    assert any(words_in(past, store) for past, store in stored)
    for past, store in stored:
        done = past.dispose(time.time() + YEARS)
        assert done.certificate is not None
        assert words_in(past, store) == set()
        left = [path for area in areas_of(past.home, None) for path, _ in store.names(area)]
        assert [path for path in left if not path.is_relative_to(past.home.evidence / "disposals")] == []
        assert len(left) == 1


def test_nothing_is_certified_while_the_store_does_not_answer(stored: tuple[tuple[Past, DirectoryStore], ...]) -> None:
    for past, store in stored:
        if not words_in(past, store):
            continue
        store.away = True
        with pytest.raises(StoreUnreachable):
            past.dispose(time.time() + YEARS)
        assert list(past.home.disposals.glob("*")) == []
        store.away = False
        assert past.dispose(time.time() + YEARS).certificate is not None
        assert words_in(past, store) == set()
