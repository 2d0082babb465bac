"""The whole demonstration at sites that run: every act of the script, and what the audits say at the end.

Raises DemoFailed where a command of the gateway fails that should not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.demo.enquiries import enquire
from gateway.demo.loading import LoadedSite, load_what_came
from gateway.demo.loop import close_the_loop
from gateway.demo.play import Result, Watch, play
from gateway.demo.repeats import TriageTotals, counted, repeats
from gateway.demo.script import acts
from gateway.demo.sites import AUTHORITIES, DWP, DemoFailed, DemoSite, gateway
from gateway.sample.catalog import samplers


@dataclass(frozen=True)
class Audit:
    """What `gateway audit verify` says at one site: its report, or the words of its failure."""

    site: str
    ok: bool
    said: Any


@dataclass(frozen=True)
class Performance:
    """What became of every file, after so many seconds; the totals of DWP's referrals, and of what triage said; what was loaded; the audits.
    The contract of `--json`.
    """

    files: tuple[Result, ...]
    seconds: float
    referrals: dict[str, Any]
    triage: TriageTotals
    loaded: tuple[LoadedSite, ...]
    audit: tuple[Audit, ...]
    ok: bool

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def perform(sites: Sequence[DemoSite], timeout: float, watch: Watch, say: Callable[[str], None]) -> Performance:
    """Play it all; `watch(total)` gives who is told how many files have come to their end, `say` is told what happens."""
    makers, today = samplers(), datetime.now(UTC).date()
    script = list(acts(makers, today))
    say(f"dropping {len(script)} files")
    started = time.monotonic()
    with watch(len(script)) as progress:
        results = play(script, sites, progress, timeout)
    say(
        "DWP sends notices that say again what others said; authorities answer referrals, all but a few, and one passes a claim on"
    )
    results += close_the_loop(makers, sites, today, timeout)
    say("sites ask each other and answer, and DWP publishes a known fault")
    results += enquire(makers["laid"], sites, today, timeout)
    say("each authority loads what came into a database, and answers for it")
    results, loaded = load_what_came(results, sites, timeout)
    seconds = round(time.monotonic() - started, 1)
    dwp = next(site for site in sites if site.code == DWP)
    again = list(repeats(makers, AUTHORITIES[0], today))
    with ThreadPoolExecutor() as threads:
        referrals = threads.submit(gateway, "referrals", "--json", home=dwp.home.root)
        triage = threads.submit(counted, dwp, script, again)
        audits = tuple(threads.map(_audit, sites))
    fine = triage.result().ok and all(each.rejected == 0 and each.records > 0 for each in loaded)
    fine = fine and all(result.as_expected for result in results) and all(audit.ok for audit in audits)
    totals = json.loads(referrals.result())["totals"]
    return Performance(tuple(results), seconds, totals, triage.result(), loaded, audits, fine)


def audited(sites: Sequence[DemoSite]) -> Iterator[Audit]:
    """What the whole audit says at each, every file read again; a site of several nodes is told by its directories."""
    for site in sites:
        yield replace(_audit(site, "--deep"), site=site.home.root.name)


def _audit(site: DemoSite, *words: str) -> Audit:
    try:
        said = json.loads(gateway("audit", "verify", *words, "--json", home=site.home.root))
    except DemoFailed as error:
        return Audit(site.code, ok=False, said=error.reason)
    return Audit(site.code, ok=True, said=said)
