"""The workload about loading: `gateway load --once` beside a plain script that makes the same rows of the same files.

The script parses with lxml and inserts by sqlite3, a transaction a document, durable at the end, and removes the files. It
checks nothing, answers nobody, and knows no document again. The tables are there before the clock starts. Both databases are compared row
by row afterwards: BenchVoid where one differs from the other, or an answer is missing.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.bench.contest import contest
from gateway.bench.contract import BenchFile, BenchVoid, Run
from gateway.bench.files import AUTHORITY, DWP, claims
from gateway.bench.ground import Ground
from gateway.bench.outcome import Figure, WorkloadResult
from gateway.demo.sites import gateway
from gateway.domain.identity import new_id
from gateway.settings.home import Home
from gateway.settings.resources import resource
from gateway.validation.xml.shape import Place, TableShape, ValueKind, shapes_of

_STARTS: Final = 5
_ENDINGS: Final = ("", "-wal", "-shm")

SCRIPT: Final = """
import hashlib, json, os, sqlite3, sys
from datetime import UTC, datetime
from lxml import etree

inbox, database, plan = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
made = {
    "boolean": lambda text: text == "true",
    "time": lambda text: datetime.fromisoformat(text).astimezone(UTC).isoformat(" "),
}
db = sqlite3.connect(database, isolation_level=None)
db.execute("PRAGMA synchronous=NORMAL")

def fill(element, places, row, parent):
    for child in element:
        place = places[child.tag]
        if isinstance(place, list):
            at, kind = place
            text = child.text or ""
            row[at] = made[kind](text) if kind in made else text
        elif "table" in place:
            insert(child, place, parent)
        else:
            fill(child, place, row, parent)

def insert(element, table, parent):
    rows = found.setdefault(table["table"], [])
    row = [document, len(rows) + 1, parent] + [None] * table["columns"]
    rows.append(row)
    if "" in table["places"]:
        row[3] = element.text or ""
    else:
        fill(element, table["places"], row, row[1])

names = os.listdir(inbox)
for name in names:
    with open(f"{inbox}/{name}", "rb") as file:
        content = file.read()
    found = {}
    db.execute("BEGIN IMMEDIATE")
    document = db.execute(
        "INSERT INTO load_documents (transfer, flow, partner, name, sha256, size, verdict, records, set_aside, loaded) "
        "VALUES (?, 'claim', 'DWP', ?, ?, ?, 'accepted', 1, 0, ?) RETURNING document",
        (name, name, hashlib.sha256(content).hexdigest(), len(content), str(datetime.now(UTC))),
    ).fetchone()[0]
    insert(etree.fromstring(content), plan, 0)
    for table, rows in found.items():
        db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    db.execute("COMMIT")
db.execute("PRAGMA synchronous=FULL")
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.close()
for name in names:
    os.unlink(f"{inbox}/{name}")
