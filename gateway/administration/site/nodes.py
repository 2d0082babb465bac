"""What a person decides about the nodes of a site: to give one up for good, and which of them serves the console.

Raises UsageWrong where the gateway works alone, NodeUnknown for a node that nobody knows, NodeThere for one that is not gone, NotPermitted, and what the
ledger raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from gateway.administration.access import permitted
from gateway.administration.requests.actors import stage_context
from gateway.domain.decision import Decision
from gateway.domain.identity import to_text
from gateway.domain.ownership import SITE, living
from gateway.errors import LaneLost, NodeThere, NodeUnknown, UsageWrong
from gateway.events import Event
from gateway.ledger import nodes, requests
from gateway.ledger.queries import identities
from gateway.ledger.store import Connection
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.settings.shared_place import require_shared
from gateway.spool.publication import placed_by
from gateway.stages.context import StageContext


@dataclass(frozen=True)
class Forgotten:
    """A node that was given up, or would be: the contract of `nodes forget --json`. `lanes` are those that it still had, `requests` how many
    waited for it, which are refused; `files` of how many transfers that were admitted there the dropped file may still lie in its spool; `console` whether it was the one that served the console.
    """

    node: str
    seen: str
    version: str
    lanes: tuple[str, ...]
    requests: int
    files: int
    console: bool


@dataclass(frozen=True)
class ConsoleMoved:
    """Which node serves the console from now on, and which did before, None where none did: the contract of `nodes take-console --json`."""

    node: str
    before: str | None


def forget(settings: Settings, log: Logger, name: str, decision: Decision, *, dry_run: bool = False) -> Forgotten:
    """Take a node that is gone for good off the list. What only its own directories have, nobody works on any more."""
    _require_nodes(settings)
    with stage_context(settings, log) as context:
        if dry_run:
            with context.ledger.read() as connection:
                return _about(connection, name)
        with context.ledger.write() as transaction:
            found = _about(transaction.connection, name)
            if not nodes.forget(transaction.connection, name):
                raise NodeThere(f"Node {name} has just come back.")
            nodes.leave_spool(transaction.connection, name)
            told: dict[str, Any] = {
                "lanes": [*found.lanes],
                "count": len(found.lanes),
                "dropped": found.requests,
                "files": found.files,
            }
            transaction.record(Event.NODE_FORGOTTEN, nodes.KIND, name, **told, **decision.detail)
        remove_copies(context, name)
    return found


def remove_copies(context: StageContext, name: str) -> None:
    """Remove plaintext that a node which is gone for good had put beside people's files and that no row speaks of: nobody else does."""
    require_shared(context.settings, context.home.inbound)
    with permitted():
        lying = list(placed_by(context.home.inbound, name))
        with context.ledger.read() as connection:
            recorded = identities.placed(connection, {copy.tag for copy in lying})
        for copy in lying:
            if (copy.tag, copy.owner) not in recorded:
                copy.path.unlink(missing_ok=True)


def take_console(settings: Settings, log: Logger, decision: Decision) -> ConsoleMoved:
    """Have this node serve the console; the one that did ends doing so within seconds. UsageWrong where this node does already."""
    _require_nodes(settings)
    me = settings.node
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        before = nodes.read(transaction.connection).console()
        if before is not None and before.name == me.name:
            raise UsageWrong(f"The console is served at this node, {me.name}, already.")
        nodes.serve_console(transaction.connection, me.name, me.lease_seconds, version("gateway"))
        was = None if before is None else before.name
        transaction.record(Event.NODE_CONSOLE_MOVED, nodes.KIND, me.name, source=was, **decision.detail)
    return ConsoleMoved(me.name, was)


def site_elsewhere(settings: Settings, connection: Connection) -> str | None:
    """The node that has the site's own work, where that is another one; None where it is this one, or the gateway works alone. LaneLost where no
    node has it now.
    """
    if not settings.node.name:
        return None
    site = nodes.read(connection)
    lane = site.lanes.get(SITE)
    if lane is None or lane.node not in living(site.standing(), site.now):
        raise LaneLost("no node has the site's own work now")
    return None if lane.node == settings.node.name else lane.node


def _about(connection: Connection, name: str) -> Forgotten:
    site = nodes.read(connection)
    row = site.nodes.get(name)
    if row is None:
        there = f": there are {', '.join(site.nodes)}" if site.nodes else ", and no other that has run"
        raise NodeUnknown(f"There is no node {name[:40]!r}{there}.")
    if name in living(site.standing(), site.now):
        raise NodeThere(f"Node {name} is there: it was seen {site.now - row.seen:.0f} seconds ago.")
    lanes = tuple(lane for lane, owner in site.lanes.items() if owner.node == name)
    waiting = sum(request.node == name for request in requests.waiting(connection))
    files = nodes.left_in_spool(connection, name)
    return Forgotten(name, to_text(row.seen), row.version, lanes, waiting, files, row.console is not None)


def _require_nodes(settings: Settings) -> None:
    if not settings.node.name:
        raise UsageWrong("This gateway works alone: [node] name of gateway.toml is not set.")
