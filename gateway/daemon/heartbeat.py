"""The heartbeat of a node: a thread of the vault's process notes that the node is there, and takes, leaves and frees lanes.

The vault, since a node without it works on nothing: where it has ended for a whole lease, other nodes have its lanes. A thread, since a step
of the vault may take longer than a lease. The other roles read the owners at each round (`stages.node_lanes`), and are woken when they
have changed. A fault of the ledger, or of what else a node needs to work (`Needs`), is told once and tried again: whoever lacks it counts as gone, and is fenced. Such a
node could work on nothing, and would only keep its lanes from others. A database that lacks what this node has seen ends the role, whose
next start halts the gateway; the other nodes are told by the ledger.

The ledger gives each start of a node an incarnation, and a new one where it had counted as gone. The roles of this machine learn it from here alone
(`stages.node_seen`). So where another machine takes the name, what this one does is of an incarnation before, and refused. Raises NodeTaken then.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.metadata import version
from typing import Self

from gateway.daemon import node_there
from gateway.daemon.node_needs import Needs, require_right_clock
from gateway.daemon.pulse import Pulse
from gateway.domain.ownership import SITE, Moves, living, moves
from gateway.errors import GatewayError, Halt, LedgerRolledBack, NodeHeld, NodeTaken
from gateway.ledger import nodes
from gateway.ledger.fence import session_of
from gateway.ledger.of_site import site_ledger
from gateway.ledger.queries.lanes import known_partners
from gateway.ledger.store import Ledger
from gateway.logs import Logger, announcer
from gateway.settings.likeness import likeness
from gateway.settings.model import Settings
from gateway.stages import node_seen
from gateway.stages.itinerary import Role
from gateway.storage.payloads import Payloads

Say = Callable[..., None]
"""`say(event, **keys)`."""


class Heartbeat:
    """Node `name`, which is gone when it was not seen for `lease` seconds, and says that it is there every `every` seconds.

    `ledger` is its own, and closed at the end. `partners` are those of the settings; `changed` is called when owners have changed, `there` with the
    incarnation as which the ledger has noted the node. `before` gives the one that this machine had, None where it had none. `reach` raises a GatewayError where this
    node cannot work. `away` is given the code of each fault, and None after the last one.
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
        there: Callable[[int], None],
        before: Callable[[], int | None],
        reach: Callable[[], None] = lambda: None,
        away: Callable[[str | None], None] = lambda _code: None,
    ) -> None:
        self._away = away
        self._there = there
        self._before = before
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
        self._said: int | None = None
        """The incarnation that this machine's roles know."""
        self._other = 0.0
        """When the one was seen that has the name in this one's place."""
        self.taken = False
        """Whether another machine is this node."""
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
                # A node without a heartbeat works on nothing: the role ends.
                os.kill(os.getpid(), signal.SIGTERM)

    def insist(self) -> None:
        """NodeTaken where another machine is this node."""
        if self.taken:
            raise NodeTaken(f"another machine is node {self._name} now.")

    def _beaten(self) -> bool:
        try:
            self.beat()
        except NodeTaken:
            self.taken = True
            return False
        except Halt as error:
            # The role ends, and its next start says this and halts.
            if isinstance(error, LedgerRolledBack) and self._incarnation is not None:
                with suppress(GatewayError):
                    self._ledger.close_as(self._incarnation, error)
            self._say_deferred(error)
            return False
        except GatewayError as error:
            if error.code != self._failed:
                self._say_deferred(error)
            self._failed = error.code
            self._away(error.code)
            return True
        if self._failed:
            self._say("work.resumed", stage=node_there.STAGE)
            self._failed = ""
            self._away(None)
        return True

    def _say_deferred(self, error: GatewayError) -> None:
        self._say("work.deferred", code=error.code, reason=error.reason, remedy=error.remedy, stage=node_there.STAGE)

    def beat(self) -> None:
        """One heartbeat. NodeTaken, once and for all, where another machine is this node; a Defer as long as it may be gone, or is to be."""
        self._reach()
        if self._incarnation is not None:
            self._tell(self._incarnation)  # where that failed: nobody here knows it, and to be seen would say so
            with self._ledger.beside_chain() as connection:
                self._incarnation = nodes.renew(connection, self._name, self._incarnation)
        if self._incarnation is None:
            self._incarnation = self._registered()
        self._tell(self._incarnation, again=True)
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

    def _registered(self) -> int:
        """A new incarnation. NodeHeld where another has the name and may be gone, NodeTaken once that was seen again."""
        with self._ledger.beside_chain() as connection:
            nodes.end_stuck(connection)  # one of before may hold the head
        with self._ledger.write() as transaction:
            connection = transaction.connection
            given = nodes.register(
                connection, self._name, self._lease, self._version, self._likeness, before=self._before()
            )
            if given is not None:
                self._other = 0.0
                return given
            seen = nodes.read(connection).nodes[self._name].seen
        if self._other and seen > self._other:
            raise NodeTaken(f"another machine is node {self._name} now.")
        self._other = seen
        raise NodeHeld(f"another machine was node {self._name} a moment ago")

    def _tell(self, incarnation: int, *, again: bool = False) -> None:
        """Have the roles of this machine know the incarnation."""
        if again or incarnation != self._said:
            self._there(incarnation)
            self._said = incarnation


def heartbeat(
    settings: Settings, payloads: Payloads, log: Logger, changed: Callable[[], None], pulse: Pulse | None
) -> Heartbeat:
    """That of this gateway's node, with a ledger of its own. What it does not reach shows in the vault's `pulse`."""
    node, home = settings.node, settings.home
    needs = Needs(settings, payloads, time.monotonic)

    def away(code: str | None) -> None:
        if pulse is None:
            return
        if code is None:
            pulse.goes_on(node_there.STAGE)
        else:
            pulse.put_off(node_there.STAGE, code)

    ledger = site_ledger(settings, Role.VAULT, log, session=session_of(node.name, node.lease_seconds))

    def reach() -> None:
        needs.look()
        with ledger.read() as connection:
            require_right_clock(connection, time.time())

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
        there=lambda incarnation: node_seen.note(home.node_seen, time.monotonic(), incarnation),
        before=lambda: node_seen.incarnation(home.node_seen),
        reach=reach,
        away=away,
    )
