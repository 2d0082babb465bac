"""The metrics role (`gateway run --role metrics`): serves the site's figures and health, and changes nothing.

It opens the one socket that it listens at first, and then gives up the network, and where the kernel has Landlock every right to write
but beside the ledger, whose index in shared memory every reader writes to, and in state/run. It touches no key and no payload.
Raises AddressTaken, SiteBusy where the role runs already, and what opening the ledger raises: its supervisor starts it again, and
the gateway goes on without it.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from typing import Final

from gateway.administration.metrics.exposition import Exposition
from gateway.administration.metrics.serving import MetricsServer
from gateway.daemon.role_frame import Life, alone, logged
from gateway.daemon.roles import METRICS
from gateway.daemon.signals import ended_after
from gateway.daemon.walls import confine, require_account
from gateway.errors import UsageWrong
from gateway.ledger.store import Ledger
from gateway.linux.landlock import confine_writes
from gateway.logs import Logger
from gateway.settings.model import Settings

_LOOK_EVERY: Final = 10.0
_START_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.25


def run_metrics_role(settings: Settings, *, supervised_by: int | None = None) -> None:
    """Run the metrics role until SIGTERM."""
    if not settings.metrics.listen:
        raise UsageWrong("[metrics] listen of gateway.toml says where this role is to listen, and says nothing.")
    with logged(settings, METRICS, supervised_by=supervised_by) as log:
        require_account(settings, METRICS)
        with ExitStack() as stack:
            _serve(settings, log, stack, supervised=supervised_by is not None)


def _serve(settings: Settings, log: Logger, stack: ExitStack, *, supervised: bool) -> None:
    home = settings.home
    stack.enter_context(alone(settings, METRICS, log, supervised=supervised))
    server = stack.enter_context(MetricsServer(settings.metrics.listen))
    log.info("role.confined", measures=list(confine(settings, METRICS)))
    life = Life(stack, home.run, METRICS)
    ledger = Ledger(settings.ledger_place, clock=time.time, role=METRICS)
    stack.callback(ledger.close)
    confine_writes([home.run, home.ledger.parent])
    server.exposition = exposition = Exposition(settings, ledger)
    serving = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
    with ended_after(_START_SECONDS):
        serving.start()
    stack.callback(server.shutdown)
    log.info("role.started", pid=os.getpid())
    while not life.is_stopping():
        life.wake_up.wait(min(_LOOK_EVERY, settings.daemon.rescan_seconds))
        exposition.look()
        if server.failed is not None:
            raise server.failed
