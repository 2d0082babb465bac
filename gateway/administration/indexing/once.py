"""One pass over what lies in spool/inbound for a document system, for whoever asks now. Raises what `indexer` raises, and SiteBusy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from gateway.administration.access import opened
from gateway.administration.indexing.batches import Batch
from gateway.administration.indexing.indexer import Indexer, Left
from gateway.daemon.lock import held
from gateway.daemon.roles import INDEX
from gateway.settings.model import Settings
from gateway.settings.shared_place import require_shared


@dataclass(frozen=True)
class Made:
    """The batches that were made, or would be, and the files that are in none."""

    batches: tuple[Batch, ...]
    left: tuple[Left, ...]


def make_all(settings: Settings, clock: Callable[[], float]) -> Made:
    """Make batches of everything, the last one however small."""
    require_shared(settings, settings.home.inbound)
    with ExitStack() as stack:
        stack.enter_context(held(settings.home.run, INDEX))
        ledger = stack.enter_context(opened(settings))
        return _made(Indexer(settings, ledger.read, clock).work(all_of_it=True))


def look(settings: Settings) -> Made:
    """What would be made; nothing is changed."""
    with opened(settings) as ledger:
        return _made(Indexer(settings, ledger.read, lambda: 0.0).plan())


def _made(told: Iterable[Batch | Left]) -> Made:
    all_of_it = list(told)
    return Made(
        tuple(each for each in all_of_it if isinstance(each, Batch)),
        tuple(each for each in all_of_it if isinstance(each, Left)),
    )