"""


class _Loading:
    """Whoever loads claims out of a directory into a database: `rows` is a digest of what came into it."""

    most_files: Final = None
    name = ""

    def __init__(self, empty: Path, inbox: Path, database: Path) -> None:
        self.empty, self._inbox, self.database = empty, inbox, database
        self._names: dict[str, str] = {}
        self.rows = ""

    def prepare(self, files: Sequence[BenchFile]) -> None:
        self.clear()
        self._inbox.mkdir(parents=True, exist_ok=True)
        self.database.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(self.empty, self.database)
        drawn = random.Random(files[0].name)
        for file in files:
            name = f"{new_id(time.time(), drawn.randbytes(10))}.xml"
            self._names[name] = file.name
            shutil.copyfile(file.path, self._inbox / name)

    def carry(self) -> None:
        raise NotImplementedError

    def delivered(self) -> Mapping[str, str]:
        with closing(sqlite3.connect(self.database)) as connection:
            found = connection.execute("SELECT name, sha256 FROM load_documents").fetchall()
            self.rows = self._digest(connection)
        return {self._names[name]: sha256 for name, sha256 in found}

    def clear(self) -> None:
        self._names.clear()
        for ending in _ENDINGS:
            self.database.with_name(f"{self.database.name}{ending}").unlink(missing_ok=True)

    def _digest(self, connection: sqlite3.Connection) -> str:
        """Of all rows of all documents, whatever numbers and ids those have."""
        digest = hashlib.sha256()
        for table, columns in _tables(connection).items():
            named = ", ".join(f'"{column}"' for column in columns if column != "document")
            statement = f"SELECT name, {named} FROM {table} JOIN load_documents USING (document)"  # noqa: S608  # names of ours
            rows = sorted((self._names[row[0]], *row[1:]) for row in connection.execute(f"{statement} ORDER BY row_no"))
            digest.update(repr((table, rows)).encode())
        return digest.hexdigest()


class PlainScript(_Loading):
    """What somebody writes who has only to get claims into tables."""

    name = "plain script"

    def __init__(self, empty: Path, root: Path) -> None:
        super().__init__(empty, root / "in", root / "script.sqlite3")
        # The schema of which the samplers make claims: the first.
        self._plan = json.dumps(_plan(shapes_of(resource("schemas"), "claim")[0].root))

    def carry(self) -> None:
        command = [sys.executable, "-I", "-c", SCRIPT, str(self._inbox), str(self.database), self._plan]
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise BenchVoid(f"the script failed: {done.stderr.decode(errors='replace')[-300:]}")


class LoadCommand(_Loading):
    """`gateway load --once`."""

    name = "gateway"

    def __init__(self, empty: Path, home: Home) -> None:
        super().__init__(empty, home.inbound / "claim" / DWP, home.root / "loaded" / "documents.sqlite3")
        self._home = home

    def carry(self) -> None:
        gateway("load", "--once", home=self._home.root)

    def delivered(self) -> Mapping[str, str]:
        answers = {path.name for path in (self._home.outcomes / "claim" / DWP).iterdir()}
        if answers != {f"{Path(name).stem}.accepted" for name in self._names} or any(self._inbox.iterdir()):
            raise BenchVoid("the loader did not answer each claim, or left its file")
        return super().delivered()

    def clear(self) -> None:
        super().clear()
        shutil.rmtree(self._home.outcomes / "claim" / DWP, ignore_errors=True)


def loader(ground: Ground) -> WorkloadResult:
    """Delivered claims into a database, beside a plain script."""
    count, rounds = (200, 1) if ground.quick else (2000, 3)
    home = Home(ground.root / "loading")
    gateway("init", home.root, "--site", AUTHORITY, "--name", "Tower Hamlets")
    with home.gateway_toml.open("a", encoding="utf-8") as file:
        file.write('\n[flows.claim]\ninbound_name = "{transfer}.xml"\n')
    empty = _empty_database(ground, home)
    script, mine = PlainScript(empty, ground.root / "plain"), LoadCommand(empty, home)
    make = partial(ground.files, partial(claims, count, ground.next_seed(), ground.today))
    runs: list[Run] = []
    for run in contest([script, mine], make, rounds, ground.say):
        runs.append(run)
        if run.contestant == mine.name and mine.rows != script.rows:
            raise BenchVoid("the script and the gateway made other rows of the same claims")
    start = statistics.median(_seconds_of_nothing(home) for _ in range(_STARTS))
    net = statistics.median(run.files / (run.cost.seconds - start) for run in runs if run.contestant == mine.name)
    figures = (
        Figure("start and end of the command, with nothing to load", start, "s"),
        Figure("its rate less that", net, "claims/s"),
    )
    return WorkloadResult("loader", f"{count:,} delivered claims, one by one into SQLite", tuple(runs), figures)


def _empty_database(ground: Ground, home: Home) -> Path:
    """A database with all tables and no document: the loader's own, after a first claim that is deleted."""
    first = LoadCommand(ground.root / "none.sqlite3", home)
    first.empty.touch()  # SQLite takes it for a new database
    with ground.files(partial(claims, 1, ground.next_seed(), ground.today)) as files:
        first.prepare(files)
        first.carry()
    empty = ground.root / "empty.sqlite3"
    with closing(sqlite3.connect(first.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("DELETE FROM load_documents")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(first.database, empty)
    first.clear()
    return empty


def _seconds_of_nothing(home: Home) -> float:
    started = time.monotonic()
    gateway("load", "--once", home=home.root)
    return time.monotonic() - started


def _tables(connection: sqlite3.Connection) -> Mapping[str, Sequence[str]]:
    """The tables of documents, with their columns."""
    of = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'load!_%' ESCAPE '!' ORDER BY name"
    names = [row[0] for row in connection.execute(of)]
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def _plan(table: TableShape) -> dict[str, Any]:
    """Where a claim's values go, as the script takes it."""

    def told(place: Place) -> Any:
        if isinstance(place, int):
            kind = table.columns[place].kind
            return [3 + place, str(kind) if kind in (ValueKind.BOOLEAN, ValueKind.TIME) else ""]
        return _plan(place) if isinstance(place, TableShape) else {tag: told(each) for tag, each in place.items()}

    places = {tag: told(place) for tag, place in table.places.items()}
    return {"table": table.name, "columns": len(table.columns), "places": places}
