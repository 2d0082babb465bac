"""Hands delivered documents to a document system: looks what lies in spool/inbound, and makes the batches that are due.

Raises ConfigurationInvalid for templates with faults, IndexNotApproved for one without leave, DiskFull, DiskFailed, and what the ledger
raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from gateway.administration.indexing.approving import require_approved
from gateway.administration.indexing.batches import Batch, BatchFolder
from gateway.administration.indexing.forms import file_name
from gateway.administration.indexing.inbound import Lying, is_ready, known, lying
from gateway.administration.indexing.journal import Entry, unfinished
from gateway.administration.indexing.sizing import batches, due
from gateway.errors import ConfigurationInvalid
from gateway.ledger.store import Connection
from gateway.ledger.units import Transfer
from gateway.settings.index_templates import Template, templates
from gateway.settings.model import Settings
from gateway.storage.durable import DISK, Disk

Read = Callable[[], AbstractContextManager[Connection]]
"""Opens a view of the ledger."""


@dataclass(frozen=True)
class Left:
    """A file that is in no batch: `code` is index-unknown (the ledger has no such delivery) or index-conflict (it is not what was delivered)."""

    flow: str
    partner: str
    name: str
    code: str


class Indexer:
    """The indexer of one site. Only one at a time, and not for two threads."""

    def __init__(self, settings: Settings, read: Read, clock: Callable[[], float], disk: Disk = DISK) -> None:
        self._settings = settings
        self._read = read
        self._clock = clock
        self._folders = {
            template: BatchFolder(settings, template, clock, disk) for template in _approved(settings, read)
        }
        self._told: set[tuple[str, str, str, int]] = set()
        """Files that stay where they are, and were told of."""

    def work(self, stopping: Callable[[], bool] = lambda: False, *, all_of_it: bool = False) -> Iterator[Batch | Left]:
        """Finish what a crash left, and make every batch that is due; with `all_of_it` smaller ones too that need not be made yet."""
        for template, folder in self._folders.items():
            if (finished := folder.resume(self._rows)) is not None:
                yield from self._made(finished)
            ready, left = self._look(template)
            yield from left
            files = {row.key: each for each, row in ready}
            made = batches((row for _, row in ready), template.says)
            for rows in made if all_of_it else due(made, template.says, self._clock()):
                if stopping():
                    return
                entries = [_entry(files[row.key], row) for row in rows]
                if (batch := folder.make(entries, self._rows)) is not None:
                    yield from self._made(batch)

    def plan(self) -> Iterator[Batch | Left]:
        """What `work` would do with all that lies there, as far as names and rows can tell; nothing is changed."""
        for template in self._folders:
            ready, left = self._look(template)
            yield from left
            for rows in batches((row for _, row in ready), template.says):
                yield Batch("", template.name, len(rows), sum(row.size for row in rows))

    def _look(self, template: Template) -> tuple[list[tuple[Lying, Transfer]], list[Left]]:
        """The template's documents that can go into a batch, in the order in which they came; and what was not told of yet."""
        found = [each for each in lying(self._settings, template.says.flows) if _mark(each) not in self._told]
        with self._read() as connection:
            rows = known(connection, found)
        unknown = [each for each in found if each not in rows]
        self._told.update(map(_mark, unknown))
        ready = [(each, row) for each, row in rows.items() if is_ready(row)]
        return (
            sorted(ready, key=lambda each: each[1].key),
            [Left(each.flow, each.partner, each.name, "index-unknown") for each in unknown],
        )

    def _rows(self, entries: Sequence[Entry]) -> dict[str, Transfer]:
        found = [Lying(each.flow, each.partner, each.name, each.transfer, 0, 0) for each in entries]
        with self._read() as connection:
            return {row.id: row for row in known(connection, found).values()}

    def _made(self, batch: Batch) -> Iterator[Batch | Left]:
        if batch.documents:
            yield batch
        if batch.given_back:
            flows = sorted({each.flow for each in batch.given_back})
            names = {(each.flow, each.partner, each.name) for each in batch.given_back}
            back = [each for each in lying(self._settings, flows) if (each.flow, each.partner, each.name) in names]
            self._told.update(map(_mark, back))
        for each in batch.given_back:
            yield Left(each.flow, each.partner, each.name, "index-conflict")


def _approved(settings: Settings, read: Read) -> Sequence[Template]:
    found = templates(settings)
    if not found:
        raise ConfigurationInvalid(
            "There is no template in config/index: `gateway index example csv` prints one to begin with."
        )
    if open_without := unfinished(settings, [template.name for template in found]):
        raise ConfigurationInvalid(
            f"spool/batches has an unfinished batch of {', '.join(open_without)}, and config/index no such template any more: put it back."
        )
    with read() as connection:
        for template in found:
            require_approved(connection, template)
    return found


def _entry(each: Lying, row: Transfer) -> Entry:
    return Entry(each.flow, each.partner, each.name, row.id, file_name(row))


def _mark(each: Lying) -> tuple[str, str, str, int]:
    return each.flow, each.partner, each.name, each.inode
