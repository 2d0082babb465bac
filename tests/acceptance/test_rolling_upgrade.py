"""Two versions of the program side by side on one ledger in PostgreSQL: the previous one goes on while this one has brought the ledger up to date.

`previous_beside.tar.zst` is the first program that knows how a ledger says which older programs may go on, with the node in miniature of
tests/crash. What it writes on the newer ledger is held against this program's audit.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

from gateway.domain.states import State
from gateway.errors import LedgerSchema
from gateway.ledger import migrate as migrating
from gateway.ledger import nodes
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.fence import outside
from gateway.ledger.integrity import SCHEMA_VERSION
from gateway.ledger.migrate import migrate
from gateway.ledger.store import Ledger
from gateway.ledger.tables import EVENTS, TRANSFERS
from tests.acceptance.sites import ENVIRONMENT, Site, claim, wait_until
from tests.acceptance.test_upgrade import Previous
from tests.fakes.ledgers import on_postgresql

BESIDE = Path(__file__).with_name("previous_beside.tar.zst")
PARTNERS = tuple(f"E{number:08}" for number in range(12))
LEASE, EVERY = 2.0, 0.3
OLD, NEW = "previous", "present"
FUTURE = """
ALTER TABLE transfers ADD COLUMN later text; ALTER TABLE receipts ADD COLUMN later bigint;
CREATE TABLE later (key bigint PRIMARY KEY); UPDATE alembic_version SET version_num = '9998'
"""
"""What a migration that expands does."""


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Previous:
    return Previous(tmp_path_factory.mktemp("beside") / "program", BESIDE)


@pytest.fixture
def url(previous: Previous) -> str:
    """A ledger that the previous program made."""
    made = on_postgresql().empty()
    subprocess.run(
        [sys.executable, "-P", "-c", f"from gateway.ledger.migrate import migrate; migrate({made!r})"],
        env=previous.environment,
        check=True,
    )
    return made


class Nodes:
    """Nodes in miniature, each with its program."""

    def __init__(self, url: str, previous: Previous, directory: Path) -> None:
        self.ledger = Ledger(url, clock=time.time, role="test", fence=outside("test"))
        self._url, self._directory, self._number = url, directory, 0
        self._starts: dict[str, int] = {}
        root = str(Path(__file__).parents[2])
        self._paths = {OLD: previous.environment, NEW: {**ENVIRONMENT, "PYTHONPATH": root}}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, program: str) -> None:
        self._starts[name] = self._starts.get(name, 0) + 1
        arguments = [self._url, name, str(LEASE), str(EVERY), "1", str(self._directory), *PARTNERS]
        with (self._directory / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-P", "-m", "tests.crash.node_process", *arguments]
            # The tree is not to be found by the directory where the tests are run.
            self.running[name] = subprocess.Popen(
                command, cwd=self._directory, env=self._paths[program], stdout=log, stderr=log
            )

    def stop(self, name: str) -> None:
        process = self.running.pop(name)
        process.terminate()
        said = (self._directory / f"{name}.log").read_text()
        assert process.wait(30) in {0, -signal.SIGTERM}, said

    def work(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Files for all partners, until they are moved, and each node that is there has moved some; `meanwhile` is done beside that."""
        before = {name: self.moved(name) for name in self.running}
        with self.ledger.write() as transaction:
            rows = []
            for _ in range(60):
                self._number += 1
                partner = PARTNERS[self._number % len(PARTNERS)]
                identity = f"019ab5f0-1c2d-7abc-8def-{self._number:012}"
                event = transaction.record("transfer.admitted", "transfer", identity, partner)
                row = {"id": identity, "direction": "out", "flow": "claim", "partner": partner, "name": "a"}
                rows.append(row | {"size": 1, "sha256": "0" * 64, "state": "admitted", "event": event})
            transaction.insert(TRANSFERS, rows)
        meanwhile()
        wait_until(lambda: not self.count(State.ADMITTED), 60, "the end of the work")
        for name, number in before.items():
            assert self.moved(name) > number, f"{name} did not work: {(self._directory / f'{name}.log').read_text()}"

    def count(self, state: State) -> int:
        with self.ledger.read() as connection:
            query = select(func.count()).select_from(TRANSFERS).where(TRANSFERS.c.state == str(state))
            return int(connection.execute(query).scalar_one())

    def moved(self, name: str) -> int:
        with self.ledger.read() as connection:
            moves = select(func.count()).where(EVENTS.c.event == "transfer.validated")
            return int(connection.execute(moves.where(EVENTS.c.detail.contains(f'"node":"{name}"'))).scalar_one())

    def share(self, *names: str) -> None:
        """Until each of these has started and has lanes, and nobody else has."""

        def shared() -> bool:
            # By SQL alone: this program's tables have columns that a ledger of the one before has not yet.
            with psycopg.connect(self._url) as connection:
                owners = connection.execute("SELECT DISTINCT node FROM lane_owners WHERE leaving IS NULL").fetchall()
                found = connection.execute("SELECT name, incarnation FROM nodes").fetchall()
                starts: dict[str, int] = dict(found)
            there = all(starts.get(name, 0) >= self._starts[name] for name in names)
            return there and {node for (node,) in owners} == set(names)

        wait_until(shared, 60, f"lanes of {names}")


