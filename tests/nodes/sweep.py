"""Faults in an order that a seed draws, at three whole nodes with traffic both ways; what was tried, how long it took, and what was lost.

`running` has the site at work; `Sweep.go` tries the faults; `promises` holds what is there afterwards against what was dropped.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.ownership import SITE
from tests.nodes.authorities import introduce_all, make_authorities
from tests.nodes.database import Database, database
from tests.nodes.department import LEASE, NAMES, Department, Node, owners, wait_until
from tests.nodes.traffic import File, Traffic

PATIENCE: Final = 60.0
"""Seconds within which files go through again, whatever failed."""
_STARTING: Final = 90.0


def say(line: str) -> None:
    """What is tried, for whoever runs the test with `-s`."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Tried:
    """A fault: after how many seconds other nodes had all lanes (None where the fault is no node's), a wave of files dropped at the other nodes while it lasted was
    receipted, and what was under way when it began was receipted after it had ended.
    """

    fault: str
    node: str
    lanes: float | None
    beside: float
    after: float


class Sweep:
    """A site at work and the faults that it is put through."""

    def __init__(
        self, department: Department, traffic: Traffic, partners: Sequence[str], chance: random.Random
    ) -> None:
        self.department, self.traffic = department, traffic
        self._partners, self._chance = partners, chance
        self.tried: list[Tried] = []
        self.faults: Mapping[str, Callable[[Node], None]] = {
            "kill -9 of a node": self._kill,
            "SIGSTOP past the lease, then SIGCONT": self._stop,
            "cut from the database": self._cut,
            "the database does not answer a node": self._swallow,
            "cut from the store": self._lose_store,
            "kill -9 of PostgreSQL, and its start": self._restart,
            "the standby is promoted": self._promote,
        }

    def go(self, faults: Sequence[str], files: int) -> None:
        """Each fault hits some node, in the middle of work."""
        for fault in faults:
            node = self._chance.choice(self.department.nodes)
            self._lanes_have_nodes(None)
            before = self.traffic.wave(files, files // 3, self.department.nodes)
            time.sleep(self._chance.uniform(0.0, 1.5))
            self.faults[fault](node)
            after = self._receipted(before, f"what was under way when: {fault}")
            self.tried[-1] = Tried(**{**vars(self.tried[-1]), "after": after})
            say(_line(self.tried[-1]))

    def _during(self, fault: str, node: Node, lasting: float = 0.0) -> None:
        """The others take the node's lanes, and files go through. Until the node counts as gone, partners may still leave files there, which wait."""
        began = time.monotonic()
        others = [each for each in self.department.nodes if each is not node]
        lanes = self._lanes_have_nodes(node.name)
        time.sleep(max(0.0, began + self.department.lease - time.monotonic()))
        wave = self.traffic.wave(12, 6, others, past=node)
        self.tried.append(Tried(fault, node.name, lanes, self._receipted(wave, fault), 0.0))
        time.sleep(max(0.0, began + lasting - time.monotonic()))

    def _kill(self, node: Node) -> None:
        node.kill()
        self._during("kill -9", node)
        node.start()

    def _stop(self, node: Node) -> None:
        node.stand_still()
        self._during("SIGSTOP", node)
        node.go_on()

    def _cut(self, node: Node) -> None:
        ways = self.department.database.ways[node.name]
        for way in ways:
            way.cut()
        self._during("cut from the database", node)
        for way in ways:
            way.open()

    def _swallow(self, node: Node) -> None:
        ways = self.department.database.ways[node.name]
        for way in ways:
            way.swallow()
        self._during("no answer from the database", node)
        for way in ways:
            way.pass_on()

    def _lose_store(self, node: Node) -> None:
        """And from what is shared beside it, as where both lie on one mount."""
        node.lose_store()
        self._during("cut from the store", node)
        node.find_store()

    def _restart(self, _node: Node) -> None:
        self.department.database.restart(self._chance.uniform(1.0, 8.0))
        self._through("PostgreSQL killed and started")

    def _promote(self, _node: Node) -> None:
        self.department.database.promote()
        self._through("the standby promoted")

    def _through(self, fault: str) -> None:
        wave = self.traffic.wave(12, 6, self.department.nodes)
        self.tried.append(Tried(fault, "", None, self._receipted(wave, fault), 0.0))

    def _lanes_have_nodes(self, but: str | None) -> float:
        """Until all lanes have nodes that are there, but for one; how long that took."""

        def have() -> bool:
            found = owners(self.department)
            return set(found) >= {SITE, *self._partners} and but not in found.values()

        return wait_until(have, PATIENCE, f"all lanes with nodes that are there, but {but}")

    def _receipted(self, files: Sequence[File], what: str) -> float:
        left: list[File] = []

        def done() -> bool:
            left[:] = self.traffic.unreceipted(files)
            return not left

        try:
            return wait_until(done, PATIENCE, what)
        except AssertionError as error:
            names = [(file.partner, "out" if file.out else "in", file.name) for file in left]
            raise AssertionError(f"{error}: {len(left)} of {len(files)} files, {names[:5]}\n{self.where()}") from None

    def where(self) -> str:
        """Where everything stands, for whoever has to find out why."""
        count = "SELECT direction, state, code, count(*) FROM {} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        rows = {table: self.department.rows(count.format(table)) for table in ("transfers", "consignments", "receipts")}
        return "\n".join([*(f"{table}: {found}" for table, found in rows.items()), *list(self.department.told())[-20:]])


def _line(tried: Tried) -> str:
    lanes = "" if tried.lanes is None else f"its lanes had other nodes after {tried.lanes:.1f} s; "
    beside = "" if not tried.beside else f"files dropped meanwhile receipted after {tried.beside:.1f} s; "
    return f"{tried.fault} {tried.node}: {lanes}{beside}all from before receipted {tried.after:.1f} s after its end"


@contextmanager
def running(
    seed: int,
    count: int,
    *,
    names: Sequence[str] = NAMES,
    standby: bool = False,
    clocks_apart: bool = False,
    lease: float = LEASE,
) -> Iterator[Sweep]:
    """Three nodes and so many partners at work, and all gone at the end."""
    root = Path(tempfile.mkdtemp(prefix="gateway-sweep-"))
    keep = False
    try:
        with (
            database(standby=standby) as servers,
            _site(root, servers, seed, count, names, clocks_apart=clocks_apart, lease=lease) as made,
        ):
            keep = True
            yield made
            keep = False
    finally:
        if keep:
            say(f"What is left of it: {root}")
        else:
            shutil.rmtree(root)


@contextmanager
def _site(
    root: Path, servers: Database, seed: int, count: int, names: Sequence[str], *, clocks_apart: bool, lease: float
) -> Iterator[Sweep]:
    authorities, server = make_authorities(root / "authorities", count)
    department = Department(root / "department", servers, names, clocks_apart=clocks_apart, lease=lease)
    introduce_all(department.first, authorities, server, department.ports)
    department.share()
    department.start()
    command = [sys.executable, "-P", "-m", "tests.nodes.authorities", str(server.landing), *authorities]
    partners = subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment())
    try:
        assert partners.stdout is not None
        assert partners.stdout.readline(), "the authorities do not start"
        chance = random.Random(seed)
        sweep = Sweep(department, Traffic(department, authorities, chance), [*authorities], chance)
        wait_until(lambda: set(owners(department).values()) == {*names}, _STARTING, "each node with lanes")
        say(f"seed {seed}: {len(department.nodes)} nodes, {count} partners")
        yield sweep
    finally:
        for node in department.nodes:
            if node.lives():
                node.kill()
        partners.terminate()
        partners.wait(60)
        if partners.stdout is not None:
            partners.stdout.close()
        server.stop()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def verified(department: Department) -> None:
    """The chain, every row and every byte, by the command, and nothing that lies there for no row; it says at which node."""
    for node in department.nodes:
        command = [
            sys.executable,
            "-P",
            "-m",
            "gateway",
            "--home",
            str(node.home.root),
            "audit",
            "verify",
            "--deep",
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
        assert done.returncode == 0, f"{node.name}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        assert json.loads(done.stdout)["left_over"] == [], node.name
