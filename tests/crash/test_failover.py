"""A real primary and its standby, which takes over: what was under way is committed or not as the new server has it, and a server that lacks
what a node has seen is worked with by none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

from gateway.daemon.heartbeat import Heartbeat
from gateway.errors import GatewayError, LedgerAway, LedgerRolledBack
from gateway.ledger.fence import outside
from gateway.ledger.head_file import HeadFile
from gateway.ledger.migrate import migrate
from gateway.ledger.store import Ledger, read_head
from gateway.ledger.tables import EVENTS
from tests.fakes.postgresql import require
from tests.nodes.database import Database, database

SECONDS = 90.0


@pytest.fixture
def site() -> Iterator[Database]:
    require()
    with database(standby=True) as made:
        migrate(made.url)
        yield made


def opened(site: Database, node: str, directory: Path) -> Ledger:
    """As that node has it: by its own way, with its own head file. Who waits for the head is told so soon; commits wait until the standby shows them."""
    url = f"{site.url_for(node)}&options=-c%20lock_timeout%3D300ms%20-c%20synchronous_commit%3Dremote_apply"
    return Ledger(url, clock=time.time, role="test", head_file=HeadFile(directory / node), fence=outside(node))


def write(ledger: Ledger, done: list[str] | None = None) -> None:
    with ledger.write() as transaction:
        transaction.record("lane.recovered", "lane", "DWP", "DWP")
        if done is not None:
            transaction.afterwards.append(lambda: done.append("afterwards"))


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


class Commit:
    """A transaction in a thread, whose commit waits for the standby."""

    def __init__(self, site: Database, ledger: Ledger) -> None:
        self.done: list[str] = []
        self.failed: list[GatewayError] = []
        self._ledger = ledger
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        until(lambda: site.waiting() == 1)

    def _run(self) -> None:
        try:
            write(self._ledger, self.done)
        except GatewayError as error:
            self.failed.append(error)

    def join(self) -> None:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()


def test_a_commit_that_the_promoted_standby_never_saw_has_failed(site: Database, tmp_path: Path) -> None:
    """Its number is another transaction's there, which was committed."""
    with closing(opened(site, "a", tmp_path)) as ledger:
        write(ledger)
        sender = site.fall_behind()
        commit = Commit(site, ledger)
        way = site.ways["a"][1]
        way.cut()
        site.promote(sender)
        with psycopg.connect(site.url, autocommit=True) as others:
            for _ in range(20):
                others.execute("SELECT pg_current_xact_id()")
        way.open()
        commit.join()
        assert (commit.done, [type(error) for error in commit.failed]) == ([], [LedgerAway])
        assert HeadFile(tmp_path / "a").remembered() == head(ledger)
        write(ledger)
        assert count(ledger) == 2


def test_a_commit_that_the_promoted_standby_has_was_made_though_others_have_gone_on(
    site: Database, tmp_path: Path
) -> None:
    with closing(opened(site, "a", tmp_path)) as ledger, closing(opened(site, "b", tmp_path)) as other:
        write(ledger)
        site.pause_replay()
        commit = Commit(site, ledger)
        way = site.ways["a"][1]
        way.cut()
        site.promote()
        again(lambda: write(other))
        way.open()
        commit.join()
        assert (commit.done, commit.failed) == (["afterwards"], [])
        assert count(ledger) == 3


def test_a_commit_that_still_waits_when_its_connection_is_cut_is_waited_for(site: Database, tmp_path: Path) -> None:
    with closing(opened(site, "a", tmp_path)) as ledger:
        write(ledger)
        sender = site.fall_behind()
        commit = Commit(site, ledger)
        way = site.ways["a"][0]
        way.cut()
        way.open()
        until(lambda: (site.waiting(), site.queueing()) == (1, 1))  # whoever asks waits for its end
        assert (commit.done, commit.failed) == ([], [])
        site.catch_up(sender)
        commit.join()
        assert (commit.done, commit.failed) == (["afterwards"], [])
        assert count(ledger) == 2


# -- what was committed is gone with the primary, which did not wait for its standby


def test_no_node_works_with_a_standby_that_lacks_what_one_of_them_has_seen(site: Database, tmp_path: Path) -> None:
    with closing(opened(site, "a", tmp_path)) as ours, closing(opened(site, "b", tmp_path)) as theirs:
        told: list[str] = []
        beats = [beat(ledger, name, told) for ledger, name in ((ours, "a"), (theirs, "b"))]
        write(theirs)
        assert all(each._beaten() for each in beats)
        assert HeadFile(tmp_path / "a").remembered() == head(theirs), "what others write is seen by each heartbeat"
        site.wait_for_nobody()
        sender = site.fall_behind()
        write(ours)
        seen = HeadFile(tmp_path / "a").remembered()
        site.promote(sender)
        for _ in range(3):
            again(lambda: write(theirs))  # it has not seen it, and uses its number again
        until(lambda: not beats[0]._beaten())
        assert told == ["ledger-rolled-back"]
        for ledger in (ours, theirs):
            with pytest.raises(LedgerRolledBack):
                write(ledger)
            with pytest.raises(LedgerRolledBack):
                ledger.check()
        assert not beats[1]._beaten()
        assert HeadFile(tmp_path / "a").remembered() == seen
    with closing(opened(site, "b", tmp_path)) as again_theirs, pytest.raises(LedgerRolledBack), again_theirs.read():
        pytest.fail("a new process works with it")


def test_a_node_that_is_alone_with_what_it_has_seen_stops_before_it_writes(site: Database, tmp_path: Path) -> None:
    with closing(opened(site, "a", tmp_path)) as ledger:
        write(ledger)
        site.wait_for_nobody()
        sender = site.fall_behind()
        write(ledger)
        site.promote(sender)
        with pytest.raises(LedgerRolledBack, match=r"has written event 2 .* ends with event 1"):
            again(lambda: write(ledger))
        with pytest.raises(LedgerRolledBack):
            ledger.check()
        with psycopg.connect(site.url) as others:
            assert others.execute("SELECT count(*) FROM events").fetchone() == (1,)


def beat(ledger: Ledger, name: str, told: list[str]) -> Heartbeat:
    """That of a node, whose role says what keeps it from being there."""
    known: list[int] = []
    made = Heartbeat(
        ledger,
        name,
        lease=15.0,
        every=3.0,
        version="1",
        partners=["DWP"],
        say=lambda _event, *, code="", **_keys: told.append(code) if code != "ledger-away" else None,
        changed=lambda: None,
        there=known.append,
        before=lambda: known[-1] if known else None,
    )
    made.beat()
    return made


def again(action: Callable[[], None]) -> None:
    """Until the server is there."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            return action()
        except LedgerAway:
            time.sleep(0.05)
    raise AssertionError("no server")


def count(ledger: Ledger) -> int:
    with ledger.read() as connection:
        return connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()


def head(ledger: Ledger) -> object:
    with ledger.read() as connection:
        return read_head(connection)
