"""Taking what a partner's medium brings: each file of its waybill goes into the partner's landing directory, as if uploaded.

From there on it is what came by the link: *collect* takes it, and signature, order, sizes, replay and the rest are judged by the same
stages. The directory is hostile: no link in it is followed, only regular files that the waybill names are read, never more than
it says, and what is in the landing has its digest. A file that is in the landing already is left alone. So an import that was broken
off is made again; what was taken before is the duplicate that it is, and is answered again.

Raises WaybillRefused, CarriedDamaged, NotPermitted, DiskFull, DiskFailed, and what the engine and the ledger raise.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from gateway.administration.access import on_disk
from gateway.administration.requests.actors import stage_context
from gateway.administration.site.settings import partner_of
from gateway.assembly import stores
from gateway.domain import waybill as form
from gateway.domain.decision import Decision
from gateway.domain.waybill import Waybill, WaybillFile
from gateway.errors import (
    CarriedDamaged,
    ContentInvalid,
    EnvelopeRefused,
    NotFound,
    NotPermitted,
    PartnerKeyUnusable,
    WaybillRefused,
)
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.landing import carried_part
from gateway.storage import directory_walk
from gateway.storage.digest import pieces, write_pieces
from gateway.storage.durable import move_new, sync_directory

_disk: Final = partial(on_disk, "a carried file cannot be taken", "You may not write {file}.")


class Fate(StrEnum):
    """What became of a file of the waybill."""

    TAKEN = "taken"
    WAITS = "waits"
    """A file of that name lies in the landing already."""
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class CarriedFile:
    """A line of the waybill and what became of it."""

    name: str
    size: int
    sha256: str
    files: int
    fate: Fate


@dataclass(frozen=True)
class Imported:
    """A medium that was brought: the contract of `import --json`. `besides` counts what lies there and is not on the waybill."""

    waybill: str
    partner: str
    made: str
    consignments: int
    receipts: int
    files: tuple[CarriedFile, ...]
    besides: int

    @property
    def damaged(self) -> tuple[CarriedFile, ...]:
        return tuple(each for each in self.files if each.fate in (Fate.MISSING, Fate.DAMAGED))


def bring(settings: Settings, log: Logger, directory: Path, decision: Decision, *, dry_run: bool = False) -> Imported:
    """Take what the waybill in a directory lists, whole files alone; `dry_run` only looks whether they are whole."""
    with _medium(directory) as medium:
        waybill = _waybill(settings, medium)
        found = set(directory_walk.names(medium))
        landing = None if dry_run else settings.home.landing_in(waybill.sender)
        files = tuple(_carried(medium, each, landing) for each in waybill.files)
        if landing is not None:
            with _disk():
                sync_directory(landing)
    receipts = sum(each.is_receipt for each in waybill.files)
    done = Imported(
        waybill.number,
        waybill.sender,
        waybill.made,
        len(files) - receipts,
        receipts,
        files,
        len(found - {form.FILE} - {each.name for each in files}),
    )
    if not dry_run:
        taken = [each for each in files if each.fate == Fate.TAKEN]
        with stage_context(settings, log) as context, context.ledger.write() as transaction:
            transaction.record(
                "medium.imported",
                "waybill",
                waybill.number,
                waybill.sender,
                count=len(taken),
                bytes=sum(each.size for each in taken),
                **decision.detail,
            )
    return done


def require_whole(done: Imported) -> None:
    """CarriedDamaged where something of the waybill did not come whole."""
    if done.damaged:
        raise CarriedDamaged(
            f"{len(done.damaged)} of {len(done.files)} files of waybill {done.waybill} are missing or damaged."
        )


def _waybill(settings: Settings, medium: int) -> Waybill:
    """The waybill in an open directory, once its sender is a partner, its signature holds, and it is for this site."""
    signed = _read(medium)
    try:
        waybill = form.read(signed)
        partner_of(settings, waybill.sender)
    except (ContentInvalid, NotFound) as error:
        raise WaybillRefused(f"{form.FILE}: {error.reason}") from error
    engine = stores.open_pgp(settings)
    try:
        engine.verify(signed, waybill.sender)
    except (EnvelopeRefused, PartnerKeyUnusable) as error:
        raise WaybillRefused(f"Its signature does not hold ({error.code}): {error.reason}") from error
    finally:
        engine.close()
    if waybill.recipient != settings.site.code:
        raise WaybillRefused(f"It is for {waybill.recipient}, and not for this site.")
    return waybill


def _read(medium: int) -> bytes:
    source = _opened(medium, form.FILE)
    if source is None:
        raise WaybillRefused(f"There is no {form.FILE} in that directory.")
    with os.fdopen(source, "rb") as file:
        return file.read(form.MAX_BYTES + 1)


def _opened(medium: int, name: str) -> int | None:
    """A regular file of the medium, None where there is none of that name."""
    try:
        source = os.open(name, directory_walk.FILE, dir_fd=medium)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(source).st_mode):
        return source
    os.close(source)
    return None


def _carried(medium: int, about: WaybillFile, landing: Path | None) -> CarriedFile:
    return CarriedFile(about.name, about.size, about.sha256, about.files, _fate(medium, about, landing))


def _fate(medium: int, about: WaybillFile, landing: Path | None) -> Fate:
    source = _opened(medium, about.name)
    if source is None:
        return Fate.MISSING
    try:
        if landing is None:
            with Path(os.devnull).open("wb") as nothing:
                return _copied(source, about, nothing.fileno())
        return _land(source, about, landing)
    finally:
        os.close(source)


class _Unreadable(Exception):
    """The medium cannot be read; an OSError would be the disk's."""


def _copied(source: int, about: WaybillFile, target: int) -> Fate:
    if os.fstat(source).st_size != about.size:
        return Fate.DAMAGED
    try:
        return Fate.TAKEN if write_pieces(_pieces(source, about.size), target) == about.sha256 else Fate.DAMAGED
    except _Unreadable:
        return Fate.DAMAGED


def _pieces(source: int, size: int) -> Iterator[bytes]:
    try:
        yield from pieces(source, size)
    except OSError as error:
        raise _Unreadable from error


def _land(source: int, about: WaybillFile, landing: Path) -> Fate:
    """Copy an open file into the landing under its name, durable and whole, or not at all."""
    final = landing / about.name
    part = carried_part(final)
    with _disk():
        try:
            part.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660)
            try:
                if os.geteuid() == 0:  # what lands is the landing's owner's, as if it had been uploaded
                    owner = landing.stat()
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
                if _copied(source, about, descriptor) is Fate.DAMAGED:
                    return Fate.DAMAGED
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            move_new(part, final)
        except FileExistsError:
            return Fate.WAITS
        finally:
            part.unlink(missing_ok=True)
    return Fate.TAKEN


@contextmanager
def _medium(directory: Path) -> Iterator[int]:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError as error:
        raise NotPermitted(f"You may not read {directory}.") from error
    except OSError as error:
        raise WaybillRefused(f"{directory} is no directory that can be read: {error.strerror}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
