"""Local copies: plaintext of lanes that are another node's now leaves this machine's vault, since the site's store has the files, sealed; and what
a person discarded from quarantine at another node leaves this one too.

It waits until a lane has been elsewhere for ten minutes: what was under way here when it moved reads its files until it ends. A file without
a row stays; it is on its way into the ledger, or the next start removes it. Raises DiskFailed and what the ledger raises.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from gateway.domain.identity import is_id
from gateway.domain.retry import is_due
from gateway.domain.states import Direction
from gateway.ledger.queries import consignments, identities, quarantine
from gateway.stages.context import StageContext, Step
from gateway.storage.durable import disk_error

AWAY: Final = 600.0
"""Seconds that a lane has been elsewhere before its copies go."""
_EVERY: Final = 60.0


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
            custody, opened = _ids(home.custody), _ids(home.opened)
            with self._context.ledger.read() as connection:
                sent = identities.by_ids(connection, Direction.OUT, custody)
                received = consignments.received(connection, opened)
            for transfer in sent:
                over = not transfer.custody and transfer.updated <= ended
                if transfer.partner in away or over:
                    (home.custody / transfer.id).unlink(missing_ok=True)
                    done += 1
            for consignment in received:
                if consignment.partner in away:
                    shutil.rmtree(home.opened / consignment.id, ignore_errors=True)
                    done += 1
            done += _remove_discarded(self._context, [*home.infected.iterdir()])
        except OSError as error:
            raise disk_error(error, "removing copies of files that are another node's") from error
        return done


class DiscardedCopies:
    """The vault's part: sealed files, once a minute, where the site has nodes."""

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
        try:
            done = _remove_discarded(context, [*context.home.quarantine.glob("*.sealed")])
        except OSError as error:
            raise disk_error(error, "removing files that were discarded at another node") from error
        return Step(done=done, due=self._look, quiet=True)

    def close(self) -> None:
        pass


def _remove_discarded(context: StageContext, paths: list[Path]) -> int:
    """Whoever discards removes his own machine's copy and the store's; how many of these there were."""
    with context.ledger.read() as connection:
        gone = quarantine.discarded_of(connection, [path.stem for path in paths])
    over = [path for path in paths if path.stem in gone]
    for path in over:
        path.unlink(missing_ok=True)
    return len(over)


def _ids(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if is_id(path.name)]
