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
from gateway.spool.exception_lists import ExceptionLists, Listed, ListKey
from gateway.stages.context import StageContext
from gateway.stages.ended_files import areas_of
from tests.fakes.stores import SiteStore
from tests.fakes.two_ledgers import two_ledgers
from tests.unit.administration.retention.conftest import DAY, Past, live

YEARS = 8 * 365 * DAY


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[Past, SiteStore], ...]:
    """Two sites at rest, each with its store, which commands have from now on as well."""
    with two_ledgers(tmp_path / "sites", stored=True) as pair:
        stores = {bench.home: bench.context.payloads for bench in (pair.dwp, pair.la)}
        pasts = live(pair, random.Random("stored"))
        sent = next(identity for identity in pasts[0].words.values() if identity is not None)
        lists = ExceptionLists(pair.dwp.home.exceptions, pair.dwp.context.payloads)
        lists.keep({ListKey("out", pair.la.code, sent): [Listed(1, "8", "extract-date", "Not a date.")]})

    @contextmanager
    def with_store(settings: Settings, log: Logger) -> Iterator[StageContext]:
        with actors.stage_context(settings, log) as context:
            yield replace(context, payloads=stores[settings.home])

    monkeypatch.setattr(disposal, "stage_context", with_store)
    return tuple((past, store) for past in pasts if isinstance(store := stores[past.home], SiteStore))


def kept(past: Past, store: SiteStore) -> list[str]:
    """The paths of what the store has, below the state."""
    return [
        str(path.relative_to(past.home.state))
        for area in (*areas_of(past.home, None), past.home.evidence, past.home.exceptions)
        for path, _ in store.names(area)
    ]


def test_nothing_of_what_is_erased_is_left_in_the_store(stored: tuple[tuple[Past, SiteStore], ...]) -> None:
    areas = {name.split("/")[0] for past, store in stored for name in kept(past, store)}
    assert areas == {"evidence", "exceptions", "quarantine"}
    for past, store in stored:
        assert past.dispose(time.time() + YEARS).certificate is not None
        (certificate,) = kept(past, store)
        assert certificate.startswith("evidence/disposals/")


def test_nothing_is_certified_while_the_store_does_not_answer(stored: tuple[tuple[Past, SiteStore], ...]) -> None:
    past, store = stored[0]
    store.away = True
    with pytest.raises(StoreUnreachable):
        past.dispose(time.time() + YEARS)
    assert list(past.home.disposals.glob("*")) == []
    store.away = False
    assert past.dispose(time.time() + YEARS).certificate is not None
    assert len(kept(past, store)) == 1
