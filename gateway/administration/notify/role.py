"""The notify role (`gateway run --role notify`): follows the chain, and tells people by e-mail and webhooks what happens.

It opens no key and no payload. Where the kernel has Landlock it writes beside the ledger, whose index in shared memory every reader writes
to, in state/run and in state/notify alone, and connects to the ports of its channels alone. Raises UsageWrong without a channel, SiteBusy
where the role runs already, and what opening the ledger raises: its supervisor starts it again, and the gateway goes on without it.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from gateway.administration.notify.channels import send
from gateway.administration.notify.matters import Matters
from gateway.administration.notify.noted import note
from gateway.administration.notify.sending import Sender
from gateway.administration.notify.telling import Means, Teller
from gateway.daemon.role_frame import Deferral, Life, alone, logged
from gateway.daemon.roles import NOTIFY
from gateway.daemon.walls import confine, require_account
from gateway.errors import UsageWrong
from gateway.ledger import nodes
from gateway.ledger.store import Connection, Ledger
from gateway.linux.landlock import confine_connections, confine_writes
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.settings.secrets import Secrets, secrets_of
from gateway.storage.durable import make_directory

_LOOK_EVERY: Final = 10.0
_DNS_PORT: Final = 53
"""Long answers of a name server come over TCP."""


def run_notify_role(settings: Settings, *, supervised_by: int | None = None) -> None:
    """Run the notify role until SIGTERM."""
    if not settings.notify.channels:
        raise UsageWrong("[notify] of gateway.toml says whom this role is to tell, and has no channel.")
    with logged(settings, NOTIFY, supervised_by=supervised_by) as log:
        require_account(settings, NOTIFY)
        with ExitStack() as stack:
            _follow(settings, log, stack, supervised=supervised_by is not None)


def _follow(settings: Settings, log: Logger, stack: ExitStack, *, supervised: bool) -> None:
    home = settings.home
    stack.enter_context(alone(settings, NOTIFY, log, supervised=supervised))
    measures = confine(settings, NOTIFY)
    life = Life(stack, home.run, NOTIFY)
    ledger = Ledger(settings.ledger_place, clock=time.time, role=NOTIFY)
    stack.callback(ledger.close)
    make_directory(home.notify)
    confine_writes([home.run, home.ledger.parent, home.notify])
    log.info("role.confined", measures=[*measures, *_connections(settings)])

    teller = Teller(settings, ledger, _means(settings, secrets_of(home, os.environ), life.is_stopping), log)
    stack.callback(teller.close)
    log.info("role.started", pid=os.getpid())
    deferral = Deferral(log)
    while not life.is_stopping():
        started = time.monotonic()
        with deferral.told():
            teller.look()
        if deferral.waits:
            life.pulse.failed_step(NOTIFY, deferral.code)
        else:
            life.pulse.made_step(NOTIFY, 1, time.monotonic() - started)
        note(home.run, teller.memory)
        life.wake_up.wait(min(_LOOK_EVERY, settings.daemon.rescan_seconds))


def _connections(settings: Settings) -> list[str]:
    """Keep this process to the ports of its channels, and of the ledger where that is on another machine; what is in force, as text
    for the log.
    """
    ports = sorted({*(channel.server[1] for channel in settings.notify.channels.values()), *settings.ledger.ports})
    if not confine_connections([*ports, _DNS_PORT]):
        return ["connects anywhere: no Landlock for ports here"]
    return [f"connects to port {', '.join(map(str, ports))} alone"]


def _means(settings: Settings, secrets: Secrets, stopping: Callable[[], bool]) -> Means:
    def leads(connection: Connection) -> bool:
        return not settings.node.name or nodes.leads_site(connection, settings.node.name)

    return Means(
        deliver=Sender(lambda channel, name, notice, now: send(channel, name, notice, secrets, now), stopping),
        matters=Matters(settings).look,
        random_bytes=os.urandom,
        random_float=random.SystemRandom().random,
        leads=leads,
    )
