"""Ended files: what the site's store still has although its row says that its time is over, since a crash came between the two.

Looked for when a role starts, and before a disposal is certified. Of files of which no row speaks, plaintext goes after two days by the time in its
id: its row would have been written within seconds, and by then the clocks of nodes do not matter. What is a message of OpenPGP stays, since it may
have come to a node that is away. Safe beside all nodes, since no row comes back from its end. Raises what the ledger and the store raise.
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
from gateway.stages.context import StageContext
from gateway.stages.itinerary import Role
from gateway.storage.payloads import KeptFile

_ORPHAN_SECONDS: Final = 2 * 86400.0
_OF_A_PARTNER: Final = 2
_READ = (State.DELIVERED, State.QUARANTINED)
_ANSWERED = (State.RECEIPTED, State.EXPIRED)


def areas_of(home: Home, role: Role | None) -> tuple[Path, ...]:
    """The directories that a role looks through; None is for all. Evidence and lists of exceptions stay for years, and go by retention alone."""
    inspect, vault = (home.custody, home.infected), (home.quarantine, home.sealed_in, home.sealed_out)
    return {None: (*inspect, *vault), Role.INSPECT: inspect, Role.VAULT: vault}.get(role, ())


def forget_ended(context: StageContext, areas: Iterable[Path]) -> int:
    """Remove them; how many there were."""
    done = 0
    for area in areas:
        if found := [KeptFile(*each) for each in context.payloads.names(area)]:
            with context.ledger.read() as connection:
                now = context.clock()
                ended = [file for file in found if _is_over(connection, context.home, area, file, now)]
            for file in ended:
                context.payloads.forget(*file)
            done += len(ended)
    return done


def _is_over(connection: Connection, home: Home, area: Path, file: KeptFile, now: float) -> bool:
    names = file.path.relative_to(area).parts
    if area == home.custody:
        row = next(iter(identities.by_ids(connection, Direction.OUT, names)), None)
        return _is_old(names[0], now) if row is None else not row.custody
    if area in (home.infected, home.quarantine):
        identity = names[0].removesuffix(".sealed")
        return not quarantine.is_kept(connection, identity) and (
            quarantine.is_known(connection, identity) or _is_old(identity, now)
        )
    if len(names) != _OF_A_PARTNER:  # an arrival
        return False
    partner, name = names
    identity, _, ending = name.partition(".")
    if ending != "pgp":
        return _receipt_is_over(connection, home, area, file, partner, identity)
    direction = Direction.IN if area == home.sealed_in else Direction.OUT
    row_of = identities.one(connection, Consignment, direction, partner, identity)
    if row_of is None or row_of.sealed_sha256 is None:
        return False
    if row_of.sealed_sha256 != file.sha256:  # of an attempt that was not recorded
        return True
    if direction == Direction.IN:
        return row_of.state in _READ
    return row_of.state in _ANSWERED or (row_of.is_plain and row_of.state == State.SENT)


def _is_old(identity: str, now: float) -> bool:
    """Whether an id was made so long ago that no row with it is about to be written."""
    return is_id(identity) and now - made_at(identity) > _ORPHAN_SECONDS


def _receipt_is_over(
    connection: Connection, home: Home, area: Path, file: KeptFile, partner: str, identity: str
) -> bool:
    """Whether all rows that speak of a receipt's file are done with it; False where none does."""
    rows = receipts.receipts_about(connection, partner, identity)
    if area == home.sealed_out:
        ours = [row for row in rows if row.direction == Direction.OUT]
        about = [row for row in ours if queue_name(row.consignment, row.level, row.key) == file.path.name]
        return bool(about) and all(row.state == State.SENT for row in about)
    about = [row for row in rows if row.direction == Direction.IN and row.sealed_sha256 == file.sha256]
    return bool(about) and all(row.state not in (State.LANDED, State.HELD) for row in about)
