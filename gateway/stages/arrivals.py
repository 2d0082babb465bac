"""Arrivals at one node from a partner whose lane is another's: they go through the site's store to the node that records them.

A node leaves them there, under the names that they arrived by, and wakes the node that is to record them; which looks when it is woken, at
most once in two seconds, and at each rescan. Where a gateway works alone there are none. Raises what the store and the disk raise.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from gateway.domain.retry import is_due
from gateway.errors import StoreFileLost
from gateway.ledger.queries.lost_files import arrivals_of, lost_arrivals
from gateway.ledger.store import Transaction
from gateway.stages.context import StageContext
from gateway.stages.kept_files import let_go
from gateway.stages.stuck_lanes import alarm_if_stuck
from gateway.storage.payloads import KeptFile

ARRIVALS: Final = "arrivals"
"""The directory in sealed/in/PARTNER for what is out of the partner's reach, and not recorded yet."""
_LEAST: Final = 2.0
"""Seconds from one look to the next: each lists a part of the store."""


class Arrivals:
    """What other nodes have left to this one. `due` is when it looks again, None where it need not."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._brought: dict[Path, str] = {}
        """With their digests, until they are recorded."""
        self._told: set[str] | None = None
        """The partners of whom the chain says that something cannot be brought; None before it was asked."""
        self._look = 0.0
        self.due: float | None = None

    def bring(self) -> None:
        """Bring to this node what is its own to record."""
        context, now = self._context, self._context.clock()
        if context.lanes is None:
            return
        if not is_due(self._look, now, _LEAST):
            self.due = self._look  # whoever looks so soon may have been woken for this
            return
        lost: dict[str, StoreFileLost] = {}
        for path, sha256 in context.payloads.names(context.home.sealed_in):
            partner = path.parent.parent.name
            mine = path.parent.name == ARRIVALS and partner not in context.elsewhere
            if mine and partner in context.settings.partners and not os.path.lexists(path):
                try:
                    context.payloads.fetch(path, sha256)
                except FileNotFoundError:
                    continue  # recorded meanwhile
                except StoreFileLost as error:
                    lost.setdefault(partner, error)
                else:
                    self._brought[path] = sha256
        self._look, self.due = now + _LEAST, None  # not before: a store that is away stays so at the next step
        self._tell(lost)

    def _tell(self, lost: Mapping[str, StoreFileLost]) -> None:
        """Record for whom something cannot be brought, when that begins and when it ends: what has no row is in no other list."""
        context = self._context
        if self._told is None:
            with context.ledger.read() as connection:
                self._told = {code for code in context.settings.partners if lost_arrivals(connection, code)}
        if not (changed := {code for code in lost.keys() ^ self._told if code not in context.elsewhere}):
            return
        with context.ledger.write() as transaction:
            for code in sorted(changed):
                if (error := lost.get(code)) is None:
                    transaction.record("work.resumed", "lane", arrivals_of(code), code)
                    continue
                transaction.record(
                    "work.deferred", "lane", arrivals_of(code), code, code=error.code, reason=error.reason
                )
                alarm_if_stuck(context, transaction, code)
        self._told = set(lost)

    def pass_on(self, files: Iterable[KeptFile]) -> None:
        """Leave to another node what arrived here from one partner. Where there is no store, it waits for its lane."""
        payloads, here = self._context.payloads, dict(files)
        if not here:
            return
        payloads.keep(here)
        directory, passed_on = next(iter(here)).parent, 0
        for path, sha256 in payloads.names(directory):
            if here.get(path) == sha256:
                path.unlink(missing_ok=True)
                passed_on += 1
        if passed_on:
            self._context.ledger.wake([directory.parent.name])

    def remove(self, transaction: Transaction, arrival: Path) -> None:
        """Once the transaction is committed. Where it is not, the next look finds it in the store again."""
        if (sha256 := self._brought.pop(arrival, None)) is None:
            transaction.afterwards.append(partial(arrival.unlink, missing_ok=True))
        else:
            let_go(transaction, self._context.payloads, KeptFile(arrival, sha256))
