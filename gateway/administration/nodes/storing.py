"""Preparing the store that the nodes of a site share, and looking whether it is as it should be.

Raises UsageWrong where `[payloads] url` is "", NotPermitted, SiteBusy where the gateway runs, StoreForeign for keys that are not the store's or a store
of another site, ConfigurationInvalid for one that overwrites, EngineMissing, StoreUnreachable, StoreFull, CustodyLost, DiskFull and DiskFailed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.administration.site.settings import share_out
from gateway.assembly.stores import shared_payloads, verify_store
from gateway.daemon.lock import held
from gateway.errors import EngineMissing, UsageWrong
from gateway.settings.directories import PRIVATE, make
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role
from gateway.storage.digest import file_digest
from gateway.storage.durable import disk_error, write_new_file
from gateway.storage.ownership import give_to_owner_of

_AT_ONCE: Final = 500
_HIDDEN: Final = "."


@dataclass(frozen=True)
class Prepared:
    """A store that is prepared: the contract of `nodes store --json`. `kept` are files of this machine that it has."""

    url: str
    site: str
    keys_made: bool
    kept: int
    bytes: int


def prepare(settings: Settings) -> Prepared:
    """Make the site's keys where there are none, mark the store, and put there what this machine has; again is the same."""
    if not settings.payloads.url:
        raise UsageWrong('[payloads] url is "": there is no store to prepare.')
    home = settings.home
    with ExitStack() as locks:
        for name in ("gateway", *(role.value for role in Role)):
            locks.enter_context(held(home.run, name))
        made = _make_keys(home)
        share_out(home)
        payloads = shared_payloads(settings)
        payloads.prepare(settings.site.code.encode())
        verify_store(settings)
        kept = size = 0
        files = _kept_here(home)
        while batch := list(islice(files, _AT_ONCE)):
            try:
                payloads.keep({path: file_digest(path) for path in batch})
                size += sum(path.stat().st_size for path in batch)
            except OSError as error:
                raise disk_error(error, "reading files for the store") from error
            kept += len(batch)
    return Prepared(settings.payloads.url, settings.site.code, made, kept, size)


def _make_keys(home: Home) -> bool:
    try:
        from gateway.storage.sealing import new_key  # noqa: PLC0415 - of the extra `nodes`
    except ImportError as error:
        raise EngineMissing("[payloads] url needs the extra `nodes`: `pip install 'gateway[nodes]'`") from error
    try:
        make([(home.payloads, PRIVATE)])
    except OSError as error:
        raise disk_error(error, "making state/payloads") from error
    made = [path for path in home.payload_keys if not path.exists() and write_new_file(path, new_key().encode("ascii"))]
    try:
        for path in (home.payloads, *made):
            give_to_owner_of(home.state, path)
    except OSError as error:
        raise disk_error(error, "giving the keys of the store to the gateway's account") from error
    return bool(made)


def _kept_here(home: Home) -> Iterator[Path]:
    """The files of this machine that rows of the ledger speak of."""
    for root in (home.custody, home.infected, home.sealed_out, home.sealed_in, home.evidence, home.exceptions):
        yield from _below(root)
    yield from (path for path in _below(home.quarantine) if path.parent == home.quarantine and path.suffix == ".sealed")


def _below(root: Path) -> Iterator[Path]:
    for where, _, files in os.walk(root):
        for name in sorted(files):
            path = Path(where, name)
            if not name.startswith(_HIDDEN) and path.is_file() and not path.is_symlink():
                yield path
