"""The workload about looking: pages of the console beside a ledger of a million transfers, and beside an empty one.

Each page is asked for by somebody alone; then by fifty people at once, each with a session of their own and a page that listens for news: first
by people who read each page for a second, half of it or half as much again, then by people who do not read at all and ask for the next page at once.
The clock runs from the request until the whole page is here, over a connection that is kept. What the console and the fifty browsers take of the
processor is told apart. BenchVoid where a page is refused or fails.
"""

from __future__ import annotations

import http.client
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.administration.credentials.context import CredentialContext, credentials, digest_of
from gateway.administration.credentials.rows import Credential, StoredSession
from gateway.administration.people import roster
from gateway.bench.contract import BenchVoid
from gateway.bench.files import AUTHORITY, DWP
from gateway.bench.ground import Ground
from gateway.bench.outcome import Figure, WorkloadResult, quantile
from gateway.bench.past import Past, write_sent
from gateway.bench.processor_time import Account
from gateway.demo.sites import free_ports, gateway
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.logs import configure
from gateway.settings.home import Home
from gateway.settings.read import load

PAGES: Final = (
    "/",
    "/transfers",
    "/transfers?sort=name",
    "/transfers?state=rejected",
    "/transfers?direction=in",
    f"/transfers?partner={AUTHORITY}&flow=claim&state=receipted",
    "/transfers?after=1000",
    "/waiting",
    "/quarantine",
    "/requests",
    "/partners",
    "/back-office",
    "/calendar",
    "/referrals",
    "/enquiries",
    "/find?q=019a",
    "/find?q=past",
    "/checks",
    "/help",
)
_PEOPLE: Final = 50
_READING_SECONDS: Final = 1.0
"""For how long people who read look at a page, on average."""
_START_SECONDS: Final = 60.0


@dataclass(frozen=True)
class _Crowd:
    """What many people at once waited for each page, and for how long they asked, in seconds; and what the console and the people's browsers took of
    the processor meanwhile.
    """

    waits: list[float]
    elapsed: float
    console: float
    browsers: float

    def figures(self, who: str) -> Iterator[Figure]:
        yield Figure(f"{who}: pages", len(self.waits) / self.elapsed, "pages/s")
        yield Figure(f"{who}: a page, median", quantile(self.waits, 0.5) * 1000.0, "ms")
        yield Figure(f"{who}: a page, 95th percentile", quantile(self.waits, 0.95) * 1000.0, "ms")
        yield Figure(f"{who}: a page, longest", max(self.waits) * 1000.0, "ms")
        yield Figure(f"{who}: processor time of the console, a page", self.console / len(self.waits) * 1000.0, "ms")
        yield Figure(f"{who}: processor time of all browsers, a page", self.browsers / len(self.waits) * 1000.0, "ms")


