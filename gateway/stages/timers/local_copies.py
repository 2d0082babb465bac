"""Local copies: plaintext of lanes that are another node's now, or of files that another node brought to their end, leaves this machine's vault, and so does
what a person discarded from quarantine elsewhere. The site's store has the files, sealed, as long as they are needed.

It waits until a lane has been elsewhere for ten minutes: what was under way here when it moved reads its files until it ends. A file without
a row stays; it is on its way into the ledger, or the next start removes it. Raises DiskFailed and what the ledger raises.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from gateway.domain.identity import is_id
from gateway.domain.retry import is_due
from gateway.domain.states import Direction, State
from gateway.ledger.queries import consignments, identities, quarantine
from gateway.ledger.units import Consignment, Transfer
from gateway.stages.context import StageContext, Step
from gateway.storage.durable import disk_error

AWAY: Final = 600.0
"""Seconds that a lane has been elsewhere before its copies go."""
_EVERY: Final = 60.0
_UNREAD: Final = (State.LANDED, State.OPENED, State.HELD)
"""States of a consignment in which its plaintext is needed."""


class LocalCopies:
    """Looks once a minute, where the site has nodes."""

    name = "local-copies"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._look = 0.0
        self._since: dict[str, float] = {}
        """Since when lanes have been elsewhere, as this process saw it."""

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        if context.lanes is None:
            return Step()
        self._since = {partner: self._since.get(partner, now) for partner in context.elsewhere}
        if not is_due(self._look, now, _EVERY):
            return Step(due=self._look)
        self._look = now + _EVERY
        away = frozenset(partner for partner, since in self._since.items() if now >= since + AWAY)
        return Step(done=self._remove(away, now - AWAY), due=self._look, quiet=True)

    def close(self) -> None:
        pass

    def _remove(self, away: frozenset[str], ended: float) -> int:
        """Copies of lanes that are away, and of what another node brought to its end before that moment, though the lane came here since."""
        home = self._context.home
        done = 0
        try:
            custody, opened, infected = _ids(home.custody), _ids(home.opened), _ids(home.infected)
            with self._context.ledger.read() as connection:
                sent = identities.by_ids(connection, Direction.OUT, custody)
                received = consignments.received(connection, opened)
                locked = quarantine.by_ids(connection, infected)
            for transfer in sent:
                if transfer.partner in away or _is_over(transfer, ended, needed=transfer.custody):
                    (home.custody / transfer.id).unlink(missing_ok=True)
                    done += 1
            for consignment in received:
                if consignment.partner in away or _is_over(consignment, ended, needed=consignment.state in _UNREAD):
                    shutil.rmtree(home.opened / consignment.id, ignore_errors=True)
                    done += 1
            for file in locked:
                if file.partner in away or file.discarded is not None:
                    (home.infected / file.id).unlink(missing_ok=True)
                    done += 1
        except OSError as error:
            raise disk_error(error, "removing copies of files that are another node's") from error
        return done


class DiscardedCopies:
    """The vault's part: sealed files, once a minute, where the site has nodes. Whoever discards removes his own machine's copy and the store's."""

    name = "discarded-copies"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._look = 0.0

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        if context.lanes is None:
            return Step()
        if not is_due(self._look, now, _EVERY):
            return Step(due=self._look)
        self._look = now + _EVERY
        paths = {path.stem: path for path in context.home.quarantine.glob("*.sealed")}
        with context.ledger.read() as connection:
            known = quarantine.by_ids(connection, [*paths])
        over = [paths[row.id] for row in known if row.discarded is not None]
        try:
            for path in over:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, "removing files that were discarded at another node") from error
        return Step(done=len(over), due=self._look, quiet=True)

    def close(self) -> None:
        pass


def _is_over(row: Transfer | Consignment, ended: float, *, needed: bool) -> bool:
    return not needed and row.updated <= ended


def _ids(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if is_id(path.name)]
