"""The lanes of this node, as its roles work with them: read anew at the beginning of each round, and the same until the next.

Lanes of other nodes are to the stages as partners that are stopped. Before each step the ledger is told what the step acts as, and the
newest change of owners that it knows (`ledger.fence`). Raises what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from gateway.domain.ownership import AS_SITE, SITE
from gateway.ledger import nodes
from gateway.ledger.fence import Fence
from gateway.ledger.store import Ledger
from gateway.stages.itinerary import ACTS_AS

_NOTHING: Final = nodes.Version(None, -1)


class NodeLanes:
    """What one role of node `name` knows; `partners` are all that there are files of."""

    def __init__(self, ledger: Ledger, partners: Collection[str], name: str) -> None:
        self._ledger = ledger
        self._partners = frozenset(partners)
        self._name = name
        self._version = _NOTHING
        self._epochs: Mapping[str, int] = {}
        self._working: frozenset[str] = frozenset()
        self.elsewhere = self._partners
        """Partners whose lanes this node does not work on now."""

    @property
    def newest(self) -> int:
        """The number of the newest change of owners that the step knows."""
        return self._version.newest

    def working(self) -> frozenset[str]:
        """The lanes that this node works on, that of the site included where it has it."""
        return self._working

    def look(self) -> None:
        """Read the owners again, where anything has changed."""
        with self._ledger.read() as connection:
            version = nodes.version(connection, self._name)
            if version == self._version:
                return
            lanes = nodes.read(connection).lanes
        # One that counts as gone begins nothing, and keeps nothing.
        mine = [row for row in lanes.values() if row.node == self._name and version.incarnation is not None]
        self._version = version
        self._epochs = {row.partner: row.epoch for row in mine}
        self._working = frozenset(row.partner for row in mine if row.leaving is None)
        self.elsewhere = frozenset({*self._partners, *lanes}) - self._working - {SITE}

    def may_begin(self, stage: str) -> bool:
        """Tell the ledger of the step that a stage begins; whether this node takes it."""
        acts_as = ACTS_AS[stage]
        self._ledger.fence = Fence(self._name, self._version.incarnation or 0, self.newest, acts_as)
        return acts_as != AS_SITE or SITE in self._working

    def has_kept(self, partner: str, since: int) -> bool:
        """Whether the lane is this node's, and was all the time since that number was the newest."""
        return self._epochs.get(partner, since + 1) <= since
