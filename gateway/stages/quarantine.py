"""Quarantine: a sealed file that breaks a rule is locked away whole, with its row and its event in one transaction.

The file gets its second name in the quarantine, durably, before the transaction of its row, and loses its first one after the
commit. A crash in between leaves a name without a row, which the vault removes when it starts, or a first name too many,
and then the file is locked away once more. A folder is moved as it is. Of a link, a pipe or a device only the row is kept.

`describe` says in words what a sealed file begins as, for a person: the vault alone may read it, and decrypts nothing for it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.first_bytes import TAKEN, described
from gateway.domain.identity import is_id
from gateway.errors import DiskFailed, GatewayError, Misuse, NotFound, StoreFileLost, UsageWrong
from gateway.ledger.queries.quarantine import find_quarantined, is_kept, kept_file
from gateway.ledger.store import Transaction
from gateway.ledger.tables import FILE
from gateway.ledger.units import Quarantined
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided
from gateway.stages.kept_files import locked_away, needed
from gateway.storage.digest import rest_digest
from gateway.storage.durable import disk_error, fsync_directory
from gateway.storage.named_first import naming
from gateway.storage.payloads import KeptFile


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


@dataclass(frozen=True)
class Named:
    """What is to be locked away: the id that it gets, where it lies, and what it measures; None for what is no file."""

    identity: str
    path: Path
    measured: Measured | None


@contextmanager
def locking_away(context: StageContext, found: Sequence[tuple[Path, Measured | None]]) -> Iterator[list[Named]]:
    """Lock these away, as `measure` has measured them, in a transaction in the block. There they have their second names, durably, and are kept; a
    transaction that is lost takes them along. Raises DiskFailed.
    """
    named = [Named(context.new_id(), path, measured) for path, measured in found]
    names = {each.identity: (_kept(context, each), each.path) for each in named if each.measured is not None}
    try:
        context.home.quarantine.mkdir(mode=0o770, parents=True, exist_ok=True)
    except OSError as failure:
        raise DiskFailed(f"cannot lock a file away: {failure.strerror}") from failure
    with naming(context.home.quarantine), second_names(context, names, Path.hardlink_to):
        yield named


@contextmanager
def second_names(
    context: StageContext, names: Mapping[str, tuple[KeptFile, Path]], link: Callable[[Path, Path], None]
) -> Iterator[None]:
    """Around the transaction that locks files away: by the ids that their rows get, what each is called then, and where it lies. In the block they have
    these names, as `link` gives them to (name, file), durably, and are kept; a name without a row at its end goes. Raises DiskFailed.
    """
    try:
        if names:
            lying = {kept.path: path for kept, path in names.values()}
            context.payloads.keep({kept.path: kept.sha256 for kept, _ in names.values()}, lying)
            _give(lying, link)
        yield
    except (GatewayError, OSError):
        with suppress(GatewayError):  # what came before is the error to tell
            _forget_lost(context, names)
        raise
    _forget_lost(context, names)


def _give(lying: Mapping[Path, Path], link: Callable[[Path, Path], None]) -> None:
    try:
        for name, path in lying.items():
            link(name, path)
        for directory in {name.parent for name in lying}:
            fsync_directory(directory)
    except OSError as failure:
        raise DiskFailed(f"cannot lock a file away: {failure.strerror}") from failure


def _forget_lost(context: StageContext, names: Mapping[str, tuple[KeptFile, Path]]) -> None:
    if names:
        with context.ledger.read() as connection:
            lost = [kept for identity, (kept, _) in names.items() if not is_kept(connection, identity)]
        context.payloads.forget_all(lost)


def quarantine_file(
    context: StageContext,
    transaction: Transaction,
    named: Named,
    *,
    kind: str,
    stem: str,
    partner: str,
    error: GatewayError,
) -> None:
    """Record why something is locked away; after the commit it loses its first name. `named` is from `locking_away`.

    `stem` is the file's name without its endings, as the partner gave it: for a consignment its id.
    """
    known = named.measured or _NOTHING
    transaction.afterwards.append(partial(_take_away, context, named))
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
            id=named.identity,
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


def _kept(context: StageContext, named: Named) -> KeptFile:
    return KeptFile(context.home.quarantine / f"{named.identity}.sealed", (named.measured or _NOTHING).sha256)


def _take_away(context: StageContext, named: Named) -> None:
    """A folder as it is; of all else the first name."""
    if named.path.is_dir() and not named.path.is_symlink():
        named.path.rename(context.home.quarantine / f"{named.identity}.folder")
    else:
        named.path.unlink(missing_ok=True)


def describe(context: StageContext, identity: str) -> Callable[[StageContext, Transaction, str, Decision], Decided]:
    """Say what a sealed file in quarantine begins as: the words are the answer of the request, as the policy that is given has them.

    The policy raises UsageWrong for what is no such file, NotFound for what is not in quarantine.
    """
    words: str | Misuse | StoreFileLost
    try:
        words = _words_of(context, identity)
    except (NotFound, UsageWrong, StoreFileLost) as error:
        words = error

    def policy(_context: StageContext, transaction: Transaction, subject: str, _decision: Decision) -> Decided:
        if not isinstance(words, str):
            raise words
        row = find_quarantined(transaction.connection, subject)
        return Decided(QUARANTINE, row.id, row.partner, words)

    return policy


def _words_of(context: StageContext, identity: str) -> str:
    with context.ledger.read() as connection:
        row = find_quarantined(connection, identity)
    if row.id != identity or row.kind == FILE:
        raise UsageWrong(f"{identity[:40]} is no sealed file that was locked away.")
    if row.discarded is None:
        needed(context.payloads, locked_away(context.home, row))
    return described(start_of(kept_file(context.home, row), TAKEN))


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
