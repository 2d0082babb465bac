"""Quarantine: a sealed file that breaks a rule is locked away whole, with its row and its event in one transaction.

The file gets its second name in the quarantine, durably, before the row is written, and loses its first one after the
commit. A crash in between leaves a name without a row, which the vault removes when it starts, or a first name too many,
and then the file is locked away once more. A folder is moved as it is. Of a link, a pipe or a device only the row is kept.

`describe` says in words what a sealed file begins as, for a person: the vault alone may read it, and decrypts nothing for it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.first_bytes import TAKEN, described
from gateway.domain.identity import is_id
from gateway.errors import DiskFailed, GatewayError, NotFound, UsageWrong
from gateway.ledger.queries.quarantine import find_quarantined, kept_file
from gateway.ledger.store import Transaction
from gateway.ledger.tables import FILE
from gateway.ledger.units import Quarantined
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided
from gateway.stages.kept_files import locked_away, needed
from gateway.storage.digest import rest_digest
from gateway.storage.durable import disk_error, fsync_directory


@dataclass(frozen=True)
class Measured:
    """A file's size in bytes and its SHA-256 in lower-case hexadecimal."""

    size: int
    sha256: str


QUARANTINE: Final = "quarantine"
"""The kind of what is locked away, in the answers of requests."""
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOTHING: Final = Measured(0, hashlib.sha256().hexdigest())


def measure(path: Path) -> Measured | None:
    """Measure a regular file that is no link, None for anything else. Raises OSError as the system does.

    Reads the whole file, so it is called before a transaction and not within one.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
    except FileNotFoundError:
        return None
    with path.open("rb") as file:
        sha256 = rest_digest(file.fileno())
        return Measured(os.fstat(file.fileno()).st_size, sha256)


def to_lock_away(context: StageContext, path: Path, measured: Measured | None) -> str:
    """The id under which the file at `path` is to be locked away, and is kept from now on: to be called before the transaction."""
    identity = context.new_id()
    if measured is not None:
        kept = _place(context, identity)
        context.payloads.keep({kept: measured.sha256}, {kept: path})
    return identity


def quarantine_file(
    context: StageContext,
    transaction: Transaction,
    identity: str,
    *,
    path: Path,
    measured: Measured | None,
    kind: str,
    stem: str,
    partner: str,
    error: GatewayError,
) -> None:
    """Lock away the sealed file at `path`, which `measure` has measured, and record why; `identity` is from `to_lock_away`.

    `stem` is the file's name without its endings, as the partner gave it: for a consignment its id. Raises DiskFailed.
    """
    known = measured or _NOTHING
    try:
        context.home.quarantine.mkdir(mode=0o770, parents=True, exist_ok=True)
        mode = path.lstat().st_mode if os.path.lexists(path) else 0
        if stat.S_ISREG(mode):
            _place(context, identity).hardlink_to(path)
            transaction.beforehand["quarantine"] = partial(fsync_directory, context.home.quarantine)
        if stat.S_ISDIR(mode):
            transaction.afterwards.append(partial(os.rename, path, context.home.quarantine / f"{identity}.folder"))
        else:
            transaction.afterwards.append(partial(path.unlink, missing_ok=True))
    except OSError as failure:
        raise DiskFailed(f"cannot lock a file away: {failure.strerror}") from failure
    transaction.record(
        f"{kind}.quarantined" if kind == "consignment" else "receipt.refused",
        kind,
        stem if is_id(stem) else "unnamed",  # the chain and the logs hold no name that a partner chose
        partner,
        code=error.code,
        reason=error.reason,
        bytes=known.size,
        sha256=known.sha256,
    )
    transaction.lock_away(
        Quarantined(
            id=identity,
            kind=kind,
            consignment=stem,
            partner=partner,
            code=error.code,
            reason=error.reason,
            received=transaction.now,
            size=known.size,
            sha256=known.sha256,
            discarded=None,
        )
    )


def _place(context: StageContext, identity: str) -> Path:
    return context.home.quarantine / f"{identity}.sealed"


def bring(context: StageContext, identity: str) -> None:
    """Bring the sealed file of that id to this machine, where there is one: for `describe`."""
    with suppress(NotFound), context.ledger.read() as connection:
        row = find_quarantined(connection, identity)
        if row.kind != FILE and row.discarded is None:
            needed(context.payloads, locked_away(context.home, row))


def describe(context: StageContext, transaction: Transaction, identity: str, _decision: Decision) -> Decided:
    """Say what a sealed file in quarantine begins as: the words are the answer of the request, as its policy gives them.

    UsageWrong for what is no such file, NotFound for what is not in quarantine.
    """
    row = find_quarantined(transaction.connection, identity)
    if row.id != identity or row.kind == FILE:
        raise UsageWrong(f"{identity[:40]} is no sealed file that was locked away.")
    return Decided(QUARANTINE, row.id, row.partner, described(start_of(kept_file(context.home, row), TAKEN)))


def start_of(path: Path, most: int) -> bytes:
    """The first bytes of a file; UsageWrong where there is none, DiskFailed where it cannot be read."""
    try:
        descriptor = os.open(path, _OPEN)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageWrong(
            "There are no bytes to look at: it was discarded, or it came as a folder, a link or a pipe."
        ) from error
    except OSError as error:
        raise disk_error(error, "reading what is locked away") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageWrong("It is no file.")
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)
