"""One moment of a ledger at work: a copy of it, and what else has to be noted down while nobody can commit.

SQLite copies its pages, and PostgreSQL's ledger is copied row by row (`copying`). Raises what `integrity.translate` gives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from gateway.ledger.chain import EMPTY, Head
from gateway.ledger.integrity import BUSY_SECONDS, require_file, translate
from gateway.ledger.place import Place

_PAGES: Final = 2048
"""Pages copied at a time, 8 MiB."""


def copy_ledger(
    path: Place,
    target: Path,
    meanwhile: Callable[[], None],
    watch: Callable[[str, int], None] = lambda _what, _count: None,
) -> Head:
    """Copy the ledger at `path` into the new file `target`, as it is at one moment; the chain's head then.

    `meanwhile` is called at that moment: every commit before it is in the copy, none after it is, and nobody can commit until it
    returns. The copying itself holds nobody up. `watch` is told what is copied, and how
    many pages are left of it, or rows are there.
    """
    if isinstance(path, str):
        from gateway.ledger.copying import copy_at_one_moment  # noqa: PLC0415 - only where it is used

        return copy_at_one_moment(path, target, meanwhile, watch)
    require_file(path)
    try:
        with closing(_opened(path)) as reader:
            head = _at_one_moment(path, reader, meanwhile)
            with closing(sqlite3.connect(target)) as copy:
                reader.backup(copy, pages=_PAGES, progress=lambda _status, left, _total: watch("pages left", left))
            return head
    except sqlite3.Error as error:
        raise translate(error) from error


def _at_one_moment(path: Path, reader: sqlite3.Connection, meanwhile: Callable[[], None]) -> Head:
    """Let the reader's view of the ledger be that of the moment at which `meanwhile` is called."""
    with closing(_opened(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        try:
            reader.execute("BEGIN")
            row = reader.execute("SELECT sequence, sha256 FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
            meanwhile()
        finally:
            with suppress(sqlite3.Error):  # closing it ends the transaction too
                writer.execute("ROLLBACK")
    return EMPTY if row is None else Head(*row)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
