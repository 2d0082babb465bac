"""Stores for the sites of tests, and what is to be in them.

With GATEWAY_TEST_STORE in the environment every site of `two_ledgers` has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from gateway.errors import StoreUnreachable
from gateway.ledger.audit.files import Area, Listing, check_files
from gateway.ledger.store import Ledger, Transaction
from gateway.settings.home import Home
from gateway.storage.durable import DISK
from gateway.storage.objects.directory import DirectoryStore
from gateway.storage.payloads import IN_PLACE, KeptFile, Payloads
from gateway.storage.sealing import Sealing, new_key
from gateway.storage.shared_payloads import SharedPayloads

_UNSYNCED: Final = replace(DISK, fsync=lambda _descriptor: None, sync_file_system=lambda _descriptor: None)
VARIABLE: Final = "GATEWAY_TEST_STORE"


class SiteStore:
    """The files of a site whose state is `state`, in the directory `root`: the real store, which answers nothing while it is `away`."""

    def __init__(self, state: Path, root: Path, code: str) -> None:
        self.state, self.root, self.away = state, root, False
        new = not root.exists()
        root.mkdir(parents=True, exist_ok=True)
        self._payloads = SharedPayloads(state, DirectoryStore(root, state.parent.name, disk=_UNSYNCED), _key, _key)
        if new:
            self._payloads.prepare(code.encode())

    def keep(self, files: Mapping[Path, str], lying: Mapping[Path, Path] = IN_PLACE) -> None:
        self._require()
        self._payloads.keep(files, lying)

    def fetch(self, path: Path, sha256: str) -> Path:
        self._require()
        return self._payloads.fetch(path, sha256)

    def forget(self, path: Path, sha256: str) -> None:
        self._require()
        self._payloads.forget(path, sha256)

    def forget_all(self, files: Iterable[KeptFile]) -> None:
        self._require()
        self._payloads.forget_all(files)

    def kept_at(self, path: Path, sha256: str) -> float | None:
        self._require()
        return self._payloads.kept_at(path, sha256)

    def try_writing(self, name: str) -> None:
        pass

    def names(self, root: Path) -> Iterator[tuple[Path, str]]:
        self._require()
        return self._payloads.names(root)

    def _require(self) -> None:
        if self.away:
            raise StoreUnreachable("the store is away")


@cache
def _key() -> Sealing:
    return Sealing(new_key())


def store_listing(home: Home, payloads: Payloads, site: str) -> Listing:
    roots = {
        Area.CUSTODY: home.custody,
        Area.SEALED_OUT: home.sealed_out,
        Area.SEALED_IN: home.sealed_in,
        Area.QUARANTINE: home.quarantine,
        Area.INFECTED: home.infected,
        Area.EVIDENCE: home.evidence,
        Area.STATEMENTS: home.statements,
        Area.DISPOSALS: home.disposals,
    }
    stored = {
        area: {str(path.relative_to(root)): sha256 for path, sha256 in payloads.names(root)}
        for area, root in roots.items()
    }
    files: dict[Area, dict[str, int | None]] = {area: dict.fromkeys(names) for area, names in stored.items()}
    return Listing(files, lambda area, name: stored[area][name], site)


def watch_commits(ledger: Ledger, home: Home, payloads: Payloads, site: str) -> None:
    """Compare the store with the rows at each commit: what a stage keeps later than that comes too late."""
    write = ledger.write

    @contextmanager
    def watched() -> Iterator[Transaction]:
        with write() as transaction:
            yield transaction
        with ledger.read() as connection:
            found = check_files(connection, store_listing(home, payloads, site))
            assert found.faults == []

    ledger.write = watched  # type: ignore[method-assign]
