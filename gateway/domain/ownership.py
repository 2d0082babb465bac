"""Which node of a site works on which lane. Pure.

A lane is what is exchanged with one partner; SITE is what is about the site: its timers, requests and statements. Rendezvous hashing
gives each lane to one of the nodes that live: every node finds the same answer by itself, and where a node comes or goes no other
lanes move than those that it gets or had. Moments are seconds of the database's clock, which no other clock is compared with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

SITE: Final = ".site"
"""The lane of what is about the site; no partner's code begins with a full stop."""

AS_LANE: Final = "lane"
AS_SITE: Final = "site"
AS_NODE: Final = "node"
OUTSIDE: Final = "outside"
"""What a transaction acts as where the site has several nodes: `ledger.fence` says what each may write."""

_KEPT: Final = 100_000


class Node(NamedTuple):
    """A node: until when it counts as there, and since when it has been there without a break."""

    until: float
    since: float


class Owner(NamedTuple):
    """Whose a lane is, None where it is free; and since when its node is about to give it up, None where it is not."""

    node: str | None
    leaving: float | None = None


class Moves(NamedTuple):
    """What a node does about lanes: `take` what is free or of a node that is gone; `leave` what is another's, so that nothing new is
    begun there; `free` what it has left for long enough; `keep` what it was leaving, and what is its own again.
    """

    take: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


def living(nodes: Mapping[str, Node], now: float) -> tuple[str, ...]:
    """The nodes that are there, in the order of their names."""
    return tuple(sorted(name for name, node in nodes.items() if node.until > now))


@lru_cache(_KEPT)
def owner_of(lane: str, nodes: tuple[str, ...]) -> str:
    """The one of these nodes whose the lane is to be. ValueError without a node."""
    return max(nodes, key=lambda node: (sha256(f"{node}\n{lane}".encode()).digest(), node))


def moves(
    me: str, now: float, nodes: Mapping[str, Node], owners: Mapping[str, Owner], lanes: Iterable[str], lease: float
) -> Moves:
    """What node `me` does now about these lanes and those that have an owner. A lane is left for `lease` seconds before it is free.

    Nothing where the node itself is gone. One that has not been there for a whole lease takes nothing of a node that is gone: after an outage of
    the database all nodes seem to be gone to the first that comes back.
    """
    there = living(nodes, now)
    if me not in there:
        return Moves()
    ripe = now - nodes[me].since >= lease
    taken, left, freed, kept = [], [], [], []
    for lane in sorted({*lanes, *owners}):
        owner, mine = owners.get(lane, Owner(None)), owner_of(lane, there) == me
        if owner.node == me:
            if mine and owner.leaving is not None:
                kept.append(lane)
            elif not mine and owner.leaving is None:
                left.append(lane)
            elif not mine and owner.leaving is not None and now - owner.leaving >= lease:
                freed.append(lane)
        elif mine and (owner.node is None or (ripe and owner.node not in there)):
            taken.append(lane)
    return Moves(*(tuple(each) for each in (taken, left, freed, kept)))


def unowned(owners: Mapping[str, Owner], lanes: Collection[str], there: Collection[str]) -> frozenset[str]:
    """The lanes that no node which is there works on."""
    return frozenset(lane for lane in lanes if lane not in owners or owners[lane].node not in there)
