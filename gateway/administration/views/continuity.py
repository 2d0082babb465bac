"""How business continuity stands, as people and scripts are shown it. Raises nothing of its own; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.ledger.queries.continuity import standing
from gateway.ledger.store import Connection


@dataclass(frozen=True)
class Tell:
    """Somebody on the list: the place in it, from 1, and whether somebody has said that they were told."""

    place: int
    who: str
    told: bool


@dataclass(frozen=True)
class Continuity:
    """How it stands: the contract of `--json`. `since` is None where continuity is not invoked."""

    since: str | None
    updated: str | None
    reason: str | None
    tell: tuple[Tell, ...]


def continuity(tell: Sequence[str], connection: Connection) -> Continuity:
    """How it stands now, with the list of whom to tell."""
    found = standing(connection)
    done = () if found is None else found.told
    return Continuity(
        None if found is None else found.since,
        None if found is None else found.updated,
        None if found is None else found.reason,
        tuple(Tell(place, who, place in done) for place, who in enumerate(tell, 1)),
    )
