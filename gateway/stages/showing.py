"""Showing: a payload is rendered by a reader of the sandbox, for one person to look at in the console, and the rendering removed soon.

What a reader wrote lies in a directory of its own until it is known to be such as it may be: files of its names and sizes and no others.
Then it gets its place, `state/shown/REQUEST`. Raises NotFound, PayloadGone where the bytes are not here any more,
PayloadElsewhere where they are at another node alone, Unshown where the reader
cannot show them, and what the disk and the sandbox raise. `asked_for` and `to_copy` read the ledger; the others touch files alone, so a
thread may call them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.domain.identity import is_id
from gateway.domain.shown import KEPT_SECONDS, META, MOST_BYTES, MOST_PAGES, PAYLOAD, read_shown
from gateway.domain.states import Direction, State
from gateway.errors import DiskFailed, DiskFull, NotFound, PayloadElsewhere, PayloadGone, Unshown
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.units import Transfer
from gateway.settings.resources import resource
from gateway.spool.delivered import copy_delivered
from gateway.stages.background_readers import BackgroundReaders
from gateway.stages.context import StageContext
from gateway.stages.kept_files import brought, in_custody, needed
from gateway.stages.purging import delivered_as, delivered_names
from gateway.storage.durable import disk_error
from gateway.validation.plan import shown_plan
from gateway.validation.sandbox.pool import Crash, Job, WorkerLimits

LIMITS: Final = WorkerLimits(cpu_seconds=20, wall_seconds=40, written=MOST_BYTES)
_SUBJECT: Final = re.compile(r"([0-9a-f-]{36})(?::([1-9][0-9]{0,8}))?")
_NAME: Final = re.compile(r"(?:page-[1-9][0-9]?\.(?:png|json)|words-[1-9][0-9]?\.json|shown\.json)")
_COPY: Final = PAYLOAD
_MAKING: Final = ".making"
_DELIVERED: Final = (State.DELIVERED, State.INGESTED)
_PICTURE: Final = b"\x89PNG\r\n\x1a\n"


def asked_for(context: StageContext, subject: str) -> tuple[Transfer, int]:
    """What `subject` names: a transfer by its id, and perhaps `:NUMBER` of the record or page to begin with."""
    identity, first = subject_of(subject)
    with context.ledger.read() as connection:
        return find_transfer(connection, identity), first


def show(context: StageContext, readers: BackgroundReaders, request: str, row: Transfer, first: int) -> None:
    """Render a payload from the record or page `first` on, for a request."""
    with place_for(context, request) as directory:
        source = _payload(context, row, directory / _COPY)
        render(readers, row.flow, source, directory, first)


def render(readers: BackgroundReaders, flow: str, source: Path, directory: Path, first: int) -> None:
    """Have a reader render a file of `flow` into a directory, where nothing else is but perhaps its copy, which goes."""
    plan = shown_plan(resource("schemas"), flow, directory, first)
    with readers.sandbox({flow: plan}, LIMITS) as sandbox:
        ((_, result),) = sandbox.validate([Job("shown", flow, source)])
    (directory / _COPY).unlink(missing_ok=True)
    if isinstance(result, Crash):
        raise Unshown(f"its reader ended: {result.reason}")
    if not result.valid:
        raise Unshown(result.findings[0].message)
    _look_through(directory)


def to_copy(context: StageContext, identity: str) -> Transfer:
    """The delivered transfer whose payload a request wants."""
    with context.ledger.read() as connection:
        row = find_transfer(connection, identity)
    if row.direction != Direction.IN or row.state not in _DELIVERED:
        raise NotFound(f"transfer {row.id} was not delivered here")
    return row


def copy(context: StageContext, request: str, row: Transfer) -> None:
    """Copy the payload of a delivered transfer for a request, as `state/shown/REQUEST/payload`."""
    if shutil.disk_usage(context.home.shown).free < row.size + context.settings.limits.min_free_bytes:
        raise DiskFull(f"{row.size} bytes are needed to copy the file")
    with place_for(context, request) as directory:
        target = directory / PAYLOAD
        source = _payload(context, row, target)
        try:
            if source != target:
                shutil.copyfile(source, target)
            target.chmod(0o640)
        except OSError as error:
            raise disk_error(error, "copying a payload") from error


def subject_of(subject: str) -> tuple[str, int]:
    """The transfer's id, and the number of the record or page to begin with; NotFound for anything else."""
    found = _SUBJECT.fullmatch(subject)
    if found is None or not is_id(found[1]):
        raise NotFound(f"there is no transfer {subject[:40]!r}")
    return found[1], int(found[2] or 1)


@contextmanager
def place_for(context: StageContext, request: str) -> Iterator[Path]:
    """An empty directory, which gets its place when all is done, and is removed else."""
    final = context.home.shown / request
    making = final.with_name(request + _MAKING)
    try:
        for each in (making, final):  # of an attempt that broke off
            shutil.rmtree(each, ignore_errors=True)
        making.mkdir(0o700)
    except OSError as error:
        raise disk_error(error, "making room for what is to be shown") from error
    try:
        yield making
        try:
            making.chmod(0o2750 if context.settings.accounts.split else 0o700)
            making.rename(final)
        except OSError as error:
            raise disk_error(error, "giving what is shown its place") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def sweep(directory: Path, now: float, kept: float = KEPT_SECONDS) -> None:
    """Remove renderings that are older than that; with `kept` 0, as when a role starts, all of them."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                age = now - entry.stat(follow_symlinks=False).st_mtime
                if not 0 <= age < kept:
                    shutil.rmtree(entry.path, ignore_errors=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(error, "removing what was shown") from error


def _payload(context: StageContext, row: Transfer, copy: Path) -> Path:
    """Where the bytes can be read: in custody or just opened, which are ours, or a copy of the file before the back office."""
    home = context.home
    if row.direction == Direction.OUT:
        path = (needed if row.custody else brought)(context.payloads, in_custody(home, row))
    else:
        path = home.opened / str(row.consignment) / f"{row.position or 0:04d}"
    if path.is_file():
        return path
    if row.direction == Direction.IN and copy_delivered(
        home.inbound, delivered_as(row, delivered_names(context.settings, row)), copy
    ):
        return copy
    if row.direction == Direction.IN and row.partner in context.elsewhere and row.state not in _DELIVERED:
        raise PayloadElsewhere(
            f"transfer {row.id} is unpacked at the node that works with {row.partner}, and nowhere else yet"
        )
    raise PayloadGone(f"the content of transfer {row.id} is not at this site any more, byte for byte")


def _look_through(directory: Path) -> None:
    """Whether a reader wrote what a reader writes; its files are opened to whom the directory is for. Unshown for anything else."""
    try:
        for entry in list(os.scandir(directory)):
            about = entry.stat(follow_symlinks=False)
            path = directory / entry.name
            if not (stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and _NAME.fullmatch(entry.name)):
                raise Unshown("its reader wrote what no reader writes")
            if about.st_size > MOST_BYTES or (path.suffix == ".png" and not path.read_bytes().startswith(_PICTURE)):
                raise Unshown("its reader wrote what no reader writes")
            path.chmod(0o640)
        shown = read_shown((directory / META).read_bytes())
    except FileNotFoundError as error:
        raise Unshown("its reader wrote nothing") from error
    except ValueError as error:
        raise Unshown("its reader wrote what no reader writes") from error
    except OSError as error:
        raise DiskFailed(f"what is to be shown cannot be read: {error.strerror}") from error
    if not 1 <= shown.pages <= MOST_PAGES:
        raise Unshown("its reader wrote what no reader writes")
