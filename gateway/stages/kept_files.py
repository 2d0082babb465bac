"""Kept files: what the rows of units speak of, where it lies, and bringing it to this node (`storage.payloads`).

Every stage that writes, reads or removes such a file has its name from here. A file is kept before the transaction of its row, outside of
any; brought before it is read; and let go of after the row that says that its time is over. Raises what the store and the disk raise,
StoreFileLost for one file that the store has lost, or has other bytes for; ValueError for an id that is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.receipt import evidence_name, queue_name
from gateway.domain.states import Direction
from gateway.errors import StoreFileLost
from gateway.ledger.queries.quarantine import kept_file
from gateway.ledger.store import Transaction
from gateway.ledger.units import Consignment, Parcel, Quarantined, Receipt, Transfer, required
from gateway.settings.home import Home
from gateway.spool.custody import custody_file
from gateway.storage.payloads import KeptFile, OneMachine, Payloads

_FEW: Final = 4
_AT_ONCE: Final = 16


def in_custody(home: Home, row: Transfer) -> KeptFile:
    """The bytes of a transfer of ours."""
    return KeptFile(custody_file(home.custody, row.id), row.sha256)


def sealed_path(home: Home, row: Parcel) -> Path:
    """Where the sealed file of a consignment or receipt lies: until it is answered, or read."""
    if isinstance(row, Consignment):
        name = f"{row.id}.pgp"
    elif row.direction == Direction.OUT:
        name = queue_name(row.consignment, row.level, row.key)
    else:
        name = f"{row.consignment}.receipt.pgp"
    return (home.sealed_out if row.direction == Direction.OUT else home.sealed_in) / row.partner / name


def sealed_file(home: Home, row: Parcel) -> KeptFile:
    """The sealed file of a consignment or receipt that is sealed, or that landed."""
    return KeptFile(sealed_path(home, row), required(row.sealed_sha256))


def in_evidence(home: Home, row: Receipt, level: str | None = None) -> KeptFile:
    """A partner's receipt once it is accepted; `level` is what it turned out to be, where the row does not have it yet."""
    sha256 = required(row.sealed_sha256)
    name = evidence_name(row.consignment, row.level if level is None else level, sha256)
    return KeptFile(home.evidence / row.partner / name, sha256)


def locked_away(home: Home, row: Quarantined) -> KeptFile:
    """What is in quarantine, sealed, or in the vault for its content."""
    return KeptFile(kept_file(home, row), row.sha256)


def brought(payloads: Payloads, file: KeptFile) -> Path:
    """Its path, where it lies now unless it is nowhere: whoever opens it then finds that it is missing. StoreFileLost where it was altered."""
    with suppress(FileNotFoundError):
        payloads.fetch(*file)
    return file.path


def needed(payloads: Payloads, file: KeptFile) -> Path:
    """As `brought`, of a file that a row says is kept. StoreFileLost also where the store has it no more."""
    try:
        return payloads.fetch(*file)
    except FileNotFoundError as error:
        if not isinstance(payloads, OneMachine):
            raise StoreFileLost(f"the store of [payloads] has no object any more at {error}") from error
        return file.path


def not_brought(payloads: Payloads, files: Mapping[int, KeptFile]) -> dict[int, StoreFileLost]:
    """Bring the files of rows that a step needs, by the rows' keys: of those that the store has lost, the error."""
    lost: dict[int, StoreFileLost] = {}

    def bring(key: int) -> None:
        try:
            needed(payloads, files[key])
        except StoreFileLost as error:
            lost[key] = error

    _each(payloads, bring, list(files))
    return lost


def _each(payloads: Payloads, action: Callable[[int], object], keys: Sequence[int]) -> None:
    """One after the other on this machine; a store is asked for many at once, since each answer takes a way."""
    if isinstance(payloads, OneMachine) or len(keys) < _FEW:
        for key in keys:
            action(key)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import, and of several nodes alone

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="kept") as threads:
        for _ in threads.map(action, keys):
            pass


def let_go(transaction: Transaction, payloads: Payloads, file: KeptFile) -> None:
    """Remove it once the transaction is committed."""
    for each in transaction.afterwards:
        if isinstance(each, _LettingGo) and each.payloads is payloads:
            each.files.append(file)
            return
    transaction.afterwards.append(_LettingGo(payloads, [file]))


@dataclass(frozen=True)
class _LettingGo:
    """What a transaction has to have removed, together: a store is asked once for all."""

    payloads: Payloads
    files: list[KeptFile]

    def __call__(self) -> None:
        self.payloads.forget_all(self.files)
