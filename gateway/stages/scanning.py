"""Scanning: before anything else reads a file, the virus scanner checks it, where its flow asks for that.

Fails closed: a file that the scanner has not found clean waits where it is and is scanned again. One that the scanner fails
on again and again is held. Deferrals go to the log and into the rows; they are no events of the chain, since nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from gateway.errors import (
    FileInfected,
    GatewayError,
    ImpossibleMove,
    ScanFailed,
    ScanIncomplete,
    ScannerUnavailable,
)
from gateway.ledger.store import Transaction
from gateway.ledger.tables import FILE, TRANSFERS
from gateway.ledger.units import Quarantined, Transfer
from gateway.stages.context import StageContext
from gateway.stages.quarantine import second_names
from gateway.storage.durable import make_directory
from gateway.storage.payloads import KeptFile

_TRIES: Final = 6
_WAIT: Final = 15.0
"""Seconds until a scanner that does not answer is asked again."""


class Scanner(Protocol):
    """`scan` returns for a clean file, and raises as `validation.virus_scanner` says for all others."""

    def scan(self, path: Path) -> None: ...


@dataclass
class Scanned:
    """The files of a batch that may be read, those that the scanner objects to, and the rows that wait for it."""

    clean: list[tuple[Transfer, Path]] = field(default_factory=list)
    refused: list[tuple[Transfer, GatewayError]] = field(default_factory=list)
    waiting: list[Transfer] = field(default_factory=list)


def scan(context: StageContext, scanner: Scanner | None, rows: Sequence[Transfer], paths: Sequence[Path]) -> Scanned:
    """Have the files scanned whose flows ask for it, and put off those that the scanner does not answer for."""
    found, absent = Scanned(), None
    failed: list[tuple[Transfer, ScanFailed]] = []
    for row, path in zip(rows, paths, strict=True):
        if not context.settings.flows[row.flow].scan:
            found.clean.append((row, path))
            continue
        if scanner is None:
            raise ImpossibleMove("a flow is to be scanned, and there is no scanner")
        if absent is not None or context.stopping():
            found.waiting.append(row)
            continue
        try:
            scanner.scan(path)
        except (FileInfected, ScanIncomplete) as error:
            found.refused.append((row, error))
        except ScannerUnavailable as error:
            absent = error
            found.waiting.append(row)
        except ScanFailed as error:
            if row.attempts + 1 >= _TRIES:
                found.refused.append((row, ScanIncomplete(f"{_TRIES} attempts failed; {error.reason}")))
            else:
                failed.append((row, error))
        else:
            found.clean.append((row, path))
    _put_off(context, found.waiting, absent)
    _try_again(context, failed)
    found.waiting += [row for row, _ in failed]
    return found


def _put_off(context: StageContext, rows: list[Transfer], error: ScannerUnavailable | None) -> None:
    """Let the rows wait for a scanner that does not answer. That does not count as an attempt of theirs."""
    if error is None:
        return
    with context.ledger.write() as transaction:
        due = context.clock() + _WAIT
        transaction.set(TRANSFERS, [row.key for row in rows], due=due, code=error.code, reason=error.reason)
    context.log("work.deferred", count=len(rows), code=error.code, reason=error.reason, remedy=error.remedy)


def _try_again(context: StageContext, failed: list[tuple[Transfer, ScanFailed]]) -> None:
    if not failed:
        return
    with context.ledger.write() as transaction:
        for row, error in failed:
            tries = row.attempts + 1
            due = context.retry_at(tries)
            transaction.set(TRANSFERS, [row.key], attempts=tries, due=due, code=error.code, reason=error.reason)
    for row, error in failed:
        context.log("work.deferred", transfer=row.id, partner=row.partner, code=error.code, reason=error.reason)


@contextmanager
def isolating(context: StageContext, files: Mapping[int, KeptFile]) -> Iterator[Mapping[int, str]]:
    """The ids under which infected files are to be locked away in a transaction in the block, by the keys of their rows. There they have their
    second names, durably, and are kept; a transaction that is lost takes them along.

    A crash before the commit leaves names without rows, which are removed when the role starts.
    """
    ids = {key: context.new_id() for key in files}
    infected = context.home.infected
    names = {ids[key]: (KeptFile(infected / ids[key], file.sha256), file.path) for key, file in files.items()}
    if files:
        make_directory(infected)
    with second_names(context, names, _closed):
        yield ids


def _closed(name: Path, path: Path) -> None:
    name.hardlink_to(path)
    with suppress(PermissionError):  # the vault's file, where the roles have accounts: the directory closes it
        name.chmod(0o400)


def isolate(transaction: Transaction, row: Transfer, identity: str, path: Path, reason: str) -> None:
    """The row and the event of an infected file that is locked away whole; after the commit `path` is removed. `identity` is from `isolating`."""
    transaction.record(
        "transfer.isolated",
        "transfer",
        row.id,
        row.partner,
        flow=row.flow,
        code=FileInfected.code,
        reason=reason,
        sha256=row.sha256,
    )
    transaction.lock_away(
        Quarantined(
            id=identity,
            kind=FILE,
            consignment=row.consignment or row.id,
            partner=row.partner,
            code=FileInfected.code,
            reason=reason,
            received=transaction.now,
            size=row.size,
            sha256=row.sha256,
            discarded=None,
        )
    )
    transaction.afterwards.append(partial(path.unlink, missing_ok=True))
