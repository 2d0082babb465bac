"""Loads what is delivered, group by group: rows, then the wait for the disk, then answers, then the files are removed.

A crash anywhere leaves a file that is looked at again. Its row says that it is loaded, and what the answer was: so it is loaded
once, and answered in the end. A document that is rejected keeps its file for a person to look at; whoever delivers never sees it
go. Raises DiskFull, DiskFailed, LoadDatabaseUnavailable, ConfigurationInvalid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationInvalid
from gateway.loading.database import ACCEPTED, REJECTED, Database, Loaded
from gateway.loading.inbox import Answer, Arrived, Found, Inbox
from gateway.settings.index_templates import examine
from gateway.settings.model import Settings
from gateway.settings.shared_place import require_shared
from gateway.storage.durable import DISK, Disk
from gateway.validation.contract import Report
from gateway.validation.xml.rows import DocumentReader, DocumentRows
from gateway.validation.xml.shape import DocumentShape

BATCH: Final = 500
"""Documents that share one wait for the disk, and at most so many bytes of them:"""
_BATCH_BYTES: Final = 64 << 20
_MOST_REASON: Final = 2_000
"""Characters that the gateway keeps of a reason (`domain.back_office_answer`)."""
_FINDINGS: Final = 10

CONFLICT: Final = "conflict"
UNANSWERABLE: Final = "unanswerable"


@dataclass(frozen=True)
class Line:
    """What became of one file. `verdict` is accepted, rejected, conflict or unanswerable; `earlier` says that its row was there."""

    flow: str
    partner: str
    name: str
    transfer: str
    verdict: str
    reason: str | None
    records: int
    set_aside: int
    earlier: bool = False


def readers_of(settings: Settings, schema_root: Path) -> Mapping[str, DocumentReader]:
    """The readers of the flows that `[load]` names; ConfigurationInvalid as `require_unclaimed`."""
    require_unclaimed(settings)
    allowed = settings.validation.test_numbers
    return {flow: DocumentReader(schema_root, flow, allow_test_numbers=allowed) for flow in settings.load.flows}


def require_unclaimed(settings: Settings) -> None:
    """ConfigurationInvalid where a template of `gateway index` has a flow that is loaded: a document goes one way.

    Where `[load]` is enabled the template is at fault (`index_templates`); without it a timer, or somebody, loads all the same.
    """
    for template in () if settings.load.enabled else examine(settings)[0]:
        for flow in template.says.flows:
            if flow in settings.load.flows:
                raise ConfigurationInvalid(
                    f"config/index/{template.name}.toml hands {flow} to a document system: take {flow} out of [load] flows, or out of the template"
                )


Tell = Callable[[str, int], None]
"""Told of progress: what, and how many so far."""


class Loader:
    """The loader of one site. Not for two threads at once; two processes may load the same files, and each is loaded once."""

    def __init__(
        self,
        settings: Settings,
        readers: Mapping[str, DocumentReader],
        clock: Callable[[], float],
        disk: Disk = DISK,
    ) -> None:
        self._readers = readers
        home = settings.home
        self._inbox = Inbox(home.inbound, home.outcomes, {flow: settings.flows[flow] for flow in readers}, disk)
        self._settings = settings
        self._clock = clock
        self._database: Database | None = None
        self._left: set[Found] = set()
        """Files that stay where they are, and are done with."""

    @property
    def shapes(self) -> Sequence[DocumentShape]:
        return [shape for reader in self._readers.values() for shape in reader.shapes]

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def waiting(self) -> int:
        """How many files there are that nothing was done about yet."""
        return len(self._due())

    def load(
        self, stopping: Callable[[], bool] = lambda: False, tell: Tell = lambda _what, _count: None
    ) -> Iterator[Line]:
        """Load everything that lies there, and say what became of each file; lines of a group come once it is answered."""
        require_shared(self._settings, self._settings.home.inbound, self._settings.home.outcomes)
        done = 0
        due = iter(self._due())
        while not stopping() and (arrived := list(self._next(due))):
            lines = self._group(arrived)
            done += len(lines)
            tell("documents", done)
            yield from lines

    def look(self) -> Iterator[Line]:
        """What would become of each file, as far as the file alone can tell; no database is opened, and nothing is changed."""
        for found in self._due():
            if (arrived := self._inbox.read(found)) is not None:
                rows, _, reason = self._read(arrived)
                loaded = Loaded(0, REJECTED, reason, 0, 0)
                if rows is not None:
                    loaded = Loaded(0, ACCEPTED, None, rows.records, rows.set_aside)
                yield _line(arrived, loaded)

    def _due(self) -> list[Found]:
        found = self._inbox.scan()
        self._left.intersection_update(found)
        return [each for each in found if each not in self._left]

    def _next(self, due: Iterator[Found]) -> Iterator[Arrived]:
        """The files of one group; those that somebody has taken meanwhile are passed over."""
        room = _BATCH_BYTES
        for arrived in islice(filter(None, map(self._inbox.read, due)), BATCH):
            yield arrived
            room -= len(arrived.content)
            if room <= 0:
                return

    def _group(self, arrived: Sequence[Arrived]) -> list[Line]:
        if self._database is None:
            self._database = Database(self._settings.load, self._settings.home.root, self.shapes, self._clock)
        database = self._database
        became = [(each, self._load(database, each)) for each in arrived]
        database.make_durable()
        known = [(each, loaded) for each, loaded in became if loaded is not None and loaded.same]
        unanswered = [(each, loaded) for each, loaded in known if not loaded.answered]
        self._inbox.answer(
            [
                Answer(each.found, each.subject, loaded.verdict, loaded.reason)
                for each, loaded in unanswered
                if each.subject is not None
            ]
        )
        if unanswered:
            database.note_answered([loaded.document for _, loaded in unanswered])
        removed = [each.found for each, loaded in known if loaded.verdict == ACCEPTED]
        self._inbox.remove(removed)
        self._left.update({each.found for each in arrived}.difference(removed))
        return [_line(each, loaded) for each, loaded in became]

    def _load(self, database: Database, arrived: Arrived) -> Loaded | None:
        """What became of it; None where it cannot be answered, and so is not loaded."""
        if arrived.subject is None:
            return None
        rows, schema, reason = self._read(arrived)
        return database.load(arrived.document, rows, schema, reason)

    def _read(self, arrived: Arrived) -> tuple[DocumentRows | None, str | None, str | None]:
        """The rows of a document and its schema; or no rows, and why."""
        read = self._readers[arrived.document.flow].read(arrived.content, arrived.listed)
        if isinstance(read, Report):
            return None, read.schema, _reason(read)
        return read, read.schema, None


def _reason(report: Report) -> str:
    """What the sender is told: where something is wrong and what, never a value."""
    told = report.findings[:_FINDINGS]
    lines = [f"{each.where}: {each.message} [{each.code}]" for each in told]
    if report.total > len(told):
        lines.append(f"and {report.total - len(told)} more")
    return "\n".join(lines)[:_MOST_REASON]


def _line(arrived: Arrived, loaded: Loaded | None) -> Line:
    document = arrived.document
    line = Line(document.flow, document.partner, document.name, document.transfer, "", None, 0, 0)
    if loaded is None:
        why = "Its name is too long for an answer: have the flow's inbound_name hold {transfer}."
        return replace(line, verdict=UNANSWERABLE, reason=why)
    if not loaded.same:
        why = "Another file of that transfer was loaded: other bytes, the same id in the name."
        return replace(line, verdict=CONFLICT, reason=why)
    return replace(
        line,
        verdict=loaded.verdict,
        reason=loaded.reason,
        records=loaded.records,
        set_aside=loaded.set_aside,
        earlier=loaded.earlier,
    )


def counted(lines: Sequence[Line]) -> dict[str, int]:
    """How many came to which verdict; those whose row was there before once more as `earlier`."""
    names = (ACCEPTED, REJECTED, CONFLICT, UNANSWERABLE)
    return {name: sum(line.verdict == name for line in lines) for name in names} | {
        "earlier": sum(line.earlier for line in lines)
    }
