"""Three nodes as processes, with one ledger in PostgreSQL: killed, stopped past their lease and woken again, cut from the database, in an
order that a seed draws. No row is moved twice, no node writes what it has lost, and all lanes have a node again.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final

import psycopg
import pytest
from sqlalchemy import func, select

from gateway.domain.ownership import SITE, Owner, living, owner_of, unowned
from gateway.domain.states import State
from gateway.events import Event
from gateway.ledger import nodes
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.dispatch import dispatch_of
from gateway.ledger.fence import outside, session_of
from gateway.ledger.store import Ledger
from gateway.ledger.tables import EVENTS, TRANSFERS
from tests.fakes.ledgers import on_postgresql

PARTNERS: Final = tuple(f"E{number:08}" for number in range(12))
NAMES: Final = ("a", "b", "c")
LEASE: Final = 2.0
EVERY: Final = 0.3
PATIENCE: Final = 40.0
"""Seconds that a loaded machine may take for what takes a lease and a heartbeat, two where the others were gone as well."""
BACKLOG: Final = 600
"""Rows that are there from the beginning, so that a node which stood still finds what it had begun as it was."""

_CUT: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"


def say(line: str) -> None:
    """What was tried, for whoever runs the test with `-s`."""
    sys.stdout.write(f"{line}\n")


class Nodes:
    """The processes, and who asks the ledger about them."""

    def __init__(self, url: str, directory: Path, chance: random.Random) -> None:
        self._url, self._directory, self._chance = url, directory, chance
        dispatch = dispatch_of(url, "test", lambda: None, lambda event, **keys: say(f"{event} {keys}"))
        self.ledger = Ledger(url, clock=time.time, role="test", fence=outside("test"), dispatch=dispatch)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = itertools.count(1)
        self._logs: list[IO[bytes]] = []

    def start(self, name: str, machine: str = "") -> None:
        """Start the node, on one of several machines."""
        home = self._directory / machine
        home.mkdir(exist_ok=True)
        log = (home / f"{name}.log").open("ab")
        self._logs.append(log)
        seconds, seed = (str(LEASE), str(EVERY)), str(self._chance.randrange(10**6))
        program = [
            sys.executable,
            "-m",
            "tests.crash.node_process",
            self._url,
            name,
            *seconds,
            seed,
            str(home),
        ]
        self._running[name] = subprocess.Popen([*program, *PARTNERS], stdout=log, stderr=log)

    def close(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        ends = {name: process.wait(60) for name, process in self._running.items()}
        self.ledger.close()
        for log in self._logs:
            log.close()
        # One that has just been started again may not have a handler yet.
        assert set(ends.values()) <= {0, -signal.SIGTERM}, (
            self._directory / f"{max(ends, key=ends.__getitem__)}.log"
        ).read_text()

    def admit(self, count: int) -> None:
        """More work, spread over the lanes."""
        with self.ledger.write() as transaction:
            rows = []
            for number in itertools.islice(self._numbers, count):
                identity = f"019ab5f0-1c2d-7abc-8def-{number:012}"
                partner = self._chance.choice(PARTNERS)
                event = transaction.record("transfer.admitted", "transfer", identity, partner)
                row = {"id": identity, "direction": "out", "flow": "claim", "partner": partner, "name": "a"}
                rows.append(row | {"size": 1, "sha256": "0" * 64, "state": "admitted", "event": event})
            transaction.insert(TRANSFERS, rows)

    def wait_for_owners(self, *, but: str | None = None, shared: bool = False) -> float:
        """Until all lanes have nodes that are there, but for one, or (`shared`) each has its own; how long that took. Work comes meanwhile."""
        began, lanes = time.monotonic(), (SITE, *PARTNERS)
        while time.monotonic() - began < PATIENCE:
            self.admit(10)
            with self.ledger.read() as connection:
                site = nodes.read(connection)
            there, owners = [name for name in living(site.standing(), site.now) if name != but], site.owners()
            if shared:
                done = all(lane in owners and owners[lane] == Owner(owner_of(lane, NAMES)) for lane in lanes)
            else:
                done = bool(there) and not unowned(owners, lanes, there)
            if done:
                return time.monotonic() - began
            time.sleep(0.05)
        raise AssertionError(f"lanes without a node: {site}")

    def kill(self, name: str) -> float:
        self._running[name].kill()
        self._running[name].wait(60)
        took = self.wait_for_owners(but=name)
        self.start(name)
        return took

    def stop(self, name: str) -> float:
        """Let it stand still until others have its lanes, and wake it in the middle of what it was doing."""
        self._running[name].send_signal(signal.SIGSTOP)
        took = self.wait_for_owners(but=name)
        self._running[name].send_signal(signal.SIGCONT)
        return took

    def take(self, name: str) -> float:
        """Let it stand still; a copy of its machine becomes the node in its place, and it is woken with work in its lanes."""
        first = self._running[name]
        first.send_signal(signal.SIGSTOP)
        before, began = self._incarnation(name), time.monotonic()
        (self._directory / "copy").mkdir()
        shutil.copyfile(self._directory / f"{name}.seen", self._directory / "copy" / f"{name}.seen")
        self.start(name, "copy")
        while self._incarnation(name) == before:
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.05)
        took = self.wait_for_owners(shared=True)
        self.admit(BACKLOG)
        first.send_signal(signal.SIGCONT)
        self.admit(BACKLOG)
        assert first.wait(60) not in (0, -signal.SIGTERM)
        assert f"NodeTaken: another machine is node {name} now" in (self._directory / f"{name}.log").read_text()
        return took

    def _incarnation(self, name: str) -> int:
        with self.ledger.read() as connection:
            return nodes.read(connection).nodes[name].incarnation

    def cut(self, name: str) -> float:
        """End its connections again and again, for longer than its lease."""
        until = time.monotonic() + LEASE * 1.5
        with psycopg.connect(self._url, autocommit=True) as connection:
            while time.monotonic() < until:
                connection.execute(_CUT, (session_of(name, LEASE)["application_name"],))
                self.admit(2)
                time.sleep(0.05)
        return self.wait_for_owners()

    def wait_for_rows(self) -> int:
        """Until all that was admitted is validated; how many that are."""
        began = time.monotonic()
        waiting = select(func.count()).where(TRANSFERS.c.state == str(State.ADMITTED))
        while time.monotonic() - began < PATIENCE:
            with self.ledger.read() as connection:
                if connection.execute(waiting).scalar_one() == 0:
                    return connection.execute(select(func.count()).select_from(TRANSFERS)).scalar_one()
            time.sleep(0.1)
        raise AssertionError("the nodes stand still")


@contextmanager
def running(directory: Path, seed: int) -> Iterator[Nodes]:
    made = Nodes(str(on_postgresql().new(directory)), directory, random.Random(seed))
    with closing(made):
        for name in NAMES:
            made.start(name)
        made.admit(BACKLOG)
        made.wait_for_owners(shared=True)
        yield made


def sweep(site: Nodes, faults: list[str], chance: random.Random, *, shared: float) -> int:
    """Each fault hits some node: in `shared` of the cases after all lanes are with their own nodes again, else whatever is under way."""
    for fault in faults:
        name = chance.choice(NAMES)
        if chance.random() < shared:
            site.wait_for_owners(shared=True)
        time.sleep(chance.uniform(0.0, LEASE / 2))
        took = {"kill": site.kill, "stop": site.stop, "cut": site.cut}[fault](name)
        say(f"{fault} {name}: all lanes had nodes again after {took:.1f} s")
    return site.wait_for_rows()


def check(site: Nodes, count: int) -> None:
    """Read the chain: each row was moved once, by the node that had its lane at that place of the chain, in that very epoch, and never by
    an incarnation of before.
    """
    owners: dict[str, tuple[str, int]] = {}
    moved: set[str] = set()
    newest: dict[str, int] = {}
    moves = 0
    with site.ledger.read() as connection:
        for event in connection.execute(select(EVENTS).order_by(EVENTS.c.sequence)):
            detail = json.loads(event.detail)
            if event.event in (Event.NODE_TAKEN_OVER, Event.NODE_LOST):
                owners |= dict.fromkeys(detail["lanes"], (event.subject, detail["epoch"]))
                moves += 1
            elif event.event == Event.NODE_FREED:
                assert {owners.pop(lane)[0] for lane in detail["lanes"]} == {event.subject}
            elif event.event == "transfer.validated":
                assert owners[event.partner] == (detail["node"], detail["epoch"]), event
                assert detail["incarnation"] >= newest.get(detail["node"], 0), event
                newest[detail["node"]] = detail["incarnation"]
                assert event.subject not in moved
                moved.add(event.subject)
        assert [*check_chain(connection), *check_rows(connection)] == []
    assert len(moved) == count
    say(f"{count} rows moved once each, lanes moved {moves} times")


def test_a_kill_a_stop_and_a_cut(tmp_path: Path) -> None:
    with running(tmp_path, 1) as site:
        check(site, sweep(site, ["stop", "kill", "cut"], random.Random(1), shared=1.0))


@pytest.mark.torture
def test_another_machine_takes_the_name(tmp_path: Path) -> None:
    with running(tmp_path, 2) as site:
        site.take("b")
        check(site, site.wait_for_rows())


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(int(os.environ.get("GATEWAY_NODE_SEEDS", "3"))))
def test_faults_in_any_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with running(tmp_path, seed) as site:
        check(site, sweep(site, chance.choices(["stop", "kill", "cut"], k=9), chance, shared=0.5))
