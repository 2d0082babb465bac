"""The nodes of the site: which are there, which are gone and since when, who works with which partner, and what moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.administration.views.nodes import LaneMove, listed
from gateway.console.visits import Visit
from gateway.domain.ownership import SITE
from gateway.events import Event

_VERBS: Final[Mapping[str, str]] = {
    Event.NODE_FREED: "gave up",
    Event.NODE_LOST: "took over",
    Event.NODE_TAKEN_OVER: "took",
}


@dataclass(frozen=True)
class Moved:
    """A line about what moved: when, and a sentence without a full stop."""

    at: str
    says: str


def nodes(visit: Visit) -> Response:
    """All nodes, and all lanes with theirs."""
    site = visit.console
    with site.reading() as connection:
        found = listed(site.settings, connection)
    return visit.page(
        "nodes",
        found=found,
        here=site.settings.node.name,
        own=SITE,
        moved=[Moved(each.at, _says(each)) for each in found.moved],
        now=site.now_text,
    )


def _says(move: LaneMove) -> str:
    partners = [lane for lane in move.lanes if lane != SITE]
    what = [", ".join(partners)] if partners else []
    what += ["the site's own work"] if SITE in move.lanes else []
    gone = f" of {', '.join(move.gone)}, which was gone" if move.gone else ""
    return f"{move.node} {_VERBS[move.event]} {' and '.join(what)}{gone}"
