"""A site's ledger for whoever writes to it: its events are logged, its head is remembered, and the fence knows the node. Raises what the ledger raises."""

from __future__ import annotations

import time

from gateway.ledger.dispatch import Dispatch
from gateway.ledger.engine import Session
from gateway.ledger.fence import outside
from gateway.ledger.head_file import HeadFile
from gateway.ledger.store import Ledger
from gateway.logs import Logger, announcer_of_all
from gateway.settings.model import Settings


def site_ledger(
    settings: Settings, role: str, log: Logger, *, session: Session | None = None, dispatch: Dispatch | None = None
) -> Ledger:
    """For `role`; the others are the ledger's own. The caller closes it."""
    return Ledger(
        settings.ledger_place,
        clock=time.time,
        role=role,
        announce=announcer_of_all(log),
        head_file=HeadFile(settings.home.ledger_head),
        fence=outside(settings.node.name),
        session=session,
        dispatch=dispatch,
    )
