"""The heartbeat of a node: a thread of the vault's process notes that the node is there, and takes, leaves and frees lanes.

The vault, since a node without it works on nothing: where it has ended for a whole lease, other nodes have its lanes. A thread, since a step
of the vault may take longer than a lease. The other roles read the owners at each round (`stages.node_lanes`), and are woken when they
have changed. A fault of the ledger or of the store is told once and tried again: whoever cannot reach them counts as gone, and is fenced. Without the
store a node could work on nothing, and would only keep its lanes from others. A database that lacks what this node has seen ends the role, whose
next start halts the gateway; the other nodes are told by the ledger.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.metadata import version
from typing import Final, Self

from gateway.daemon import node_there
from gateway.daemon.pulse import Pulse
from gateway.domain.ownership import SITE, Moves, living, moves
from gateway.errors import GatewayError, Halt, LedgerRolledBack
from gateway.ledger import nodes
from gateway.ledger.fence import outside, session_of
from gateway.ledger.head_file import HeadFile
from gateway.ledger.queries.lanes import known_partners
from gateway.ledger.store import Ledger
from gateway.logs import Logger, announcer, announcer_of_all
from gateway.settings.likeness import likeness
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role
from gateway.storage.payloads import Payloads

_NOTHING: Final = "reached"
"""A directory of the state in which nothing is kept: to ask for it is to ask whether the store answers."""

Say = Callable[..., None]
"""`say(event, **keys)`."""


class Heartbeat:
    """Node `name`, which is gone when it was not seen for `lease` seconds, and says that it is there every `every` seconds.

    `ledger` is its own, and closed at the end. `partners` are those of the settings; `changed` is called when owners have changed, `there` when the ledger
    has noted the node. `reach` raises a GatewayError where this node cannot work. `away` is given the code of each fault, and None after the last one.
    """

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        *,
        lease: float,
        every: float,
        version: str,
        partners: Collection[str],
        say: Say,
        likeness: str | None = None,
        changed: Callable[[], None],
        there: Callable[[], None] = lambda: None,
        reach: Callable[[], None] = lambda: None,
        away: Callable[[str | None], None] = lambda _code: None,
    ) -> None:
        self._away = away
        self._there = there
        self._reach = reach
        self._ledger = ledger
        self._name = name
        self._lease = lease
        self._every = every
        self._version = version
        self._partners = partners
        self._say = say
        self._likeness = likeness
        self._changed = changed
        self._incarnation: int | None = None
        self._newest = 0
        self._failed = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The lanes stay the node's for its lease: a gateway that is started again goes on with them."""
        self._ending.set()
        self._thread.join()
        self._ledger.close()

    def _run(self) -> None:
        try:
            while not self._ending.is_set() and self._beaten():
                self._ending.wait(self._every)
        finally:
            if not self._ending.is_set():
                # A node without a heartbeat works on nothing: the role ends, is started again, and is refused where another has the name.
                os.kill(os.getpid(), signal.SIGTERM)

    def _beaten(self) -> bool:
        try:
            there = self.beat()
        except Halt as error:
            # The role ends, and its next start says this and halts.
            if isinstance(error, LedgerRolledBack) and self._incarnation is not None:
                with suppress(GatewayError):
                    self._ledger.close_as(self._incarnation, error)
            self._say("work.deferred", code=error.code, reason=error.reason, remedy=error.remedy, stage="heartbeat")
            return False
        except GatewayError as error:
            if error.code != self._failed:
                self._say(
                    "work.deferred", code=error.code, reason=error.reason, remedy=error.remedy, stage=node_there.STAGE
                )
            self._failed = error.code
            self._away(error.code)
            return True
        if self._failed:
            self._say("work.resumed", stage=node_there.STAGE)
            self._failed = ""
            self._away(None)
        return there

    def beat(self) -> bool:
        """One heartbeat. False, once and for all, where another process has started under this name."""
        self._reach()
        with self._ledger.beside_chain() as connection:
            if self._incarnation is None:
                self._incarnation = nodes.register(connection, self._name, self._lease, self._version, self._likeness)
            else:
                self._incarnation = nodes.renew(connection, self._name, self._incarnation)
        if self._incarnation is None:
            self._say(
                "work.deferred",
                code="node-taken",
                reason=f"another process is node {self._name} now",
                stage=node_there.STAGE,
            )
            return False
        self._there()
        with self._ledger.read() as connection:
            site = nodes.read(connection)
            lanes = {SITE, *self._partners, *known_partners(connection)}
        if site.nodes.keys() - living(site.standing(), site.now):
            with self._ledger.beside_chain() as connection:
                nodes.end_stuck(connection)
        todo = moves(self._name, site.now, site.standing(), site.owners(), lanes, self._lease)
        if todo != Moves():
            with self._ledger.write() as transaction:
                nodes.apply(transaction, self._name, site, todo)
        newest = max((row.changed for row in site.lanes.values()), default=0)
        if todo != Moves() or newest != self._newest:
            self._changed()
        self._newest = newest
        return True


def heartbeat(
    settings: Settings, payloads: Payloads, log: Logger, changed: Callable[[], None], pulse: Pulse | None
) -> Heartbeat:
    """That of this gateway's node, with a ledger of its own. What it does not reach shows in the vault's `pulse`."""
    node, home = settings.node, settings.home

    def away(code: str | None) -> None:
        if pulse is None:
            return
        if code is None:
            pulse.goes_on(node_there.STAGE)
        else:
            pulse.put_off(node_there.STAGE, code)

    def reach() -> None:
        next(iter(payloads.names(home.state / _NOTHING)), None)

    ledger = Ledger(
        settings.ledger_place,
        clock=time.time,
        role=Role.VAULT,
        announce=announcer_of_all(log),
        head_file=HeadFile(settings.home.ledger_head),
        fence=outside(node.name),
        session=session_of(node.name, node.lease_seconds),
    )
    return Heartbeat(
        ledger,
        node.name,
        lease=node.lease_seconds,
        every=node.heartbeat_seconds,
        version=nodes.program(version("gateway")),
        partners=settings.codes,
        say=announcer(log),
        likeness=likeness(settings),
        changed=changed,
        there=lambda: node_there.note(home.node_seen, time.monotonic()),
        reach=reach,
        away=away,
    )
