"""Locking away: what should not exist goes to the quarantine, whole, with its row and its event in one transaction.

The file gets its second name in the quarantine, durably, before the row is written, and loses its first one after the commit. A
crash in between leaves a name without a row, which is removed when the vault starts, or a name too many, and then the
file is locked away once more. A folder is moved as it is; of links, pipes and devices nothing can be kept but the note.
"""

from __future__ import annotations

import hashlib
import os
import stat
from functools import partial
from pathlib import Path

from gateway.domain.identity import is_id
from gateway.errors import DiskFailed, GatewayError
from gateway.ledger.store import Transaction
from gateway.ledger.units import Quarantined
from gateway.stages.context import StageContext
from gateway.storage.durable import fsync_directory


def quarantine_file(
    context: StageContext,
    transaction: Transaction,
    *,
    path: Path,
    kind: str,
    stem: str,
    partner: str,
    error: GatewayError,
) -> str:
    """Lock the sealed file at `path` away and note why; returns the quarantine's id.

    `stem` is the file's name without its endings, as the partner gave it: for a consignment its id.
    """
    identity = context.new_id()
    size, sha256 = 0, hashlib.sha256().hexdigest()
    try:
        context.home.quarantine.mkdir(mode=0o770, parents=True, exist_ok=True)
        mode = path.lstat().st_mode if os.path.lexists(path) else 0
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
            (context.home.quarantine / f"{identity}.sealed").hardlink_to(path)
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
        bytes=size,
        sha256=sha256,
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
            size=size,
            sha256=sha256,
            discarded=None,
        )
    )
    return identity
