"""Whole sites for tests: made, introduced, run and looked at through the command line, as a person would."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from gateway.daemon.lock import holder
from gateway.ledger.queries import overview
from gateway.ledger.store import Ledger
from gateway.sample.claim import claim_sampler
from gateway.settings.home import Home
from tests.acceptance.forked import Process, command, daemon
from tests.acceptance.moulds import MOULDS, copy_sites

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def wait_until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "it") -> Any:
    """Poll until `condition` gives something true, and return that; AssertionError after the time."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """One site and, while it runs, its daemon."""

    def __init__(self, root: Path, code: str, port: int) -> None:
        self.home = Home(root)
        self.code = code
        self.port = port
        self.daemon: subprocess.Popen[bytes] | Process | None = None
        self.log = root.parent / f"{code}.log"

    def gateway(self, *arguments: str | Path, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the gateway at this site."""
        done = command("--home", self.home.root, *arguments, env=ENVIRONMENT, stdin=stdin)
        if check:
            assert done.returncode == 0, f"gateway {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.gateway(*arguments, "--json").stdout)

    # -- the daemon

    def start(self, *arguments: str, by_exec: bool = False) -> None:
        """Start `gateway run`, and wait until all its roles hold their locks. `by_exec`: as a new interpreter."""
        assert self.daemon is None
        run = ["--home", str(self.home.root), "run", *arguments]
        with self.log.open("ab") as log:
            if by_exec:
                command = [sys.executable, "-P", "-m", "gateway", *run]
                self.daemon = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT
                )
            else:
                self.daemon = daemon(*run, env=ENVIRONMENT, log=log)
        if not arguments:
            roles = ("inspect", "vault", "link")
            wait_until(lambda: all(map(self.role, roles)) or self._ended(), 90, "the start of the roles")

    def _ended(self) -> bool:
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            raise AssertionError(f"the gateway ended with {self.daemon.returncode}:\n{self.log_text()[-3000:]}")
        return False

    def role(self, role: str) -> int | None:
        """The process of a role, None while it does not run."""
        return holder(self.home.run, role)

    def kill(self, role: str) -> None:
        """kill -9 of one role's process."""
        pid = wait_until(lambda: self.role(role), 30, f"a process of {role}")
        os.kill(pid, signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        """End the daemon and return its exit status."""
        daemon, self.daemon = self.daemon, None
        if daemon is None:
            return 0
        if daemon.poll() is None:
            daemon.send_signal(number)
        try:
            return daemon.wait(seconds)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
            raise AssertionError(f"{self.code} did not stop within {seconds} s") from None

    def run_until_idle(self, seconds: float = 60.0) -> None:
        """`gateway run --until-idle`, to its end."""
        self.start("--until-idle")
        assert self.daemon is not None
        daemon, self.daemon = self.daemon, None
        try:
            assert daemon.wait(seconds) == 0, self.log_text()[-3000:]
        finally:
            if daemon.poll() is None:
                daemon.terminate()
                daemon.wait()

    # -- what operators do and see

    def drop(self, flow: str, partner: str, name: str, content: bytes) -> Path:
        """Put a file in the spool by a rename into place."""
        directory = self.home.outbound / flow / partner
        hidden = directory / f".{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        hidden.write_bytes(content)
        return hidden.rename(directory / name)

    def transfers(self, **wanted: str) -> list[dict[str, Any]]:
        """The rows of `transfers --json` that have all the given values."""
        rows = self.json("transfers")
        return [row for row in rows if all(row[key] == value for key, value in wanted.items())]

    def rows(self) -> list[dict[str, Any]]:
        """The transfers as they stand in the ledger: for waiting, since starting a command takes half a second."""
        ledger = Ledger(self.home.ledger, clock=time.time, role="test")
        try:
            with ledger.read() as connection:
                return [row._asdict() for row in overview.transfers(connection)]
        finally:
            ledger.close()

    def _has(self, *wanted: str) -> bool:
        """Whether a transfer of that name, direction and state is in the ledger: for looking often."""
        query = "SELECT 1 FROM transfers WHERE name = ? AND direction = ? AND state = ?"
        with closing(sqlite3.connect(f"file:{self.home.ledger}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, wanted).fetchone() is not None

    def wait_for(self, name: str, state: str, seconds: float = 40.0, direction: str = "out") -> dict[str, Any]:
        """The transfer of that name, once it is in that state."""

        def look() -> dict[str, Any] | None:
            if not self._has(name, direction, state):
                return None
            found = [row for row in self.rows() if row["name"] == name and row["direction"] == direction]
            return next((row for row in found if row["state"] == state), None)

        try:
            found = wait_until(look, seconds, f"{name} {state}")
        except AssertionError as error:
            rows = self.transfers(name=name)
            raise AssertionError(f"{error}\n{rows}\n{self.log_text()[-4000:]}") from None
        assert isinstance(found, dict)
        return found

    def inbound(self, flow: str, partner: str) -> dict[str, bytes]:
        """The delivered files, by name."""
        directory = self.home.inbound / flow / partner
        return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.startswith(".")}

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The log's lines, or those of one event."""
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if name in (None, line["event"])]

    def share_files(self, directory: Path) -> None:
        """Have the site's files kept in a directory too, as several nodes need it."""
        directory.mkdir(mode=0o700)
        self.edit_config("payloads", url=f"file://{directory}")
        self.gateway("nodes", "store")

    def edit_config(self, table: str, **values: object) -> None:
        """Set values in a table of gateway.toml; the daemon reads them at its next start or reload."""
        text = self.home.gateway_toml.read_text(encoding="utf-8")
        lines = text.splitlines()
        added = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        header = f"[{table}]"
        if header in lines:
            at = lines.index(header) + 1
            end = next((number for number in range(at, len(lines)) if lines[number].startswith("[")), len(lines))
            lines[at:end] = [*added, *(line for line in lines[at:end] if line.partition(" =")[0] not in values)]
        else:
            lines += ["", header, *added]
        self.home.gateway_toml.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_site(root: Path, code: str) -> Site:
    """A site that knows nobody: a copy of the one of that code that this run created."""
    site = Site(root / code, code, free_port())
    created = MOULDS.create(code, lambda directory: _create(Site(directory / code, code, free_port())))
    if created is None:
        _create(site)
    else:
        copy_sites(created, root, {code: site.port})
    return site


def _create(site: Site) -> None:
    where = f"127.0.0.1:{site.port}"
    done = command("init", site.home.root, "--site", site.code, "--sftp", where, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    # Each reader takes a fifth of a second of processor time at a site's start.
    site.edit_config("daemon", workers=1)


def introduce(site: Site, other: Site, *arguments: str) -> None:
    """Make `other` a partner of `site`, its fingerprint as from a telephone call."""
    card = site.home.root.parent / f"{other.code}.card.json"
    card.write_text(other.gateway("card").stdout, encoding="utf-8")
    fingerprint = json.loads(card.read_text())["fingerprint"]
    site.gateway("partner", "add", card, "--fingerprint", fingerprint, *arguments)


@contextmanager
def two_sites(root: Path, la: str = "E09000030") -> Iterator[tuple[Site, Site]]:
    """DWP and an authority that know each other; not started, and stopped at the end if they run."""
    created = created_pair(la)
    sites = (Site(root / "DWP", "DWP", free_port()), Site(root / la, la, free_port()))
    copy_sites(created, root, {site.code: site.port for site in sites})
    try:
        yield sites
    finally:
        for site in sites:
            site.stop()


@contextmanager
def running_sites(root: Path, *codes: str) -> Iterator[list[Site]]:
    """DWP and authorities of which each knows every other, running; stopped at the end."""
    with ThreadPoolExecutor() as threads:
        sites = list(threads.map(partial(make_site, root), codes))
        for step in range(1, len(sites)):  # each writes the card of one other
            list(threads.map(introduce, sites, sites[step:] + sites[:step]))
        try:
            for site in sites:
                site.start()
            yield sites
        finally:
            list(threads.map(Site.stop, sites))


def created_pair(la: str = "E09000030") -> Path:
    """Where DWP and an authority lie that know each other and have never run: made by whichever process comes first."""

    def make(directory: Path) -> None:
        dwp, authority = make_site(directory, "DWP"), make_site(directory, la)
        introduce(dwp, authority)
        introduce(authority, dwp)

    created = MOULDS.create(f"DWP-{la}", make)
    assert created is not None, "pairs are copied within a run of the tests"
    return created


def claim(index: int = 0, seed: int = 1, authority: str = "E09000030", defect: str | None = None) -> tuple[str, bytes]:
    """A made-up claim file: its name and its content."""
    sample = claim_sampler().make(
        sender="DWP",
        recipient=authority,
        index=index,
        random=random.Random(f"{seed}/{index}/{defect}"),
        today=date(2026, 11, 22),
        defect=defect,
    )
    return sample.name, sample.content
