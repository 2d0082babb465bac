"""The demonstration's last act: each authority's back office loads what was delivered, and the Department hears of it.

The back office is `gateway load`, as an authority would run it. Raises DemoFailed where that command fails.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from gateway.demo.loop import wait_for
from gateway.demo.play import Result
from gateway.demo.sites import AUTHORITIES, DWP, DemoSite, gateway
from gateway.ledger.queries import overview
from gateway.ledger.store import Ledger
from gateway.settings.load import LOADABLE, LoadSettings


@dataclass(frozen=True)
class LoadedSite:
    """What one authority loaded: how many documents and records, into which database, and how many it could not."""

    site: str
    database: str
    documents: int
    records: int
    rejected: int


def load_what_came(
    results: Sequence[Result], sites: Sequence[DemoSite], seconds: float
) -> tuple[list[Result], tuple[LoadedSite, ...]]:
    """Load at each authority; the results with the states that files have at the Department then, and what was loaded."""
    homes = {site.code: site for site in sites}
    dwp = homes[DWP]
    wanted = {key for key, state in _states(dwp).items() if state == "receipted" and key[0] in LOADABLE}
    loaded = tuple(_load(homes[code]) for code in AUTHORITIES)
    wait_for(lambda: wanted <= _ingested(dwp), time.monotonic() + seconds, sites)
    known = _ingested(dwp)
    return [_judged(each, known) if _key(each) in wanted else each for each in results], loaded


def _load(site: DemoSite) -> LoadedSite:
    told = json.loads(gateway("load", "--once", "--json", home=site.home.root))
    records = sum(line["records"] for line in told["documents"])
    return LoadedSite(site.code, LoadSettings().database, told["accepted"], records, told["rejected"])


def _states(dwp: DemoSite) -> dict[tuple[str, str, str], str]:
    """What the Department has sent, with its state: all but what was passed on to another authority."""
    with closing(Ledger(dwp.home.ledger, clock=time.time, role="demo")) as ledger, ledger.read() as connection:
        rows = overview.transfers(connection, direction="out")
    return {(row.flow, row.partner, row.name): row.state for row in rows if row.code is None}


def _ingested(dwp: DemoSite) -> set[tuple[str, str, str]]:
    return {key for key, state in _states(dwp).items() if state == "ingested"}


def _key(result: Result) -> tuple[str, str, str]:
    return result.flow, result.recipient, result.file


def _judged(result: Result, known: set[tuple[str, str, str]]) -> Result:
    if _key(result) in known:
        return replace(result, state="ingested")
    return replace(result, as_expected=False, why_not="the authority loaded it, and DWP does not know")
