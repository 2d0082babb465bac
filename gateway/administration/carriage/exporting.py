"""Writing what waits for a partner to a medium: sealed consignments and receipts with their waybill, and nothing else.

The files are copied, the waybill is signed and the directory gets its name before the ledger knows; then one transaction moves
what is in it to `sent`. A crash before its commit leaves everything to the link, and a directory that may be whole: whatever
comes from both ways is delivered once. What was exported is not sent by itself again (`stages.clock_guard`): it waits for its
receipt until it expires, or until it is let go (`repeating`). What the site's store has lost is left, and all else is written.

Raises NotFound and ConfigurationInvalid for a partner that there is not, UsageWrong for a directory that is there or cannot be written, NotPermitted,
DiskFailed, and what the engine and the ledger raise.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.administration.access import reading
from gateway.administration.carriage.medium import alone_in, reached
from gateway.administration.requests.actors import stage_context
from gateway.administration.site.settings import partner_of
from gateway.assembly import stores
from gateway.domain import waybill as form
from gateway.domain.decision import Decision
from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.domain.waybill import Waybill, WaybillFile
from gateway.errors import DiskFailed, DiskFull, LaneLost, LedgerBusy, StoreFileLost, UsageWrong
from gateway.ledger import units
from gateway.ledger.queries import carried, identities
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.units import TABLE_OF, Consignment, Receipt, required
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.kept_files import let_go, needed, sealed_file
from gateway.stages.lost_files import put_off
from gateway.stages.signing import Signing
from gateway.storage.digest import copy
from gateway.storage.directory_walk import FILE
from gateway.storage.durable import sync_directory, write_file

KIND: Final = "waybill"
"""What the chain calls what is carried by hand."""
_TRIES: Final = 5


@dataclass(frozen=True)
class Left:
    """What could not be written, since the site's store has lost its sealed file: `kind`, id and why."""

    kind: str
    id: str
    reason: str


@dataclass(frozen=True)
class Exported:
    """A directory that was written, or would be: the contract of `export --json`.

    `waybill` is its number, None for a dry run and where nothing waits. `files` count those inside the consignments. `behind` and
    `receipts_behind` are not sealed yet, and go with the next one. What was `left` waits, with an alarm, until its file is back.
    """

    waybill: str | None
    partner: str
    directory: str | None
    arrive_by: str | None
    consignments: int
    files: int
    receipts: int
    bytes: int
    behind: int
    receipts_behind: int
    left: tuple[Left, ...] = ()


def plan(settings: Settings, partner: str) -> Exported:
    """What an export would write now; nothing is changed."""
    _require_link(settings, partner)
    with reading(settings) as connection:
        return _exported(connection, partner, _waiting(connection, partner), None, None)


def export(settings: Settings, log: Logger, partner: str, directory: Path, decision: Decision) -> Exported:
    """Write what waits for a partner into the new directory; nothing where nothing waits."""
    _require_link(settings, partner)
    directory = directory.absolute()
    with reached(), stage_context(settings, log) as context:
        if os.path.lexists(directory):
            raise UsageWrong(f"{directory} is there already: name a new directory on the medium.")
        working = directory.with_name(f".{directory.name}.part")
        with alone_in(directory.parent):
            try:
                for _ in range(_TRIES):
                    shutil.rmtree(working, ignore_errors=True)
                    done = _attempt(context, partner, working, directory, decision)
                    if done is not None:
                        return done
            finally:
                shutil.rmtree(working, ignore_errors=True)
    raise LedgerBusy("What waits went by the link while it was being copied: look whether the link is up again.")


def require_whole(done: Exported) -> None:
    """StoreFileLost where something that waited is not on the medium."""
    if done.left:
        first, *others = done.left
        more = f"; and {len(others)} more" if others else ""
        raise StoreFileLost(f"not on the medium: {first.kind} {first.id}: {first.reason}{more}")


def _require_link(settings: Settings, code: str) -> None:
    partner = partner_of(settings, code)
    if partner.envelope == "plain":
        raise UsageWrong(
            f'{code} has no gateway, and could not read a waybill: with link = "none" its files lie in landing/{code}/out.'
        )
    if partner.link == "none" or (partner.endpoint is None and partner.link != "mail"):
        raise UsageWrong(
            f"What goes to {code} is never uploaded: it lies in landing/{code}/out. Carry it from there into landing/OUR-CODE/in."
        )


def _waiting(connection: Connection, partner: str) -> list[units.Parcel]:
    receipts = carried.sealed(connection, Receipt, partner, form.MOST)
    return [*receipts, *carried.sealed(connection, Consignment, partner, form.MOST - len(receipts))]


