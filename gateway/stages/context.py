"""Stages: what each is given (the site, its ledger, a clock, randomness), its one shape, and what each gives back.

A stage has one shape. It takes what is due, by one query of the ledger or one look at a directory. Its `step` does a
bounded batch of that, and may be run again at any time with the same result. It gives a Step. It lets a Halt through, and
a Defer of the machine it runs on; every other GatewayError becomes a move in the ledger. The rooms `outbound`, `inbound` and
`timers` hold the stages, which import no stage; what several share lies beside the rooms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.domain import retry
from gateway.domain.calendar import day_of
from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.routes import Routes
from gateway.errors import Defer, DiskFull, LedgerBusy
from gateway.ledger.store import Ledger
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.spool.publication import owner_of_copies
from gateway.stages.node_lanes import NodeLanes
from gateway.storage.payloads import OneMachine, Payloads

BATCH: Final = 500
"""How many small units a step takes at most: enough to share a commit, few enough to end within seconds."""

Log = Callable[..., None]
"""`log(event, **keys)`; the keys are allow-listed in `gateway.logs`."""


@dataclass(frozen=True)
class Step:
    """`done` units moved. Where that is not 0, more may be due at once; `due` is when the next known unit is, None for none.

    `quiet` says that no other role has anything to do with what moved, so that none need be woken.
    """

    done: int = 0
    due: float | None = None
    quiet: bool = False


class Stage(Protocol):
    """One stage as a role runs it."""

    @property
    def name(self) -> str: ...

    def step(self) -> Step: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class StageContext:
    """What a role gives its stages. `random_float` draws from [0, 1), `entropy(n)` gives n random bytes. `lanes` are those of this node, None
    where it is the only one.
    """

    settings: Settings
    routes: Routes
    ledger: Ledger
    log: Log
    clock: Callable[[], float]
    random_float: Callable[[], float]
    entropy: Callable[[int], bytes]
    stopping: Callable[[], bool]
    lanes: NodeLanes | None = None
    payloads: Payloads = field(default_factory=OneMachine)

    @property
    def home(self) -> Home:
        return self.settings.home

    @property
    def site(self) -> str:
        return self.settings.site.code

    @property
    def node(self) -> str | None:
        """The name of this node; None where the gateway works alone."""
        return self.settings.node.name or None

    @property
    def copies(self) -> str | None:
        """Whose the copies are that this node puts beside their targets (`spool.publication.place`): the node's, in its incarnation, since another machine
        may take its name. None where the gateway works alone.
        """
        incarnation = None if self.lanes is None else self.lanes.incarnation
        return self.node if incarnation is None else owner_of_copies(str(self.node), incarnation)

    @property
    def stopped(self) -> Collection[str]:
        """Partners for which no stage begins anything here: the settings stop them, or another node works on their lanes."""
        stopped = self.settings.stopped
        return stopped if self.lanes is None else tuple(sorted(self.lanes.elsewhere.union(stopped)))

    @property
    def elsewhere(self) -> frozenset[str]:
        """Those of other nodes alone: for what is ended for a partner that is stopped as well."""
        return frozenset() if self.lanes is None else self.lanes.elsewhere

    def epoch(self) -> int:
        """What work that outlives its step remembers from its beginning, for `has_kept`."""
        return 0 if self.lanes is None else self.lanes.newest

    def has_kept(self, partner: str, since: int) -> bool:
        """Whether what was begun then for a partner may be recorded: this node has had the lane ever since."""
        return self.lanes is None or self.lanes.has_kept(partner, since)

    def is_same_authority(self, one: str, other: str) -> bool:
        """Whether two codes name one authority today, by the site's table."""
        return self.settings.authorities.same(one, other, day_of(self.clock()))

    def new_id(self) -> str:
        return new_id(self.clock(), self.entropy(RANDOM_BYTES))

    def say_deferred(self, error: Defer, **keys: object) -> None:
        """Log work that a fault of this machine put off and that no row of the ledger speaks of."""
        event = {DiskFull: "disk.full", LedgerBusy: "ledger.busy"}.get(type(error), "work.deferred")
        self.log(event, code=error.code, reason=error.reason, **keys)

    def retry_at(self, attempts: int) -> float:
        """When to try again after `attempts` deferrals."""
        link = self.settings.link
        return self.clock() + retry.delay(
            attempts, base=link.retry_base_seconds, cap=link.retry_cap_seconds, random_float=self.random_float()
        )
