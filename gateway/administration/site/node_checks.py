"""The checks of a site with several nodes: whether partners know all of them, and whether the others are configured as this one.

Raises nothing: an error of the gateway's own is a finding.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

from gateway.administration.access import reading
from gateway.administration.site.machine_checks import Check, CheckOutcome
from gateway.daemon.node_needs import require_right_clock
from gateway.daemon.own_name import require_own_name
from gateway.domain.ownership import living
from gateway.errors import GatewayError, NodeClock, NodeRunsElsewhere
from gateway.ledger import nodes
from gateway.settings.home import Home
from gateway.settings.likeness import likeness
from gateway.settings.model import Settings, SftpServer
from gateway.settings.values import address, address_text
from gateway.transport.keys import parse_public_key, read_public_key

_ADDRESSES: Final = "addresses of nodes"
_NAME: Final = "name of the node"
_ALIKE: Final = "nodes alike"
_CLOCK: Final = "clock of the node"
_PAGE: Final = "docs/operators/several-addresses.md"


def examine_nodes(settings: Settings, now: Callable[[], float] = time.time) -> Iterator[Check]:
    """Nothing where the gateway works alone. `now` is this machine's clock."""
    if not settings.node.name:
        return
    yield from _name(settings)
    yield from _clock(settings, now)
    yield from _own_keys(settings.home)
    yield _addresses(settings.sftp_server)
    yield _alike(settings)


def _name(settings: Settings) -> Iterator[Check]:
    """Where the gateway does not run here: whether it runs elsewhere under this name."""
    try:
        require_own_name(settings, 0.0)
    except NodeRunsElsewhere as error:
        yield Check.failed(_NAME, error)
    except GatewayError:
        return  # the ledger's own check says it
    else:
        yield Check(_NAME, CheckOutcome.OK, f"{settings.node.name} runs nowhere else")


def _clock(settings: Settings, now: Callable[[], float]) -> Iterator[Check]:
    """Whether the clock is the database's, as near as the heartbeat asks for."""
    try:
        with reading(settings) as connection:
            require_right_clock(connection, now())
    except NodeClock as error:
        yield Check.failed(_CLOCK, error)
    except GatewayError:
        return  # the ledger's own check says it
    else:
        yield Check(_CLOCK, CheckOutcome.OK, "as the database's")


def _own_keys(home: Home) -> Iterator[Check]:
    """Whether the public lines of the SSH keys are those of the keys: nodes are compared by the lines."""
    for key in (home.client_key, home.host_key):
        line = key.with_name(f"{key.name}.pub")
        try:
            same = read_public_key(key) == parse_public_key(line.read_text("ascii"))
        except (GatewayError, OSError, UnicodeDecodeError):
            continue  # not there, or for another account's eyes
        if not same:
            message = f"state/ssh/{line.name} is not the public line of state/ssh/{key.name}"
            remedy = "Bring the pair from a node that works: all nodes of a site have the same keys; docs/operators/nodes.md."
            yield Check(_ALIKE, CheckOutcome.WARN, message, remedy)


def _addresses(server: SftpServer) -> Check:
    """Whether the card names several addresses, and this node's among them."""
    if not (server.managed or server.public_host or server.addresses):
        return Check(_ADDRESSES, CheckOutcome.OK, "partners do not connect to this site")
    if not server.addresses:
        message = "[sftp_server] addresses is not set: partners know one node, and can bring nothing while that is gone"
        remedy = f"Set it at each node to all addresses that partners reach, then send them the card; {_PAGE}."
        return Check(_ADDRESSES, CheckOutcome.WARN, message, remedy)
    named = [text for text in server.addresses if _is_here(server, *address(text))]
    if not named:
        listens = address_text(server.host, server.port)
        message = f"none of [sftp_server] addresses is this node's, as far as it can tell: it listens at {listens}"
        remedy = f"Add it at each node. Where partners use another, set public_host and public_port to that; {_PAGE}."
        return Check(_ADDRESSES, CheckOutcome.WARN, message, remedy)
    if len(server.addresses) == 1:
        message = f"[sftp_server] addresses has this node's alone, {named[0]}: no other takes what partners bring"
        remedy = f"Add the other nodes', at each node, then send partners the card; {_PAGE}."
        return Check(_ADDRESSES, CheckOutcome.WARN, message, remedy)
    return Check(_ADDRESSES, CheckOutcome.OK, f"{len(server.addresses)}, this node's is {named[0]}")


def _is_here(server: SftpServer, host: str, port: int) -> bool:
    """Whether partners come to this node there: by what it says of itself, or since the address is one of this machine's."""
    if port not in {server.port, server.public_port}:
        return False
    return host in {server.host, server.public_host} or _is_of_machine(host)


def _is_of_machine(host: str) -> bool:
    """Whether the name leads to an address of this machine: only such a one can be bound to."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(_can_bind(family, where[0]) for family, _, _, _, where in found)


def _can_bind(family: socket.AddressFamily, host: str | int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.bind((host, 0))
    except OSError:
        return False
    return True


def _alike(settings: Settings) -> Check:
    """Whether the nodes that are there have this one's site, keys, partners and addresses, by the word that each writes when it starts."""
    try:
        with reading(settings) as connection:
            site = nodes.read(connection)
    except GatewayError as error:
        return Check.failed(_ALIKE, error)
    there, own, me = living(site.standing(), site.now), likeness(settings), settings.node.name
    other = [name for name in there if site.nodes[name].likeness not in {None, own}]
    if me in other:
        message = "the gateway that runs here has other partners' files, keys or addresses than its configuration says"
        return Check(_ALIKE, CheckOutcome.WARN, message, "`gateway reload`, then look again.")
    if other:
        message = f"other partners' files, keys or addresses than here are at {', '.join(other)}"
        remedy = "Bring the changes of one to the others, and `gateway reload` there; docs/operators/nodes.md."
        return Check(_ALIKE, CheckOutcome.WARN, message, remedy)
    others = len(set(there) - {me})
    return Check(_ALIKE, CheckOutcome.OK, f"{others} other node{'' if others == 1 else 's'} there, configured alike")
