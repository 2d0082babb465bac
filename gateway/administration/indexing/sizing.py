"""How many documents go into a batch: as many as the importer likes at once, and what is left over waits for more. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.ledger.units import Transfer
from gateway.settings.index_templates import TemplateFile

_MIB: Final = 1 << 20


def batches(rows: Iterable[Transfer], says: TemplateFile) -> list[list[Transfer]]:
    """The documents in their order, in batches of at most `documents` and `mib`; one that is larger alone is a batch by itself."""
    made: list[list[Transfer]] = []
    room = 0
    for row in rows:
        if not made or len(made[-1]) == says.documents or row.size > room:
            made.append([])
            room = says.mib * _MIB
        made[-1].append(row)
        room -= row.size
    return made


def due(made: list[list[Transfer]], says: TemplateFile, now: float) -> list[list[Transfer]]:
    """Those of these batches that can be made: all that are full, and the last when its first document has waited long enough.

    A document that is younger than now says that the clock was put back: it has waited.
    """
    if not made:
        return []
    *full, last = made
    waited = now - min(row.updated for row in last)
    if len(last) == says.documents or sum(row.size for row in last) >= says.mib * _MIB:
        return made
    return made if waited < 0 or waited >= says.wait_seconds else full
