"""The workload of many partners: what one that stalls and one with a backlog do to the others.

The partners are made up, one key for each; their link is a directory that sealed files are put into (`link = "none"`), and
the clock of a file runs until its consignment lies there. The stalled one has a port that takes connections and never
says a word. Raises BenchVoid where files do not arrive.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from gateway.assembly import stores
from gateway.bench.contract import BenchFile, BenchVoid, Run
from gateway.bench.files import DWP, claims_for
from gateway.bench.ground import Ground
from gateway.bench.outcome import Figure, WorkloadResult, quantile
from gateway.bench.processes import Meter
from gateway.demo.sites import DemoSite, make_sites, start, stop, wait_until_ready
from gateway.flows.routes import permitted
from gateway.settings.directories import make, partner_directories
from gateway.settings.home import Home
from gateway.settings.model import EndpointSettings, Partner, SiteKind
from gateway.settings.write import write_partner
from gateway.transport.keys import make_key_pair

_TIMEOUT: Final = 120.0
_PAUSE: Final = 0.3


def partners(ground: Ground) -> WorkloadResult:
    """Many partners, of whom one stalls and one has a backlog."""
    count, single, heap = (12, 10, 300) if ground.quick else (380, 100, 5000)
    (site,) = make_sites(ground.root / "many", [(DWP, "Department for Work and Pensions")])
    codes = [f"E0700{number:04d}" for number in range(1, count + 1)]
    stalled, behind, others = codes[0], codes[1], codes[2:]
    ground.say(f"  making keys of {count} partners")
    with _silent_port() as port:
        _introduce(ground.root / "partner-keys", site.home, codes, stalled, port)
        (running,) = start([site])
        try:
            wait_until_ready([running])
            with Meter() as before:
                quiet = _latencies(ground, running, others, single)
            _drop_heap(ground, running, stalled, 20)
            heap_dropped = time.monotonic()
            _drop_heap(ground, running, behind, heap)
            with Meter() as beside:
                alongside = _latencies(ground, running, others, single)
            lasted = time.monotonic() - heap_dropped
            left = sum(1 for _ in (site.home.outbound / "claim" / behind).iterdir())
        finally:
            stop([running])
    figures = (
        Figure("drop to sent, others alone, median", quantile(quiet, 0.5), "s"),
        Figure("drop to sent, beside both, median", quantile(alongside, 0.5), "s"),
        Figure("drop to sent, others alone, 99th percentile", quantile(quiet, 0.99), "s"),
        Figure("drop to sent, beside both, 99th percentile", quantile(alongside, 0.99), "s"),
        Figure("seconds that the second measurement took", lasted, "s"),
        Figure("files of the backlog that were not taken in yet at its end", left, ""),
    )
    what = f"{count} partners, one stalled, one with a backlog of {heap:,}: single files to the others"
    alone = (
        Run("others alone", 1, single, 0, before.cost),
        Run("beside both, and what was taken in of the backlog", 1, single + heap - left, 0, beside.cost),
    )
    return WorkloadResult("partners", what, (), figures, tuple(alongside), alone)


def _introduce(keys: Path, home: Home, codes: Sequence[str], stalled: str, port: int) -> None:
    keys.mkdir()
    host_key = make_key_pair(keys / "host_key").line
    outgoing, incoming = permitted(SiteKind.DWP, SiteKind.LA)
    with ThreadPoolExecutor(4) as threads:
        certificates = list(threads.map(lambda code: _certificate(keys / code, code), codes))
    store = stores.key_store(home.keyrings)
    for code, armoured in zip(codes, certificates, strict=True):
        fingerprint = store.pin(code, armoured).fingerprint
        make(partner_directories(home, code, outgoing, incoming))
        endpoint = EndpointSettings(host="127.0.0.1", port=port, user="gateway", host_key=host_key)
        partner = Partner(
            code=code,
            name=f"Authority {code}",
            fingerprint=fingerprint,
            link="push" if code == stalled else "none",
            ssh_key=make_key_pair(keys / f"{code}.ssh").line,
            endpoint=endpoint if code == stalled else None,
        )
        write_partner(home, partner)


def _certificate(keyrings: Path, code: str) -> str:
    store = stores.key_store(keyrings)
    store.create_own(f"Authority {code} <gateway@{code.lower()}.example.test>", 30)
    return store.export_own()


@contextmanager
def _silent_port() -> Iterator[int]:
    """A port that connects and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])


def _drop_heap(ground: Ground, site: DemoSite, code: str, count: int) -> None:
    with ground.files(partial(claims_for, code, count, ground.next_seed(), ground.today)) as files:
        for staged, target in [_stage(site, code, file) for file in files]:
            staged.rename(target)


def _latencies(ground: Ground, site: DemoSite, codes: Sequence[str], count: int) -> list[float]:
    """Seconds from the drop of single files, each to another partner, until something sealed lies there for it."""
    drawn = random.Random(ground.next_seed())
    seconds = []
    for _ in range(count):
        code = drawn.choice(codes)
        directory = site.home.landing_out(code)
        with ground.files(partial(claims_for, code, 1, ground.next_seed(), ground.today)) as files:
            staged, target = _stage(site, code, files[0])
        before = set(directory.iterdir())
        started = time.monotonic()
        staged.rename(target)
        while not any(path.suffix == ".pgp" for path in set(directory.iterdir()) - before):
            if time.monotonic() > started + _TIMEOUT:
                raise BenchVoid(f"a single file to {code} was not sent within {_TIMEOUT:.0f} s")
            time.sleep(0.002)
        seconds.append(time.monotonic() - started)
        time.sleep(_PAUSE)
    return seconds


def _stage(site: DemoSite, code: str, file: BenchFile) -> tuple[Path, Path]:
    staged = site.home.root / "staged" / file.name
    staged.parent.mkdir(exist_ok=True)
    file.path.rename(staged)
    return staged, site.home.outbound / file.flow / code / file.name
