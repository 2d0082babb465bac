"""The lanes of this node, as its roles work with them: read anew at the beginning of each round, and the same until the next.

Lanes of other nodes are to the stages as partners that are stopped. Before each step the ledger is told what the step acts as, and the
newest change of owners that it knows (`ledger.fence`). Which incarnation of the node this is, the heartbeat of this machine says, and not the
ledger: there another machine may have the node's name. Raises what the ledger raises, and NodeTaken where one has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from gateway.domain.ownership import AS_SITE, SITE
from gateway.errors import NodeTaken
from gateway.ledger import nodes
from gateway.ledger.fence import Fence
from gateway.ledger.store import Ledger
from gateway.stages.itinerary import ACTS_AS

_NOTHING: Final = nodes.Version(None, -1)
_NEVER: Final = -1
"""No incarnation."""
_CLEARING: Final = frozenset({"local-copies", "discarded-copies"})
"""Stages that remove copies of this machine, also while it is no node: a full disk is to have room again."""


class NodeLanes:
    """What one role of node `name` knows; `partners` are all that there are files of. `own` gives the incarnation that the heartbeat of this machine has, None
    where it has none.
    """

    def __init__(self, ledger: Ledger, partners: Collection[str], name: str, own: Callable[[], int | None]) -> None:
        self._ledger = ledger
        self._partners = frozenset(partners)
        self._name = name
        self._own = own
        self._version = _NOTHING
        self._other: tuple[int, float] | None = None
        """Where the ledger has another incarnation than this machine: which this one is, and when the other was seen first."""
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

    @property
    def incarnation(self) -> int | None:
        """That of this node, as the step knows it; None where it is not there."""
        return self._version.incarnation

    def look(self) -> None:
        """Read the owners again, where anything has changed."""
        with self._ledger.read() as connection:
            found = nodes.version(connection, self._name)
            own = self._own()  # after the ledger: the heartbeat says it there first
            version = nodes.Version(found.incarnation if found.incarnation == own else None, found.newest)
            self._require_name(found, own)
            if version == self._version:
                return
            lanes = nodes.read(connection).lanes
        # One that counts as gone begins nothing, and keeps nothing.
        mine = [row for row in lanes.values() if row.node == self._name and version.incarnation is not None]
        self._version = version
        self._epochs = {row.partner: row.epoch for row in mine}
        self._working = frozenset(row.partner for row in mine if row.leaving is None)
        self.elsewhere = frozenset({*self._partners, *lanes}) - self._working - {SITE}

    def _require_name(self, found: nodes.Version, own: int | None) -> None:
        """NodeTaken where another machine is the node now. This machine's heartbeat says its incarnation before it is seen once more, so one that is seen
        again and again, and that nobody says here, is another's.
        """
        if own is None or found.incarnation in (None, own):
            self._other = None
        elif self._other is None or self._other[0] != own:
            self._other = own, found.seen
        elif found.seen > self._other[1]:
            raise NodeTaken(f"another machine is node {self._name} now.")

    def may_begin(self, stage: str) -> bool:
        """Tell the ledger of the step that a stage begins; whether this node takes it."""
        acts_as, incarnation = ACTS_AS[stage], self._version.incarnation
        self._ledger.fence = Fence(self._name, _NEVER if incarnation is None else incarnation, self.newest, acts_as)
        if incarnation is None:
            return stage in _CLEARING
        return acts_as != AS_SITE or SITE in self._working

    def has_kept(self, partner: str, since: int) -> bool:
        """Whether the lane is this node's, and was all the time since that number was the newest."""
        return self._epochs.get(partner, since + 1) <= since
