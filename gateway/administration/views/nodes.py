"""The nodes of a site: which are there, which are gone and since when, which lanes each works on, and what moved. Raises what the ledger raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.identity import to_text
from gateway.domain.ownership import SITE, living
from gateway.events import Event
from gateway.ledger import nodes
from gateway.ledger.audit.chain import loaded
from gateway.ledger.postgresql.dispatch import Waiting, waiting
from gateway.ledger.queries.events import last_named
from gateway.ledger.store import Connection
from gateway.settings.model import Settings

_MOVES: Final = (Event.NODE_LOST, Event.NODE_TAKEN_OVER, Event.NODE_FREED)
_SHOWN: Final = 20
_SOON: Final = 2
"""Leases: by then other nodes have what a node had that is gone."""
_HEARD_SECONDS: Final = 60.0
"""A node that listens has heard a wake-up within a second."""


@dataclass(frozen=True)
class NodeView:
    """A node: `up` or `gone`, and since when by the database's clock; how many partners' `lanes` it has, whether the site's own work, and
    whether it is the one that serves the console. `likeness` is the same where two nodes have the same partners' files, keys and addresses. `wake_ups` is
    how many of other nodes' it has not heard yet, and `wake_up_seconds` for how long the oldest of them has waited.
    """

    name: str
    state: str
    since: str
    seen: str
    lanes: int
    site: bool
    console: bool
    partners: tuple[str, ...]
    version: str
    likeness: str | None
    wake_ups: int = 0
    wake_up_seconds: float = 0.0

    @property
    def unheard(self) -> bool:
        """Whether it is there and does not hear what other nodes wake it for."""
        return self.state == "up" and self.wake_up_seconds > _HEARD_SECONDS


@dataclass(frozen=True)
class LaneNode:
    """Who works on a lane: a partner's code, or `.site` for what is about the site; since when. `node` is None of one that is free, and
    `leaving` says that its node is about to give it up.
    """

    lane: str
    node: str | None
    since: str
    leaving: bool


@dataclass(frozen=True)
class LaneMove:
    """What moved: when, which event, which node took or gave up, which lanes, and whose they had been where those nodes are gone."""

    at: str
    event: str
    node: str
    lanes: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True)
class NodesView:
    """The contract of `nodes --json`. `without` are the lanes that no node works on now, `late` those of them for which that has been so for
    two leases and longer. `moved` has the last changes, the newest first. Times are RFC 3339, UTC.
    """

    nodes: tuple[NodeView, ...] = ()
    without: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    lanes: tuple[LaneNode, ...] = ()
    moved: tuple[LaneMove, ...] = ()

    @property
    def gone(self) -> tuple[str, ...]:
        """The nodes that are gone."""
        return tuple(node.name for node in self.nodes if node.state == "gone")

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of the program that nodes which are there run."""
        return tuple(sorted({node.version for node in self.nodes if node.state == "up"}))


def listed(settings: Settings, connection: Connection, *, moves: bool = True) -> NodesView:
    """Nothing where the gateway is the only one of its site; without `moves` nothing of what moved."""
    if not settings.node.name:
        return NodesView()
    site = nodes.read(connection)
    there = living(site.standing(), site.now)
    return NodesView(
        tuple(_nodes(site, there, waiting(connection))),
        tuple(lane for lane, row in site.lanes.items() if row.node not in there),
        tuple(lane for lane, row in site.lanes.items() if _is_late(site, row, there, settings.node.lease_seconds)),
        tuple(
            LaneNode(lane, row.node, to_text(row.since), row.leaving is not None) for lane, row in site.lanes.items()
        ),
        tuple(_moves(connection, [*site.nodes])) if moves else (),
    )


def _nodes(site: nodes.Site, there: tuple[str, ...], unheard: Mapping[str, Waiting]) -> Iterator[NodeView]:
    for row in site.nodes.values():
        led = [lane for lane, owner in site.lanes.items() if owner.node == row.name]
        partners = tuple(lane for lane in led if lane != SITE)
        up = row.name in there
        since = to_text(row.since if up else row.seen + row.lease)
        state, has_site, console = "up" if up else "gone", SITE in led, row.console is not None
        seen = to_text(row.seen)
        wake_ups, seconds = unheard.get(row.name, (0, 0.0))
        yield NodeView(
            row.name,
            state,
            since,
            seen,
            len(partners),
            has_site,
            console,
            partners,
            row.version,
            row.likeness,
            wake_ups,
            round(seconds, 1),
        )


def _is_late(site: nodes.Site, lane: nodes.LaneRow, there: tuple[str, ...], lease: float) -> bool:
    """Whether nobody has worked on it for longer than it takes others to take it over."""
    if lane.node in there:
        return False
    node = None if lane.node is None else site.nodes.get(lane.node)
    since = lane.since if node is None else node.seen
    return site.now - since > _SOON * (lease if node is None else node.lease)


def _moves(connection: Connection, names: list[str]) -> Iterator[LaneMove]:
    for entry in last_named(connection, _MOVES, names, _SHOWN):
        detail = loaded(entry.detail)
        lanes, gone = (tuple(map(str, detail.get(key, ()))) for key in ("lanes", "gone"))
        yield LaneMove(entry.at, entry.event, entry.subject, lanes, gone)
