"""Write the ledger's file anew where traces of what was erased may be left in its free space, and it is time for that.

A small ledger at each run that has erased something, a large one after `[retention] compact_days`: nobody else writes meanwhile.
Raises LedgerBusy where others do not let go of it for half a minute, and what else the ledger raises.
"""

from __future__ import annotations

import shutil
from enum import StrEnum
from typing import Final

from gateway.domain.identity import from_text
from gateway.ledger.queries.retention import COMPACTED, SUBJECT, has_erased, last_compacted
from gateway.ledger.retention import compact, size_of
from gateway.settings.values import MIB
from gateway.stages.context import StageContext

SMALL: Final = 64 * MIB
"""Bytes of a ledger that is written anew in a second or two."""

_ROOM: Final = 3
"""How often the file lies on the disk while it is written anew: as it is, beside it, and in the -wal."""

_DAY: Final = 86_400.0


class Compacted(StrEnum):
    """What was done about traces in the ledger's free space."""

    DONE = "done"
    NOTHING = "nothing to do"
    LATER = "later"
    NO_ROOM = "no room"


def compact_ledger(context: StageContext) -> Compacted:
    """Write the ledger anew, where something was erased since it was last, and say so in the chain."""
    path, days = context.home.ledger, context.settings.retention.compact_days
    with context.ledger.read() as connection:
        last, at = last_compacted(connection)
        if not has_erased(connection, last):
            return Compacted.NOTHING
        size = size_of(connection)
    if days == 0 or (size > SMALL and at and context.clock() < from_text(at) + days * _DAY):
        return Compacted.LATER
    # Of the room on a server of PostgreSQL's nothing is known here: it says itself where there is none.
    if (
        not context.settings.ledger.url
        and shutil.disk_usage(path.parent).free < _ROOM * size + context.settings.limits.min_free_bytes
    ):
        return Compacted.NO_ROOM
    with context.ledger.read() as connection:
        compact(connection, path.parent)
    with context.ledger.write() as transaction:
        transaction.record(COMPACTED, SUBJECT, SUBJECT, bytes=size_of(transaction.connection))
    return Compacted.DONE
