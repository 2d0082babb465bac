"""The index role (`gateway run --role index`, `gateway index run`): makes batches for a document system as files come, until it is told to stop.

It gives up every socket but Unix ones, opens no key, and only reads the ledger. Landlock does not confine it: that forbids to move a file
from one directory into another, which is what it does. Raises SiteBusy where the role runs already, ConfigurationInvalid for templates with
faults, and IndexNotApproved: its supervisor starts it again, and the gateway goes on without it.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Final

from gateway.administration.indexing.batches import Batch
from gateway.administration.indexing.indexer import Indexer, Left
from gateway.daemon.role_frame import Deferral, Life, alone, logged
from gateway.daemon.roles import INDEX
from gateway.daemon.walls import confine
from gateway.errors import ConfigurationInvalid
from gateway.ledger.store import Ledger
from gateway.logs import Logger
from gateway.settings.model import Settings

_LOOK_EVERY: Final = 5.0
_SPLIT: Final = (
    "Each role is a service of its own here ([accounts] split): have a timer run `gateway index run --once` under the account of inspect "
    "(docs/operators/document-systems.md)"
)


def run_index_role(settings: Settings, *, supervised_by: int | None = None) -> None:
    """Run the index role until SIGTERM or SIGINT."""
    with logged(settings, INDEX, supervised_by=supervised_by) as log:
        if settings.accounts.split:
            raise ConfigurationInvalid(_SPLIT)
        with ExitStack() as stack:
            _index(settings, log, stack, supervised=supervised_by is not None)


def _index(settings: Settings, log: Logger, stack: ExitStack, *, supervised: bool) -> None:
    home = settings.home
    stack.enter_context(alone(settings, INDEX, log, supervised=supervised))
    log.info("role.confined", measures=list(confine(settings, INDEX)))
    life = Life(stack, home.run, INDEX)
    ledger = Ledger(settings.ledger_place, clock=time.time, role=INDEX)
    stack.callback(ledger.close)
    indexer = Indexer(settings, ledger.read, time.time)
    log.info("role.started", pid=os.getpid())
    deferral = Deferral(log)
    while not life.is_stopping():
        with deferral.told():
            for each in indexer.work(life.is_stopping):
                tell(each, log)
        life.wake_up.wait(_LOOK_EVERY)


def tell(each: Batch | Left, log: Logger) -> None:
    """Log a batch that was made, or a file that is in none."""
    if isinstance(each, Batch):
        log.info("batch.made", path=each.batch, files=each.documents, bytes=each.bytes)
    else:
        log.warning("document.unindexed", code=each.code, flow=each.flow, partner=each.partner, name=each.name)
