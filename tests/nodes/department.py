"""The Department's nodes in a sweep: whole gateways (`gateway run`, all roles), each with its own HOME and its own ways to database and store.

What several machines would share by a mount lies in one directory, and each node reaches it by a link of its own, which can be turned to nowhere.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg

from gateway.administration.site.creation import SiteSpec, create_site
from gateway.demo.sites import free_ports
from gateway.settings.home import Home
from gateway.settings.shared_place import shared_directories
from tests.nodes.authorities import DWP, configured
from tests.nodes.database import Database

NAMES: Final = ("north", "south", "west")
LEASE: Final = 5.0
FAST_RETRIES: Final[dict[str, object]] = {"retry_base_seconds": 0.2, "retry_cap_seconds": 2.0}
_MARK: Final = "GATEWAY_SWEEP_NODE"
_CLOCK_AHEAD: Final = Path(__file__).with_name("clock_ahead")


class Node:
    """One node and, while it runs, its processes."""

    def __init__(self, name: str, home: Home, port: int, ahead: float) -> None:
        self.name, self.home, self.port = name, home, port
        self.ahead = ahead
        """Seconds by which its clock is ahead."""
        self.standing_still = False
        self.log = home.root.parent / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def mount(self) -> Path:
        return self.home.root.parent / "mounts" / self.name

    def start(self) -> None:
        paths = os.pathsep.join(filter(None, [str(_CLOCK_AHEAD), os.environ.get("PYTHONPATH", "")]))
        clock = {"PYTHONPATH": paths, "GATEWAY_SWEEP_AHEAD": str(self.ahead)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gateway", "--home", str(self.home.root), "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, _MARK: str(self.home.root), **(clock if self.ahead else {})},
            )

    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def processes(self) -> set[int]:
        """All that the node's machine would take with it: its supervisor, what that began, and agents that parted from it. Known by its HOME, since
        another sweep beside this one has nodes of the same names.
        """
        parents: dict[int, int] = {}
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    pid = int(entry.name)
                    parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    environment = (entry / "environ").read_bytes().split(b"\0")
                    words = (entry / "cmdline").read_bytes()
                    if f"{_MARK}={self.home.root}".encode() in environment or f"{self.home.root}/".encode() in words:
                        found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
            found |= more
        return found - {os.getpid()}

    def _signal(self, number: int) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """As by a power cut: nothing of it has a word in it."""
        self.stand_still()
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self.standing_still = False

    def stand_still(self) -> None:
        self.standing_still = True
        before: set[int] = set()
        while (there := self.processes()) != before:
            before = there
            self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)
        self.standing_still = False

    def lose_store(self) -> None:
        """The shared directories are gone, as a mount that is away."""
        _turn(self.mount, self.mount.parent / "nowhere")

    def find_store(self) -> None:
        _turn(self.mount, self.home.root.parent)

    def end(self) -> int:
        """SIGTERM; its exit status."""
        if self._process is None:
            return 0
        self.go_on()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not stop") from None
        finally:
            self._signal(signal.SIGKILL)


def _gateway(node: Node, *words: str | Path) -> str:
    """What a command says at that node."""
    command = [sys.executable, "-P", "-m", "gateway", "--home", str(node.home.root), *map(str, words)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def _turn(link: Path, target: Path) -> None:
    new = link.with_name(f".{link.name}")
    new.symlink_to(target)
    new.replace(link)


class Department:
    """The site: its nodes and what they share, below `root`."""

    def __init__(
        self,
        root: Path,
        database: Database,
        names: Sequence[str] = NAMES,
        *,
        clocks_apart: bool = False,
        lease: float = LEASE,
    ) -> None:
        self.lease = lease
        self.root, self.database = root, database
        root.mkdir()
        self.tables: dict[str, dict[str, object]] = {}
        """Settings that all nodes have besides."""
        self.shared, self.store = root / "shared", root / "store"
        ports = free_ports(len(names))
        aheads = [120.0 * number if clocks_apart else 0.0 for number in range(len(names))]
        homes = [Home(root / name) for name in names]
        self.nodes = [Node(*each) for each in zip(names, homes, ports, aheads, strict=True)]
        self.first = homes[0]
        create_site(self.first.root, SiteSpec(DWP, "Department", "127.0.0.1", ports[0], 30, ledger=database.url))

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.nodes]

    def share(self) -> None:
        """Make the other nodes of the first one, which knows its partners by now, by the commands for that."""
        self.shared.mkdir()
        (self.root / "mounts").mkdir()
        self.store.mkdir(mode=0o700)
        for node in self.nodes:
            # On one machine what is shared is no mount that could be away at one node alone; so each has a way of its own there.
            node.mount.symlink_to(self.root)
        first, *others = self.nodes
        configured(first.home, self._tables(first))
        _gateway(first, "nodes", "store")
        _gateway(first, "nodes", "share", self.shared)
        package = self.root / "node.pgp"
        passphrase = self.root / "passphrase"
        passphrase.write_text(_gateway(first, "nodes", "package", "--to", package), encoding="ascii")
        for node in others:
            where = ("--sftp", f"127.0.0.1:{node.port}", "--passphrase-file", passphrase)
            _gateway(node, "nodes", "join", package, "--node", node.name, *where)
            configured(node.home, self._tables(node))
        for node in self.nodes:
            for path in shared_directories(node.home):
                path.unlink()
                path.symlink_to(node.mount / self.shared.name / path.name)

    def _tables(self, node: Node) -> dict[str, dict[str, object]]:
        tables: dict[str, dict[str, object]] = {
            "node": {"name": node.name, "lease_seconds": self.lease, "heartbeat_seconds": self.lease / 7},
            "ledger": {"url": self.database.url_for(node.name)},
            "sftp_server": {"port": node.port},
            "link": FAST_RETRIES,
            "daemon": {"rescan_seconds": 1.0, "workers": 1},
        }
        tables["payloads"] = {"url": f"file://{node.mount}/store"}
        return tables | self.tables

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def end(self) -> None:
        """Stop all; AssertionError where one of them does not stop as it should."""
        for node in self.nodes:
            node.find_store()
            status = node.end()
            assert status == 0, f"{node.name} ended with {status}: {node.log.read_text(errors='replace')[-2000:]}"

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database.url) as connection:
            return connection.execute(query, values).fetchall()

    def drop(self, node: Node, flow: str, partner: str, name: str, content: bytes) -> None:
        drop(node.home, flow, partner, name, content)

    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node.lives() and not node.standing_still]

    def told(self) -> Iterator[str]:
        """Lines of the nodes' logs that a person would look at."""
        for node in self.nodes:
            for line in node.log.read_text(errors="replace").splitlines():
                if '"error"' in line or '"critical"' in line or not line.startswith("{"):
                    yield f"{node.name}: {line[:400]}"


def drop(home: Home, flow: str, partner: str, name: str, content: bytes) -> None:
    """As a careful program drops a file."""
    directory = home.outbound / flow / partner
    hidden = directory / f".{name}.part"
    hidden.write_bytes(content)
    hidden.rename(directory / name)


def owners(department: Department) -> Mapping[str, str]:
    """Which node has each lane; those of nodes that are not seen any more are left out."""
    found = department.rows(
        "SELECT partner, node FROM lane_owners JOIN nodes ON nodes.name = node"
        " WHERE seen + lease > extract(epoch FROM clock_timestamp())"
    )
    return {str(partner): str(node) for partner, node in found}


def wait_until(condition: object, seconds: float, what: str) -> float:
    """Poll; how long it took. AssertionError after the time."""
    began = time.monotonic()
    while not condition():  # type: ignore[operator]
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began