@contextmanager
def working(url: str, previous: Previous, directory: Path) -> Iterator[Nodes]:
    made = Nodes(url, previous, directory)
    try:
        yield made
        for name in list(made.running):
            made.stop(name)
    finally:
        for process in made.running.values():
            process.kill()
            process.wait()
        made.ledger.close()


def test_nodes_are_upgraded_one_by_one_while_the_others_work(url: str, previous: Previous, tmp_path: Path) -> None:
    with working(url, previous, tmp_path) as there:
        there.start("a", OLD)
        there.start("b", OLD)
        there.share("a", "b")
        migrate(url)  # beside both
        there.work(lambda: migrate(url))
        there.stop("b")
        there.start("b", NEW)
        there.share("a", "b")
        there.work(lambda: on_postgresql().change(url, FUTURE))  # by a program that is still to come
        there.work()
        there.stop("a")
        there.start("a", NEW)
        there.share("a", "b")
        there.work()
        with there.ledger.read() as connection:
            assert list(check_chain(connection)) == []
            assert list(check_rows(connection, lambda *_: None)) == []
            events = select(EVENTS.c.subject).where(EVENTS.c.event == "transfer.validated")
            moved = list(connection.execute(events).scalars())
            assert len(moved) == len(set(moved)) == there.count(State.VALIDATED) == 240, "each once"
            programs = {row.name: nodes.schema_of(row.version) for row in nodes.read(connection).nodes.values()}
            assert programs == {"a": SCHEMA_VERSION, "b": SCHEMA_VERSION}


def test_the_previous_program_takes_a_file_to_its_end_on_the_newer_ledger_until_that_says_no(
    previous: Previous, tmp_path: Path
) -> None:
    url, dwp = on_postgresql().empty(), Site(tmp_path / "DWP", "DWP", 0)
    la = tmp_path / "LA"
    _, _, card = previous.commands(
        ("init", dwp.home.root, "--site", "DWP", "--ledger", url),
        ("init", la, "--site", "E09000030"),
        ("--home", la, "card"),
    )
    (tmp_path / "card.json").write_text(card, "utf-8")
    # The server of the tests is not durable, which the doctor calls a fault.
    migrated = dwp.gateway("doctor", "--migrate", "--reason", "upgrade of the program", check=False).stdout
    assert "can be read, of this program's version" in migrated
    on_postgresql().change(url, FUTURE)
    told = ("--home", dwp.home.root)
    fingerprint = json.loads(card)["fingerprint"]
    added = (*told, "partner", "add", tmp_path / "card.json", "--fingerprint", fingerprint, "--link", "none")
    previous.commands(added)
    name, content = claim(1)
    dwp.drop("claim", "E09000030", name, content)
    run = [sys.executable, "-P", "-m", "gateway", "--home", str(dwp.home.root), "run", "--until-idle"]
    done = subprocess.run(run, env=previous.environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (transfer,) = dwp.json("transfers")
    assert (transfer["name"], transfer["state"]) == (name, "sent")
    audit = dwp.gateway("audit", "verify", check=False)
    assert (audit.returncode, "has to do this" in audit.stderr) == (70, True), "an audit reads all of it"
    on_postgresql().change(url, "UPDATE alembic_version SET version_num = ?", SCHEMA_VERSION)
    on_postgresql().change(
        url, "ALTER TABLE transfers DROP COLUMN later; ALTER TABLE receipts DROP COLUMN later; DROP TABLE later"
    )
    assert dwp.json("audit", "verify", "--deep")["faults"] == []
    on_postgresql().change(url, "UPDATE alembic_version SET version_num = '9999'")
    on_postgresql().change(url, "UPDATE least_program SET schema = '9999'")
    done = subprocess.run(run, env=previous.environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 70
    assert "programs of version 9999 and later work with" in done.stderr


def test_a_ledger_is_not_brought_where_a_node_at_work_could_not_follow(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ("north", 1, time.time(), time.time(), 60, nodes.program("0.1.0"))
    columns = "(name, incarnation, since, seen, lease, version)"
    on_postgresql().change(url, f"INSERT INTO nodes {columns} VALUES (?, ?, ?, ?, ?, ?)", *there)  # noqa: S608
    on_postgresql().change(url, "UPDATE alembic_version SET version_num = '0014'")
    monkeypatch.setattr(migrating, "LEAST_PROGRAM", "9999")
    with pytest.raises(LedgerSchema, match=r"node north is at work with 0\.1\.0, ledger "):
        migrate(url)
