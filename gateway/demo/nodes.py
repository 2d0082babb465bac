"""The demonstration of several nodes: the Department on three machines, of which one is lost in the middle of the work.

The machines are directories, each with a whole gateway; what they share is a PostgreSQL server and a directory. A second and a third node are made
by the commands that a sysadmin would give. A file is dropped at one of the nodes, a node is killed with all of its processes, and started again
once others have its partners. Raises DemoFailed where a command fails or no node takes over, ServerMissing without PostgreSQL.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.administration.access import reading
from gateway.demo import consoles, postgresql
from gateway.demo.performance import Audit, audited
from gateway.demo.play import Result, Watch, play
from gateway.demo.script import Act, Ending, acts
from gateway.demo.sites import (
    DWP,
    SITES,
    DemoFailed,
    DemoSite,
    check_alive,
    free_ports,
    gateway,
    make_sites,
    start,
    wait_until_ready,
)
from gateway.domain.ownership import SITE, living
from gateway.ledger import nodes
from gateway.sample.catalog import samplers
from gateway.settings.home import Home
from gateway.settings.read import load
from gateway.settings.write import Value, change
from gateway.spool.exception_lists import ENDING as EXCEPTIONS
from gateway.storage.digest import file_digest

NAMES: Final = ("north", "south", "west", "east", "centre")
_LEASE: Final = 5
_BEGUN: Final = 0.2
"""Part of the files that are at their end when the node is killed: the others are on their way."""
_LOOK_EVERY: Final = 0.1
_MOVED_SECONDS: Final = 60.0


@dataclass(frozen=True)
class LostNode:
    """The node that was killed: after how many files had come to their end, who has its lanes now (`.site` is the site's own work), and after how many
    seconds all of them had another node.
    """

    node: str
    processes: int
    files_at_their_end: int
    lanes: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class NodesShown:
    """What became of every file: the contract of `demo --nodes --json`. `doubled` and `missing` are files before a back office, by name."""

    nodes: tuple[str, ...]
    files: tuple[Result, ...]
    seconds: float
    lost: LostNode
    doubled: tuple[str, ...]
    missing: tuple[str, ...]
    audit: tuple[Audit, ...]
    ok: bool

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class NodesDemo:
    """The Department's nodes, the authorities, and the server that runs for them."""

    server: postgresql.Server
    nodes: dict[str, DemoSite]
    authorities: list[DemoSite]
    shared: Path
    _dropped: dict[bytes, DemoSite] = field(default_factory=dict)

    @property
    def sites(self) -> list[DemoSite]:
        """Every gateway."""
        return [*self.nodes.values(), *self.authorities]

    def begin(self) -> None:
        """Start all of them, and wait until each works."""
        started = start(self.sites)
        for name, site in zip(self.nodes, started, strict=False):
            self.nodes[name] = site
        self.authorities = started[len(self.nodes) :]
        wait_until_ready(self.sites)
        self._until(lambda owners: {*self.nodes} <= {*owners.values()} or len(owners) > len(self.authorities))

    def somewhere(self, act: Act) -> DemoSite:
        """Where a file is dropped: the Department's at its nodes in turn, and the same bytes where they went before."""
        if act.sender != DWP:
            return next(site for site in self.authorities if site.code == act.sender)
        turn = len(self._dropped) % len(self.nodes)
        return self._dropped.setdefault(act.sample.content, [*self.nodes.values()][turn])

    def owners(self) -> dict[str, str]:
        """Which node that is there works on which lane."""
        with reading(load(next(iter(self.nodes.values())).home)) as connection:
            site = nodes.read(connection)
        there = living(site.standing(), site.now)
        return {lane: owner.node for lane, owner in site.owners().items() if owner.node in there}

    def lose(self, ended: int) -> LostNode:
        """Kill -9 of the node that works with the first authority, and wait until others have all that was its."""
        before = self.owners()
        name = before.get(self.authorities[0].code, next(iter(self.nodes)))
        daemon = self.nodes[name].daemon
        if daemon is None:
            raise DemoFailed(f"{name} does not run")
        family = [daemon.pid, *_below(daemon.pid)]
        killed = time.monotonic()
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        daemon.wait()
        lanes = {lane for lane, owner in before.items() if owner == name}
        after = self._until(lambda owners: lanes <= owners.keys() and name not in owners.values())
        seconds = round(time.monotonic() - killed, 1)
        self.nodes[name] = replace(self.nodes[name], daemon=None)
        return LostNode(name, len(family), ended, {lane: after[lane] for lane in sorted(lanes)}, seconds)

    def bring_back(self, name: str) -> None:
        (self.nodes[name],) = start([self.nodes[name]])

    def settle(self) -> str:
        """Wait until every node is there and one serves the console; its name."""
        deadline = time.monotonic() + _MOVED_SECONDS
        while True:
            check_alive(self.sites)
            with reading(load(next(iter(self.nodes.values())).home)) as connection:
                site = nodes.read(connection)
            console = site.console()
            if console is not None and {*self.nodes} == {*living(site.standing(), site.now)}:
                return console.name
            if time.monotonic() > deadline:
                raise DemoFailed(f"after {_MOVED_SECONDS:.0f} s not every node is there, or none serves the console")
            time.sleep(_LOOK_EVERY)

    def _until(self, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        deadline = time.monotonic() + _MOVED_SECONDS
        while not holds(owners := self.owners()):
            if time.monotonic() > deadline:
                raise DemoFailed(f"after {_MOVED_SECONDS:.0f} s the nodes have these lanes: {owners}")
            time.sleep(_LOOK_EVERY)
        return owners


@contextmanager
def database(*, stays: bool) -> Iterator[postgresql.Server]:
    """A server for the demonstration, gone at its end unless it `stays` beyond it."""
    postgresql.require()
    root, kept = Path(tempfile.mkdtemp(prefix="gateway-demo-pg-")), False
    try:
        server = postgresql.Server(root, durable=True, stays=stays)
        server.start()
        try:
            yield server
            kept = stays
        finally:
            if not kept:
                server.stop()
    finally:
        if not kept:
            shutil.rmtree(root)


def make(root: Path, server: postgresql.Server, count: int, *, with_consoles: bool = False) -> NodesDemo:
    """The Department with so many nodes, and the authorities; nothing runs yet. `with_consoles`: each site has one."""
    ports, shared, store = free_ports(count), root / "shared", root / "store"
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)

    def prepare(homes: Sequence[Home]) -> None:
        for directory in (shared, store):
            directory.mkdir(mode=0o700)
        tables: dict[str, dict[str, Value]] = {
            "payloads": {"url": f"file://{store}"},
            "node": {"name": NAMES[0], "lease_seconds": _LEASE, "heartbeat_seconds": 1},
            "sftp_server": {"port": ports[0], "addresses": addresses},
        }
        text = homes[0].gateway_toml.read_text(encoding="utf-8")
        for table, values in tables.items():
            text = change(text, table, values)
        homes[0].gateway_toml.write_text(text, encoding="utf-8")

    first, *authorities = made_sites = make_sites(root, SITES, {DWP: server.url}, prepare)
    if with_consoles:
        consoles.prepare(made_sites)
    gateway("nodes", "store", home=first.home.root)
    gateway("nodes", "share", shared, home=first.home.root)
    package, passphrase = root / "second-node.pgp", root / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text(gateway("nodes", "package", "--to", package, home=first.home.root), encoding="ascii")
    made = {NAMES[0]: first}
    for name, port in list(zip(NAMES, ports, strict=False))[1:count]:
        home = Home(root / f"{DWP}-{name}")
        order = ("nodes", "join", package, "--node", name, "--sftp", f"127.0.0.1:{port}")
        gateway(*order, "--passphrase-file", passphrase, home=home.root)
        made[name] = DemoSite(DWP, home)
    package.unlink()
    passphrase.unlink()
    return NodesDemo(server, made, authorities, shared)


def perform(demo: NodesDemo, timeout: float, watch: Watch, say: Callable[[str], None]) -> NodesShown:
    """Drop the files, lose a node while they are on their way, bring it back, and judge how all came out."""
    script = list(acts(samplers(), datetime.now(UTC).date()))
    lost: list[LostNode] = []
    say(f"dropping {len(script)} files, the Department's at its nodes in turn")
    started = time.monotonic()
    with watch(len(script)) as progress:

        def looking_on(done: int, total: int) -> None:
            progress(done, total)
            check_alive(demo.sites)
            if not lost and done >= total * _BEGUN:
                lost.append(demo.lose(done))
                say(_told(lost[0]))
                demo.bring_back(lost[0].node)

        ends = [DemoSite(DWP, next(iter(demo.nodes.values())).home), *demo.authorities]
        results = play(script, ends, looking_on, timeout, demo.somewhere)
    seconds = round(time.monotonic() - started, 1)
    doubled, missing = _compared(demo, script)
    audits = tuple(audited(demo.sites))
    if not lost:
        raise DemoFailed("all files were at their end before a node could be killed")
    fine = all(result.as_expected for result in results) and not doubled and not missing
    ok = fine and all(audit.ok for audit in audits)
    return NodesShown(tuple(demo.nodes), tuple(results), seconds, lost[0], doubled, missing, audits, ok)


def _told(lost: LostNode) -> str:
    moved = ", ".join(f"{'the site' if lane == SITE else lane} is with {node}" for lane, node in lost.lanes.items())
    return (
        f"kill -9 of {lost.node}, {lost.processes} processes, with {lost.files_at_their_end} files at their end: after {lost.seconds} s {moved or 'it had nothing'}."
        " It is started again."
    )


def _compared(demo: NodesDemo, script: Iterable[Act]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which files lie before a back office more often than they were sent, or less often; by their bytes."""
    names: dict[str, str] = {}
    wanted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    places = [demo.shared / "inbound", *(site.home.inbound for site in demo.authorities)]
    for path in (path for place in places for path in place.rglob("*") if path.is_file()):
        if not path.name.startswith((".", "README")) and not path.name.endswith((".triage.json", EXCEPTIONS)):
            digest = file_digest(path)
            found[digest] += 1
            names[digest] = path.name
    for act in script:
        if act.ending is not Ending.RETURNED:
            digest = hashlib.sha256(act.sample.content).hexdigest()
            wanted[digest] += 1
            names[digest] = act.name
    return tuple(sorted(names[each] for each in found - wanted)), tuple(sorted(names[each] for each in wanted - found))


def _below(pid: int) -> Iterator[int]:
    """The processes below one, as they are now."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text("ascii").split()):
                yield child
                yield from _below(child)
