"""What lies in spool/inbound for a document system, and what the ledger knows of it.

Names are what people and programs at other sites made: no link is followed, only plain files are taken, a name is never taken for a
path. The id is read at its place in `inbound_name`, and the ledger says whose file it is. Raises DiskFull and DiskFailed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.states import State
from gateway.ledger.queries.back_office_answers import answerable
from gateway.ledger.store import Connection
from gateway.ledger.units import Transfer
from gateway.settings.model import Settings
from gateway.settings.naming import MARKER, with_transfer
from gateway.spool.exception_lists import ENDING
from gateway.spool.names import is_temporary
from gateway.storage.directory_walk import FILE, ROOT, is_plain, names, opened
from gateway.storage.durable import disk_error

BESIDE: Final = (ENDING, ".triage.json")
"""What lies beside a file, under its name and one of these, and goes into its batch with it. A marker does not: a batch has its own."""


@dataclass(frozen=True)
class Lying:
    """A file as it was seen. `transfer` is the id that its name has, None where it has none."""

    flow: str
    partner: str
    name: str
    transfer: str | None
    inode: int
    ctime_ns: int

    def path(self, inbound: Path) -> Path:
        return inbound / self.flow / self.partner / self.name


def lying(settings: Settings, flows: Sequence[str]) -> list[Lying]:
    """Every file of these flows that can be taken."""
    found: list[Lying] = []
    try:
        root = os.open(settings.home.inbound, ROOT)
        try:
            for flow in flows:
                with opened(root, flow) as directory:
                    for partner in () if directory is None else names(directory):
                        with opened(directory or root, partner) as below:
                            found += () if below is None else _files(settings, below, flow, partner)
        finally:
            os.close(root)
    except OSError as error:
        raise disk_error(error, "looking through spool/inbound") from error
    return found


def _files(settings: Settings, directory: int, flow: str, partner: str) -> Iterator[Lying]:
    pattern = with_transfer(settings.flows[flow].inbound_name)
    endings = (*BESIDE, *([MARKER] if settings.flows[flow].done_marker else []))
    for name in names(directory):
        if is_temporary(name) or name.lower().endswith(endings):
            continue
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if is_plain(status):
                named = pattern.fullmatch(name)
                identity = None if named is None else named["transfer"]
                yield Lying(flow, partner, name, identity, status.st_ino, status.st_ctime_ns)


def known(connection: Connection, found: Sequence[Lying]) -> dict[Lying, Transfer]:
    """The ledger's rows of these files. Of several with one id it is the one that has the name of the delivered file; whether it is that
    file is told by its digest, and not here.
    """
    rows: dict[Lying, Transfer] = {}
    groups: dict[tuple[str, str], dict[str, list[Lying]]] = {}
    for each in found:
        if each.transfer is not None:
            groups.setdefault((each.flow, each.partner), {}).setdefault(each.transfer, []).append(each)
    for (flow, partner), by_id in groups.items():
        for row in answerable(connection, flow, partner, [], [*by_id]):
            several = by_id[row.id]
            rows[next((each for each in several if each.name == row.delivered_name), several[-1])] = row
    return rows


def is_ready(row: Transfer) -> bool:
    """Whether the file is the back office's now: delivered, and neither answered nor passed on."""
    return row.state == State.DELIVERED and not row.is_answered and row.purge_name is None


def digest(path: Path) -> str | None:
    """The SHA-256 of a plain file; None where it is anything else, or gone. OSError as the system does."""
    try:
        descriptor = os.open(path, FILE)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink():
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if is_plain(os.fstat(descriptor)) else None
