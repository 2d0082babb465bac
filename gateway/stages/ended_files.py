"""Ended files: what the site's store still has although its row says that its time is over, or although no row speaks of it, since a crash came between.

Looked for once an hour (`timers.stored_files`), and before a disposal is certified. Of files of which no row speaks, what has an id of its own goes after two
days by the time in it: its row would have been written within seconds, and by then the clocks of nodes do not matter. What came from a partner has the partner's
id, so the time counts at which the store got it. It may be on its way into the ledger all the same, for the second time, so only the role that records it removes it,
between two of its steps. No row comes back from its end, and a node that stood still so long is another one to the fence (ADR 0086). Raises what the
ledger and the store raise.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gateway.domain.identity import is_id, made_at
from gateway.domain.receipt import queue_name
from gateway.domain.states import Direction, State
from gateway.ledger.queries import identities, quarantine, receipts
from gateway.ledger.store import Connection
from gateway.ledger.units import Consignment
from gateway.settings.home import Home
from gateway.stages.arrivals import ARRIVALS
from gateway.stages.context import StageContext
from gateway.stages.itinerary import Role
from gateway.storage.payloads import KeptFile

ORPHAN_SECONDS: Final = 2 * 86400.0
"""How long a file of which no row speaks stays."""
_READ = (State.DELIVERED, State.QUARANTINED)
_ANSWERED = (State.RECEIPTED, State.EXPIRED)


def areas_of(home: Home, role: Role | None) -> tuple[Path, ...]:
    """The directories that a role looks through; None is for all. Evidence and lists of exceptions stay for years, and go by retention alone."""
    areas = {
        Role.INSPECT: (home.custody, home.infected),
        Role.VAULT: (home.quarantine, home.sealed_out),
        Role.LINK: (home.sealed_in,),
    }
    return tuple(area for each in areas.values() for area in each) if role is None else areas[role]


def forget_ended(context: StageContext, areas: Iterable[Path], *, recording: bool = False) -> int:
    """Remove them; how many there were. `recording` says that the caller is the one who records what partners send."""
    done = 0
    for area in areas:
        if found := [KeptFile(*each) for each in context.payloads.names(area)]:
            with context.ledger.read() as connection:
                ended = [file for file in found if _is_over(context, connection, area, file, recording=recording)]
            context.payloads.forget_all(ended)
            done += len(ended)
    return done


def _is_over(context: StageContext, connection: Connection, area: Path, file: KeptFile, *, recording: bool) -> bool:
    home, now = context.home, context.clock()
    names = file.path.relative_to(area).parts
    if area == home.custody:
        row = next(iter(identities.by_ids(connection, Direction.OUT, names)), None)
        return _is_old(names[0], now) if row is None else not row.custody
    if area in (home.infected, home.quarantine):
        identity = names[0].removesuffix(".sealed")
        return not quarantine.is_kept(connection, identity) and (
            quarantine.is_known(connection, identity) or _is_old(identity, now)
        )
    if recording and names[0] in context.elsewhere:
        return False
    over = _message_is_over(context, connection, area, file)
    if over is not None:
        return over
    # One of ours had its row before it was sealed, and lost it with another ledger.
    return (recording or area == home.sealed_out) and _is_kept_long(context, file, now)


def _message_is_over(context: StageContext, connection: Connection, area: Path, file: KeptFile) -> bool | None:
    """Whether all rows that speak of a message of OpenPGP are done with it; None where none does."""
    partner, *between, name = file.path.relative_to(area).parts
    if between:  # at a partner whom the settings do not know any more, nobody records it
        return False if between == [ARRIVALS] and partner in context.settings.partners else None
    identity, _, ending = name.partition(".")
    if ending != "pgp":
        return _receipt_is_over(connection, context.home, area, file, partner, identity)
    direction = Direction.IN if area == context.home.sealed_in else Direction.OUT
    row = identities.one(connection, Consignment, direction, partner, identity)
    if row is None:
        return None
    if row.sealed_sha256 is None:  # one that expired before it was sealed is not sealed any more
        return row.state in _ANSWERED
    if row.sealed_sha256 != file.sha256:  # of an attempt that was not recorded
        return True
    if direction == Direction.IN:
        return row.state in _READ
    return row.state in _ANSWERED or (row.is_plain and row.state == State.SENT)


def _receipt_is_over(
    connection: Connection, home: Home, area: Path, file: KeptFile, partner: str, identity: str
) -> bool | None:
    rows = receipts.receipts_about(connection, partner, identity)
    if area == home.sealed_out:
        ours = [row for row in rows if row.direction == Direction.OUT]
        about = [row for row in ours if queue_name(row.consignment, row.level, row.key) == file.path.name]
        return all(row.state == State.SENT for row in about) if about else None
    about = [row for row in rows if row.direction == Direction.IN and row.sealed_sha256 == file.sha256]
    return all(row.state not in (State.LANDED, State.HELD) for row in about) if about else None


def _is_old(identity: str, now: float) -> bool:
    """Whether an id was made so long ago that no row with it is about to be written."""
    return is_id(identity) and now - made_at(identity) > ORPHAN_SECONDS


def _is_kept_long(context: StageContext, file: KeptFile, now: float) -> bool:
    since = context.payloads.kept_at(*file)
    return since is not None and now - since > ORPHAN_SECONDS