class _Browser:
    """Somebody who is signed in, over one connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._news = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"cookie": f"gateway-{DWP.lower()}={token}"}

    def seconds(self, path: str) -> float:
        """How long a page takes."""
        started = time.monotonic()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise BenchVoid(f"the console answered {path} with {answer.status}")
        return time.monotonic() - started

    def listen(self) -> None:
        """Wait for news, as an open page does beside whatever else is asked for."""
        self._news.request("GET", "/live", headers=self._headers)
        if self._news.getresponse().status != http.client.OK:
            raise BenchVoid("the console does not tell what happens")

    def close(self) -> None:
        self._news.close()
        self._connection.close()


def console(ground: Ground) -> WorkloadResult:
    """Pages among many transfers, by one person and by fifty."""
    count, rounds = (20_000, 3) if ground.quick else (1_000_000, 10)
    home = Home(ground.root / "console")
    gateway("init", home.root, "--site", DWP, "--name", "Department for Work and Pensions")
    (port,) = free_ports(1)
    before, section, after = home.gateway_toml.read_text(encoding="utf-8").partition("[console]\n")
    home.gateway_toml.write_text(f'{before}{section}listen = "127.0.0.1:{port}"\n{after}', encoding="utf-8")
    tokens = _sessions(home)
    ground.say("  pages beside an empty ledger")
    with _serving(home, port):
        empty, _ = _alone(port, tokens[0], rounds)
    ground.say(f"  writing {count:,} transfers")
    write_sent(Past(DWP, AUTHORITY, count, time.time() - 3600.0, ground.next_seed()), home)
    ground.say(f"  pages beside {count:,} transfers")
    with _serving(home, port) as console_pid:
        full, slowest = _alone(port, tokens[0], rounds)
        reading = _crowd(console_pid, port, tokens, rounds, _READING_SECONDS)
        hurried = _crowd(console_pid, port, tokens, rounds, 0.0)
    figures = (
        Figure("a page, median of all pages", quantile(full, 0.5) * 1000.0, "ms"),
        Figure("a page, 95th percentile of all pages", quantile(full, 0.95) * 1000.0, "ms"),
        Figure(f"the slowest page ({slowest[0]}), median", slowest[1] * 1000.0, "ms"),
        Figure("a page beside an empty ledger, median", quantile(empty, 0.5) * 1000.0, "ms"),
        *reading.figures(f"{_PEOPLE} people at once who read"),
        *hurried.figures(f"{_PEOPLE} people at once who do not"),
    )
    return WorkloadResult("console", f"{len(PAGES)} pages of the console beside {count:,} transfers", (), figures)


def _alone(port: int, token: str, rounds: int) -> tuple[list[float], tuple[str, float]]:
    """How long pages take for one person, and the page that takes longest with its median."""
    browser = _Browser(port, token)
    try:
        found = {path: [browser.seconds(path) for _ in range(rounds + 1)][1:] for path in PAGES}
    finally:
        browser.close()
    slowest = max(found, key=lambda path: quantile(found[path], 0.5))
    return [each for times in found.values() for each in times], (slowest, quantile(found[slowest], 0.5))


def _crowd(console: int, port: int, tokens: Sequence[str], rounds: int, reading: float) -> _Crowd:
    """Everybody at once: each asks for so many pages, and reads each for about so many seconds. `console` is the process that answers."""

    def ask(at: int, token: str) -> list[float]:
        browser, chance = _Browser(port, token), random.Random(at)
        found = []
        try:
            browser.listen()
            for turn in range(rounds):
                time.sleep(reading * chance.uniform(0.5, 1.5))
                found.append(browser.seconds(PAGES[(at + turn) % len(PAGES)]))
        finally:
            browser.close()
        return found

    started, took, own = time.monotonic(), _processor(console), time.process_time()
    with ThreadPoolExecutor(len(tokens)) as threads:
        found = list(threads.map(ask, range(len(tokens)), tokens))
    return _Crowd(
        [each for times in found for each in times],
        time.monotonic() - started,
        _processor(console) - took,
        time.process_time() - own,
    )


def _processor(process: int) -> float:
    """Seconds of the processor that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    account = Account.from_stat(fields)
    return account.user + account.system


def _sessions(home: Home) -> list[str]:
    """The sessions of fifty supervisors, written down as signing in would: that is not what is measured."""
    settings = load(home)
    log = configure(settings.site.code, "bench", stream=sys.stderr.buffer, format="json", level="error")
    with credentials(settings, log, time.time) as context:
        return [_session(context, f"bench{number}") for number in range(_PEOPLE)]


def _session(context: CredentialContext, user: str) -> str:
    day, now = "2026-01-05", context.clock()
    details = roster.Details("Bench", "Bench", day, day)
    person = roster.add(context.ledger, user, [PersonRole.SUPERVISOR], details, Decision("bench", "to be measured"))
    token = context.token()
    with context.store.write() as records:
        records.keep_credential(Credential(user, "", now, "", 0))
        records.start_session(StoredSession(digest_of(token), user, person.changes, now, now))
    return token


@contextmanager
def _serving(home: Home, port: int) -> Iterator[int]:
    """The console, at work: the number of its process."""
    command = [sys.executable, "-P", "-m", "gateway", "--home", str(home.root), "console"]
    with (home.root / "console.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchVoid("the console did not start")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
