"""The metrics role (`gateway run --role metrics`): serves the site's figures and health, and changes nothing.

It opens the one socket that it listens at first, and then gives up the network, and where the kernel has Landlock every right to write
but beside the ledger, whose index in shared memory every reader writes to, and in state/run. It touches no key and no payload.
Raises AddressTaken, SiteBusy where the role runs already, and what opening the ledger raises: its supervisor starts it again, and
the gateway goes on without it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import Final

from gateway.administration.metrics.exposition import Exposition
from gateway.administration.metrics.serving import MetricsServer
from gateway.daemon.lock import held
from gateway.daemon.pulse import Pulse
from gateway.daemon.role_process import report_defect
from gateway.daemon.roles import METRICS
from gateway.daemon.signals import ended_after, noted
from gateway.daemon.wake_ups import WakeUp
from gateway.daemon.walls import confine, die_with, require_account
from gateway.daemon.watchdog import own_watchdog
from gateway.errors import GatewayError, UsageWrong
from gateway.ledger.store import Ledger
from gateway.linux.landlock import confine_writes
from gateway.logs import Logger, configure
from gateway.settings.model import Settings

_LOOK_EVERY: Final = 10.0
_START_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.25


def run_metrics_role(settings: Settings, *, supervised_by: int | None = None) -> None:
    """Run the metrics role until SIGTERM."""
    if not settings.metrics.listen:
        raise UsageWrong("[metrics] listen of gateway.toml says where this role is to listen, and says nothing.")
    if supervised_by is not None:
        die_with(supervised_by)
    log = configure(
        settings.site.code, METRICS, stream=sys.stderr.buffer, format=settings.logs.format, level=settings.logs.level
    )
    try:
        require_account(settings, METRICS)
        with ExitStack() as stack:
            _serve(settings, log, stack, supervised=supervised_by is not None)
    except GatewayError as error:
        log.exception("role.halted", code=error.code, reason=error.reason, remedy=error.remedy)
        raise
    log.info("role.stopped", pid=os.getpid())


def _serve(settings: Settings, log: Logger, stack: ExitStack, *, supervised: bool) -> None:
    home = settings.home
    stack.push(partial(report_defect, log))
    stack.enter_context(held(home.run, METRICS, settings.daemon.stop_seconds + 5.0 if supervised else 0.5))
    server = stack.enter_context(MetricsServer(settings.metrics.listen))
    log.info("role.confined", measures=list(confine(settings, METRICS)))
    wake_up = stack.enter_context(WakeUp(home.run, METRICS))
    pulse = stack.enter_context(Pulse(home.run, METRICS, own_watchdog()))
    stopping = stack.enter_context(noted((signal.SIGTERM, signal.SIGINT), wake_up))
    ledger = Ledger(home.ledger, clock=time.time, role=METRICS)
    stack.callback(ledger.close)
    confine_writes([home.run, home.ledger.parent])
    server.exposition = exposition = Exposition(settings, ledger)
    serving = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
    with ended_after(_START_SECONDS):
        serving.start()
    stack.callback(server.shutdown)
    log.info("role.started", pid=os.getpid())
    while not stopping:
        wake_up.wait(min(_LOOK_EVERY, settings.daemon.rescan_seconds))
        exposition.look()
        if server.failed is not None:
            raise server.failed
        pulse.beat()