def _attempt(
    context: StageContext, partner: str, working: Path, directory: Path, decision: Decision
) -> Exported | None:
    """Copy, sign, and commit; None where something of it went by the link meanwhile."""
    with context.ledger.read() as connection:
        rows = _waiting(connection, partner)
        if not rows:
            return _exported(connection, partner, rows, None, None)
    working.mkdir()
    working.chmod(
        0o755
    )  # whoever carries it reads the waybill, and another site's account imports it: all else is sealed
    whole: list[units.Parcel] = []
    lost: list[tuple[units.Parcel, StoreFileLost]] = []
    for row in rows:
        try:
            sealed = needed(context.payloads, sealed_file(context.home, row))
        except StoreFileLost as error:
            lost.append((row, error))
            continue
        if not _copied(sealed, row, working / _name(row)):
            return None
        whole.append(row)
    if not whole:
        raise lost[0][1]
    waybill = form.make(
        context.new_id(),
        context.site,
        partner,
        to_text(context.clock()),
        [to_text(required(row.expires)) for row in whole if isinstance(row, Consignment)],
        [
            WaybillFile(_name(row), required(row.sealed_size), required(row.sealed_sha256), _inside(row))
            for row in whole
        ],
    )
    write_file(working / form.FILE, _signed(context, waybill), mode=0o644)
    sync_directory(working)
    _publish(working, directory)
    try:
        done = _record(context, partner, whole, lost, waybill, directory, decision)
    except (LedgerBusy, LaneLost, DiskFull):
        directory.rename(working)  # for certain nothing was recorded
        raise
    if done is None:
        directory.rename(working)
    return done


def _record(
    context: StageContext,
    partner: str,
    rows: Sequence[units.Parcel],
    lost: Sequence[tuple[units.Parcel, StoreFileLost]],
    waybill: Waybill,
    directory: Path,
    decision: Decision,
) -> Exported | None:
    """Move what is in the directory to `sent`, and have what is not there wait; None where something of it went by the link meanwhile."""
    with context.ledger.write() as transaction:
        for row in (*rows, *(each for each, _ in lost)):
            if identities.state_of(transaction.connection, type(row), row.key) != State.SEALED:
                return None
        transaction.record(
            "medium.exported",
            KIND,
            waybill.number,
            partner,
            count=len(rows),
            bytes=sum(each.size for each in waybill.files),
            **decision.detail,
        )
        for row in rows:
            _move(context, transaction, row, waybill.number)
        for row, error in lost:
            put_off(context, transaction, row, error)
        left = tuple(Left(row.kind, _subject(row), error.reason) for row, error in lost)
        return replace(_exported(transaction.connection, partner, rows, waybill, directory), left=left)


def _signed(context: StageContext, waybill: Waybill) -> bytes:
    engine = stores.open_pgp(context.settings)
    try:
        return engine.sign(waybill.to_text().encode("ascii"), Signing(context).signer(waybill.recipient))
    finally:
        engine.close()


def _name(row: units.Parcel) -> str:
    """Its name as it would be uploaded."""
    return f"{row.id}.pgp" if isinstance(row, Consignment) else f"{row.consignment}.receipt.pgp"


def _subject(row: units.Parcel) -> str:
    return row.id if isinstance(row, Consignment) else row.consignment


def _inside(row: units.Parcel) -> int:
    return row.items if isinstance(row, Consignment) else 0


def _copied(sealed: Path, row: units.Parcel, target: Path) -> bool:
    """Copy a sealed file durably; False where it went by the link a moment ago."""
    try:
        source = os.open(sealed, FILE)
    except FileNotFoundError:
        return False
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.fchmod(descriptor, 0o644)
            if copy(source, descriptor, required(row.sealed_size)) != row.sealed_sha256:
                raise DiskFailed("a sealed file of ours is not what it was when it was sealed")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        os.close(source)
    return True


def _move(context: StageContext, transaction: Transaction, row: units.Parcel, number: str) -> None:
    """Sealed to sent, as *send* does it; the wait for the receipt ends with the consignment."""
    event = transaction.record(f"{row.kind}.exported", row.kind, _subject(row), row.partner, waybill=[number])
    due = required(row.expires) if isinstance(row, Consignment) else 0.0
    change = {"key": row.key, "state": State.SENT, "due": due, "code": None, "reason": None, "event": event}
    transaction.move(TABLE_OF[type(row)], Direction.OUT, State.SEALED, [change])
    if isinstance(row, Consignment):
        transaction.move_with(row, State.SEALED, State.SENT, event)
    else:
        let_go(transaction, context.payloads, sealed_file(context.home, row))


def _publish(working: Path, directory: Path) -> None:
    working.rename(directory)
    sync_directory(directory.parent)


def _exported(
    connection: Connection,
    partner: str,
    rows: Sequence[units.Parcel],
    waybill: Waybill | None,
    directory: Path | None,
) -> Exported:
    behind = carried.behind(connection, partner)
    expires = [to_text(required(row.expires)) for row in rows if isinstance(row, Consignment)]
    return Exported(
        None if waybill is None else waybill.number,
        partner,
        None if directory is None else str(directory),
        min(expires, default=None),
        sum(isinstance(row, Consignment) for row in rows),
        sum(map(_inside, rows)),
        sum(isinstance(row, Receipt) for row in rows),
        sum(required(row.sealed_size) for row in rows),
        behind.files,
        behind.receipts,
    )
