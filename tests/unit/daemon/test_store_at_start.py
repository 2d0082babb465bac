"""What `gateway run` says of the store of the site's files before anything goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.assembly.stores import shared_payloads, verify_store
from gateway.daemon import supervisor
from gateway.errors import StoreForeign, StoreUnprepared, StoreUnreachable
from gateway.settings.payloads import PayloadsSettings
from gateway.storage.sealing import new_key
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers


class Log:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def warning(self, _event: str, **keys: Any) -> None:
        self.said.append(keys)


def settings_with(bench: Bench, store: Path) -> Any:
    for key in bench.home.payload_keys:
        if not key.exists():
            key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            key.write_text(new_key())
            key.chmod(0o600)
    return replace(bench.settings, payloads=PayloadsSettings(url=f"file://{store}"))


@pytest.fixture
def pair(tmp_path: Path) -> Any:
    with two_ledgers(tmp_path) as made:
        yield made


def looks(settings: Any) -> list[dict[str, Any]]:
    looking = supervisor.Supervisor.__new__(supervisor.Supervisor)
    log = Log()
    looking._settings, looking._log = settings, log  # type: ignore[assignment]
    looking._look_at_store()
    return log.said


def test_one_that_is_not_prepared_or_away_is_named_with_what_to_do_and_waited_for(tmp_path: Path, pair: Pair) -> None:
    store = tmp_path / "store"
    settings = settings_with(pair.dwp, store)
    (away,) = looks(settings)
    store.mkdir()
    (bare,) = looks(settings)
    assert (away["code"], bare["code"]) == (StoreUnreachable.code, StoreUnprepared.code)
    assert "gateway nodes store" in bare["remedy"]
    assert str(store) in bare["reason"]
    shared_payloads(settings).prepare(b"DWP")
    assert looks(settings) == []


def test_one_of_other_keys_or_of_another_site_ends_it_before_partners_can_bring_anything(
    tmp_path: Path, pair: Pair
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    settings = settings_with(pair.dwp, store)
    shared_payloads(settings).prepare(b"DWP")
    verify_store(settings)
    with pytest.raises(StoreForeign, match="prepared with other keys"):
        looks(settings_with(pair.la, store))
    for ours, theirs in zip(pair.dwp.home.payload_keys, pair.la.home.payload_keys, strict=True):
        theirs.write_bytes(ours.read_bytes())
    with pytest.raises(StoreForeign, match="another site's"):
        looks(settings_with(pair.la, store))
    assert "config check" not in StoreForeign.remedy
