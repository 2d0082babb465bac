"""At which node of a site the console is served: passwords, passkeys, sessions and tokens are in that machine's `state/console`, and nowhere else.

Two consoles would be two truths: a password that was taken away at one would go on opening the other. So one node serves it, the ledger says
which, and whoever opens another machine's store is refused. Raises ConsoleElsewhere, and what the ledger raises.
"""

from __future__ import annotations

from importlib.metadata import version

from gateway.errors import ConsoleElsewhere
from gateway.events import Event
from gateway.ledger import nodes
from gateway.ledger.store import Ledger
from gateway.settings.model import Settings


def served_elsewhere(settings: Settings, ledger: Ledger) -> str | None:
    """The node that serves the console where that is another one; None where it is this one, none yet, or the gateway works alone."""
    if not settings.node.name:
        return None
    with ledger.read() as connection:
        found = nodes.read(connection).console()
    return None if found is None or found.name == settings.node.name else found.name


def require_here(settings: Settings, ledger: Ledger) -> None:
    """ConsoleElsewhere where another node serves the console. Where none does yet, this one does from now on."""
    me = settings.node
    if not me.name:
        return
    with ledger.read() as connection:
        found = nodes.read(connection).console()
    if found is None:
        with ledger.write() as transaction:
            found = nodes.read(transaction.connection).console()
            if found is None:
                nodes.serve_console(transaction.connection, me.name, me.lease_seconds, version("gateway"))
                transaction.record(Event.NODE_CONSOLE_MOVED, nodes.KIND, me.name)
                return
    if found.name != me.name:
        raise ConsoleElsewhere(f"Node {found.name} serves the console of this site, and this is node {me.name}.")
