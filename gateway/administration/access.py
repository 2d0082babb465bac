"""Opening a site's ledger for a person.

Raises NotPermitted where this user may not read the site's state, and what the ledger raises.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.errors import NotPermitted
from gateway.ledger.dispatch import Dispatch, dispatch_of
from gateway.ledger.of_site import site_ledger
from gateway.ledger.store import Connection, Ledger
from gateway.logs import Logger, announcer
from gateway.settings.model import Settings
from gateway.storage.durable import disk_error

ROLE: Final = "command"
"""Who writes, in the chain, where a person does."""


@contextmanager
def opened(settings: Settings) -> Iterator[Ledger]:
    """The site's ledger, closed at the end."""
    with permitted():
        ledger = Ledger(settings.ledger_place, clock=time.time, role=ROLE)
    try:
        ledger.check()
        yield ledger
    finally:
        ledger.close()


@contextmanager
def writing(settings: Settings, log: Logger, role: str = ROLE) -> Iterator[Ledger]:
    """The site's ledger for whoever changes it without stages: its events are logged, and its head is remembered."""
    with permitted():
        ledger = site_ledger(settings, role, log, dispatch=_elsewhere(settings, log))
    try:
        ledger.check()
        yield ledger
    finally:
        ledger.close()


def _elsewhere(settings: Settings, log: Logger) -> Dispatch | None:
    """What wakes other nodes; None where there is none. Roles of this machine are woken by whoever writes."""
    if not settings.node.name:
        return None
    return dispatch_of(settings.ledger_place, settings.node.name, lambda: None, announcer(log), rings_here=False)


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """One consistent view of the site's ledger."""
    with opened(settings) as ledger, ledger.read() as connection:
        yield connection


@contextmanager
def permitted() -> Iterator[None]:
    """Turn the system's refusal into NotPermitted."""
    try:
        yield
    except PermissionError as error:
        raise NotPermitted("You may not look into the state of this site.") from error


@contextmanager
def on_disk(doing: str, refused: str = "You may not read or write {file}.") -> Iterator[None]:
    """Turn the system's refusal into NotPermitted, which names the file as `refused` has it; its other errors into DiskFull or
    DiskFailed while `doing`.
    """
    try:
        yield
    except PermissionError as error:
        raise NotPermitted(refused.format(file=error.filename or "a file")) from error
    except OSError as error:
        raise disk_error(error, doing) from error
