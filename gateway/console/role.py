"""The console's role (`gateway console`): answers browsers at one socket that it opens first, and then gives up the network, but for the
port of the site's identity provider.

Where the site has several nodes, one of them serves the console: the role of the others waits until that is this one.

It holds no key, and where the kernel has Landlock it can write beside the ledger, in state/run, in state/console and in state/uploads alone. Raises AddressTaken, SiteBusy
where the role runs already, UsageWrong where no address is set, and what opening the ledger raises.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import uvicorn

from gateway.administration.access import writing
from gateway.administration.credentials.context import credentials
from gateway.administration.credentials.refusals import tell_rest
from gateway.administration.credentials.reminders import EVERY_SECONDS, remind
from gateway.administration.credentials.served import served_elsewhere
from gateway.administration.credentials.sessions import sweep
from gateway.administration.identity_provider.connection import Connection
from gateway.administration.identity_provider.provider import Provider
from gateway.administration.identity_provider.signing_in import clear
from gateway.administration.requests import asking
from gateway.console.rooms.identity_provider import RETURN
from gateway.console.server import ConsoleProtocol
from gateway.console.site import Site
from gateway.console.web import application
from gateway.daemon.listening import listening
from gateway.daemon.role_frame import Deferral, Life, alone, logged
from gateway.daemon.roles import CONSOLE
from gateway.daemon.signals import ended_after
from gateway.daemon.walls import confine, require_account
from gateway.domain.retry import is_due
from gateway.errors import Defer, UsageWrong
from gateway.linux.landlock import confine_connections, confine_writes
from gateway.logs import Logger, library_lines
from gateway.settings.model import Settings
from gateway.settings.secrets import secrets_of

_START_SECONDS: Final = 60
_LOOK_EVERY: Final = 5.0
_DNS_PORT: Final = 53
"""Long answers of a name server come over TCP."""
_MOST_CONNECTIONS: Final = 300
_BACKLOG: Final = 128
_STOP_SECONDS: Final = 3


def run_console_role(settings: Settings, *, supervised_by: int | None = None) -> None:
    """Run the console's role until SIGTERM."""
    if not settings.console.listen:
        raise UsageWrong("[console] listen of gateway.toml says where the console is to listen, and says nothing.")
    if not settings.console.origin:
        raise UsageWrong(
            "[console] address of gateway.toml has to say what people type, where the console listens at a socket."
        )
    with logged(settings, CONSOLE, supervised_by=supervised_by) as log:
        require_account(settings, CONSOLE)
        with ExitStack() as stack:
            _serve(settings, log, stack, supervised=supervised_by is not None)


def _serve(settings: Settings, log: Logger, stack: ExitStack, *, supervised: bool) -> None:
    home = settings.home
    stack.enter_context(alone(settings, CONSOLE, log, supervised=supervised))
    life = Life(stack, home.run, CONSOLE)
    if not _comes_here(settings, log, life):
        return
    listener = stack.enter_context(listening(settings.console.listen, _BACKLOG))
    measures = [*confine(settings, CONSOLE), *_connections(settings)]
    log.info("role.confined", measures=measures)
    stack.enter_context(library_lines(log))
    provider = _provider(settings, log)
    site = Site(settings, stack.enter_context(credentials(settings, log, time.time)), log, provider=provider)
    confine_writes([home.run, home.ledger.parent, home.console, home.uploads], [home.ledger_head])
    config = uvicorn.Config(
        application(site),
        loop="asyncio",
        http=ConsoleProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    threads = stack.enter_context(ThreadPoolExecutor(1, "console"))
    with ended_after(_START_SECONDS):
        serving = threads.submit(server.run, [listener])
    serving.add_done_callback(lambda _: life.wake_up.wake())
    log.info("role.started", pid=os.getpid())
    deferral, due = Deferral(log), 0.0
    try:
        while not life.is_stopping() and not serving.done():
            life.wake_up.wait(min(_LOOK_EVERY, settings.daemon.rescan_seconds))
            with deferral.told():
                due = _tidy(site, due)
                if (node := served_elsewhere(settings, site.ledger)) is not None:
                    log.info("node.console-moved", reason=f"node {node} serves it from now on: this role ends")
                    break
    finally:
        site.stopping.set()
        server.should_exit = True
    serving.result()


def _comes_here(settings: Settings, log: Logger, life: Life) -> bool:
    """Wait until this node is the one that serves the console, which is at once where the gateway works alone; False where the role is to end."""
    if not settings.node.name:
        return True
    told, deferral = False, Deferral(log)
    with writing(settings, log, CONSOLE) as ledger:
        while not life.is_stopping():
            with deferral.told():
                node = served_elsewhere(settings, ledger)
                if node is None:
                    return True
                if not told:
                    log.info("node.console-awaited", reason=f"node {node} serves it")
                    told = True
            life.wake_up.wait(_LOOK_EVERY)
    return False


def _connections(settings: Settings) -> list[str]:
    """Keep this process to the port of the identity provider, where there is one; what is in force, as text for the log."""
    provider = settings.console.identity_provider
    if provider is None:
        return []
    port = provider.origin[2]
    if not confine_connections([port, *settings.ledger.ports, _DNS_PORT]):
        return ["connects anywhere: no Landlock for ports here"]
    return [f"connects to port {port} alone"]


def _provider(settings: Settings, log: Logger) -> Provider | None:
    about = settings.console.identity_provider
    if about is None:
        return None
    connection = Connection(about, settings.home.config)
    back = settings.console.origin + RETURN

    def tell(error: Defer) -> None:
        log.warning("work.deferred", code=error.code, reason=error.reason, remedy=error.remedy)

    return Provider(about, secrets_of(settings.home, os.environ), back, connection, time.monotonic, tell)


def _tidy(site: Site, due: float) -> float:
    """End sessions that have ended while nobody looked, and what was asked, nobody decided, and no stage ends; and tell the chain of refusals
    that were only counted and, where it is time, of what ends soon: `due` is when, and so is what comes back.
    """
    sweep(site.credentials)
    tell_rest(site.credentials)
    clear(site.credentials)
    asking.lapse(site.settings.console, site.ledger)
    if not is_due(due, site.now, EVERY_SECONDS):
        return due
    remind(site.credentials)
    return site.now + EVERY_SECONDS
