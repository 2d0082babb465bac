"""The demonstration's sites: made, introduced to each other, started and stopped through the command line itself.

Raises DemoFailed with a command's own words where one fails. Every process that is started here is ended here, by its
id, unless the sites are to stay running.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.errors import GatewayError
from gateway.settings.home import Home
from gateway.stages.itinerary import Role

DWP: Final = "DWP"
SITES: Final = (
    (DWP, "Department for Work and Pensions"),
    ("E08000004", "Oldham"),
    ("E09000030", "Tower Hamlets"),
)
AUTHORITIES: Final = tuple(code for code, _ in SITES if code != DWP)


class DemoFailed(GatewayError):
    """The demonstration could not be set up."""

    code = "demo"
    exit_status = 70
    remedy = "Read the message; `gateway doctor` in the site's directory says what is missing on this machine."


@dataclass(frozen=True)
class DemoSite:
    """One site of the demonstration, and the process of its daemon."""

    code: str
    home: Home
    daemon: subprocess.Popen[bytes] | None = None
    log_before: int = 0
    """Bytes that its log had before this daemon."""

    @property
    def log(self) -> Path:
        return self.home.root / "gateway.log"


def gateway(*arguments: str | Path, home: Path | None = None) -> str:
    """Run a command of the gateway and return what it printed; DemoFailed with its words where it fails."""
    command = [sys.executable, "-P", "-m", "gateway", *(["--home", str(home)] if home else []), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise DemoFailed(f"`gateway {arguments[0]}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def make_sites(
    root: Path,
    sites: Sequence[tuple[str, str]] = SITES,
    ledgers: Mapping[str, str] = MappingProxyType({}),
    prepare: Callable[[Sequence[Home]], None] = lambda _homes: None,
) -> list[DemoSite]:
    """Complete sites below `root`, introduced to each other; each is given by its code and its name. `ledgers` are URLs of those that have
    theirs in PostgreSQL. `prepare` is called with what was made, before any card is.
    """
    root.mkdir(parents=True, exist_ok=True)
    ports = free_ports(len(sites))
    homes = [Home(root / code) for code, _ in sites]
    with ThreadPoolExecutor(len(sites)) as threads:
        list(threads.map(lambda home, site, port: _init(home, site, port, ledgers.get(site[0])), homes, sites, ports))
        prepare(homes)
        cards = dict(zip([code for code, _ in sites], threads.map(_card, homes), strict=True))
        list(threads.map(lambda home: _introduce(home, cards), homes))
    return [DemoSite(code, home) for (code, _), home in zip(sites, homes, strict=True)]


def start(sites: Sequence[DemoSite]) -> list[DemoSite]:
    """Start the daemon of each site, its log going to HOME/gateway.log."""
    started = []
    for site in sites:
        with site.log.open("ab") as log:
            before = log.tell()
            daemon = subprocess.Popen(
                [sys.executable, "-P", "-m", "gateway", "--home", str(site.home.root), "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(DemoSite(site.code, site.home, daemon, before))
    return started


def wait_until_ready(sites: Sequence[DemoSite], seconds: float = 60.0) -> None:
    """Wait until every role of every site has said that it works: from then on a rename into place is noticed at once."""
    deadline = time.monotonic() + seconds
    for site in sites:
        while site.log.read_bytes()[site.log_before :].count(b"role.started") < len(Role):
            check_alive([site])
            if time.monotonic() > deadline:
                raise DemoFailed(f"the gateway of {site.code} did not start within {seconds:.0f} s")
            time.sleep(0.02)


def stop(sites: Sequence[DemoSite], seconds: float = 15.0) -> None:
    """End the daemons: asked first, then by force."""
    daemons = [site.daemon for site in sites if site.daemon is not None]
    for daemon in daemons:
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + seconds
    for daemon in daemons:
        try:
            daemon.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def check_alive(sites: Sequence[DemoSite]) -> None:
    """DemoFailed where a daemon has ended by itself, with the end of its log."""
    for site in sites:
        if site.daemon is not None and site.daemon.poll() is not None:
            tail = site.log.read_text(errors="replace")[-600:]
            raise DemoFailed(f"the gateway of {site.code} ended with {site.daemon.returncode}: {tail}")


def _init(home: Home, site: tuple[str, str], port: int, ledger: str | None) -> None:
    code, name = site
    where = () if ledger is None else ("--ledger", ledger)
    gateway("init", home.root, "--site", code, "--name", name, "--sftp", f"127.0.0.1:{port}", *where)


def _card(home: Home) -> str:
    return gateway("card", home=home.root)


def _introduce(home: Home, cards: dict[str, str]) -> None:
    """Everybody to everybody; the fingerprint comes from the other's own card, as by telephone."""
    own = home.root.name
    for code, card in cards.items():
        if code != own:
            path = home.root / f"{code}.card.json"
            path.write_text(card, encoding="utf-8")
            fingerprint = json.loads(card)["fingerprint"]
            gateway("partner", "add", path, "--fingerprint", fingerprint, home=home.root)


def free_ports(count: int) -> list[int]:
    """So many ports of this machine at which nobody listens now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
