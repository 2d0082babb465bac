"""The nodes of a site: which are there, which are gone and since when, and which lanes each works on. Raises what the ledger raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.domain.identity import to_text
from gateway.domain.ownership import SITE, living
from gateway.ledger import nodes
from gateway.ledger.store import Connection
from gateway.settings.model import Settings


@dataclass(frozen=True)
class NodeView:
    """A node: `up` or `gone`, and since when by the database's clock; how many partners' `lanes` it has, and whether the site's own work."""

    name: str
    state: str
    since: str
    seen: str
    lanes: int
    site: bool
    partners: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class NodesView:
    """The contract of `nodes --json`. `without` are the lanes that no node works on now; times are RFC 3339, UTC."""

    nodes: tuple[NodeView, ...] = ()
    without: tuple[str, ...] = ()


def listed(settings: Settings, connection: Connection) -> NodesView:
    """Nothing where the gateway is the only one of its site."""
    if not settings.node.name:
        return NodesView()
    site = nodes.read(connection)
    there = living(site.standing(), site.now)
    without = sorted(lane for lane, row in site.lanes.items() if row.node not in there)
    return NodesView(tuple(_nodes(site, there)), tuple(without))


def _nodes(site: nodes.Site, there: tuple[str, ...]) -> Iterator[NodeView]:
    for row in site.nodes.values():
        led = [lane for lane, owner in site.lanes.items() if owner.node == row.name]
        partners = tuple(lane for lane in led if lane != SITE)
        up = row.name in there
        since = to_text(row.since if up else row.seen + row.lease)
        state, has_site = "up" if up else "gone", SITE in led
        yield NodeView(row.name, state, since, to_text(row.seen), len(partners), has_site, partners, row.version)
