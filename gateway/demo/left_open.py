"""What the demonstration leaves for people to do in the consoles of sites that stay: a held file, something in quarantine, a check,
and at an authority a claim.

All of it came about as it does in work: DWP's operator drops the same claim once more, and another one, an authority's program leaves a
stray file in its SFTP directory, and somebody looks into a delivered file. Only that the last draws a check is no chance here. Raises DemoFailed
where the site does not take the files within their time, and what the ledger raises.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from gateway.administration.access import reading, writing
from gateway.administration.looking.opening import TRANSFER, Wanted, open_payload
from gateway.demo.script import SEED, once_more
from gateway.demo.sites import AUTHORITIES, DWP, DemoFailed, DemoSite
from gateway.domain.states import State
from gateway.ledger.queries import overview
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.store import Connection
from gateway.logs import configure
from gateway.sample.contract import Sampler
from gateway.settings.model import Settings
from gateway.settings.read import load

STRAY: Final = "letter-to-the-department.txt"
OPENER: Final = "demo-operator"
_LOOK_EVERY: Final = 0.25
_DECIDING_BYTES: Final = 8
_FRESH: Final = 990
_SHOWN: Final = (State.DELIVERED, State.INGESTED)
_CONSOLE: Final = "console"

TO_TRY: Final = (
    "A claim is held, since its bytes went before: under Waiting, demo-supervisor asks to release it, demo-supervisor-2 agrees.",
    "A stray file is in quarantine: demo-supervisor looks at it and asks to discard it, demo-supervisor-2 agrees.",
    f"A check waits for {OPENER}, on a pink banner: acknowledge it, say which papers there were (LAST 1); demo-checking decides.",
    "Continuity has a list of whom to tell: demo-supervisor asks to invoke it, demo-supervisor-2 agrees.",
    f"A claim that no back office has taken is at {AUTHORITIES[0]}: there demo-operator looks into it, answers for it, or passes it on.",
    "Not before tomorrow: the day's report of checks (demo-print) and yesterday's statement (Audit) are of days that have ended.",
)
"""What there is to try, in the order in which it is best tried; the first four at DWP."""


def leave(makers: Mapping[str, Sampler], dwp: DemoSite, authority: str, today: date, seconds: float) -> None:
    """Leave all of it, from DWP, whose people are there by now; the authority got its first claim before."""
    settings = load(dwp.home)
    sample, drawn = once_more(makers, today, authority, "once-more"), random.Random(f"{SEED}/{_FRESH}")
    fresh = makers["claim"].make(sender=DWP, recipient=authority, index=_FRESH, random=drawn, today=today)
    for directory, name, content in (
        (dwp.home.outbound / "claim" / authority, sample.name, sample.content),
        (dwp.home.outbound / "claim" / authority, fresh.name, fresh.content),
        (dwp.home.landing_in(authority), STRAY, b"Dear Sir or Madam, this is for the benefits office.\n"),
    ):
        part = directory / f"{name}.part"
        part.write_bytes(content)
        part.rename(directory / name)
    _draw(settings)
    _until(settings, lambda connection: _stands(connection, sample.name, State.HELD), seconds)
    _until(settings, lambda connection: _stands(connection, fresh.name, State.RECEIPTED), seconds)
    _until(settings, lambda connection: bool(quarantined(connection)), seconds)


def _stands(connection: Connection, name: str, state: State) -> bool:
    return any(row.name == name for row in overview.transfers(connection, direction="out", state=state))


def _drawing(count: int) -> bytes:
    """The number that decides is made of 8 bytes, an id of more."""
    return bytes(count) if count == _DECIDING_BYTES else os.urandom(count)


def _draw(settings: Settings) -> None:
    """Somebody looks into what came last; the number that decides whether that is checked is 0."""
    with reading(settings) as connection:
        came = [row for row in overview.transfers(connection, direction="in") if row.state in _SHOWN]
    log = configure(settings.site.code, _CONSOLE, stream=sys.stderr.buffer, format="json", level="error")
    with writing(settings, log, _CONSOLE) as ledger:
        wanted = Wanted(TRANSFER, came[0].id, "a telephone call, for the demonstration")
        open_payload(settings, ledger, OPENER, wanted, (), random=_drawing)


def _until(settings: Settings, there: Callable[[Connection], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with reading(settings) as connection:
            if there(connection):
                return
        if time.monotonic() > deadline:
            raise DemoFailed(f"the site did not take what was left for people within {seconds:.0f} s")
        time.sleep(_LOOK_EVERY)
