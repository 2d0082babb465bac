"""Wake-ups to other nodes by the engine: what costs nothing, what is lost and told, and that nothing else is touched by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, update

from gateway.daemon.pulse import Pulse, read_pulse
from gateway.domain.requests import Act
from gateway.errors import GatewayError, LedgerAway
from gateway.ledger import copying, nodes, requests
from gateway.ledger.audit.schema import check_schema
from gateway.ledger.dispatch import STAGE, dispatch_of
from gateway.ledger.migrate import migrate
from gateway.ledger.postgresql.dispatch import SCHEMA, AcrossNodes, Trouble, Waiting, waiting
from gateway.ledger.postgresql.listening import prepare
from gateway.ledger.store import Ledger
from gateway.ledger.tables import NODES
from tests.fakes.dispatching import OURS, PARTNERS, Road, across_nodes
from tests.fakes.postgresql import running
from tests.fakes.staff import hire

_JOBS = f"SELECT queue_name, args, status FROM {SCHEMA}.procrastinate_jobs ORDER BY id"  # noqa: S608 - a constant


_CONNECTIONS = "FROM pg_stat_activity WHERE application_name = 'gateway node b'"
_COUNTED = f"SELECT count(*) {_CONNECTIONS}"
_CUT = f"SELECT pg_terminate_backend(pid) {_CONNECTIONS}"


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    made = across_nodes(tmp_path)
    with closing(made.ledger):
        yield made


@pytest.fixture
def url(road: Road) -> str:
    place = road.ledger._place
    assert isinstance(place, str)
    return place


def asked(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_job_names_its_node_and_the_lanes(road: Road, url: str) -> None:
    prepare(url, "b")
    road.write(*PARTNERS, OURS)
    assert asked(url, _JOBS) == [("b", {"lanes": sorted(PARTNERS)}, "todo")]


def test_a_request_wakes_the_node_of_the_site(road: Road, url: str) -> None:
    prepare(url, "b")
    with road.ledger.write() as transaction:
        requests.ask(
            transaction, "019ab5f0-1c2d-7abc-8def-012345678901", Act.HOLD, "x", "command", "because", owner="me"
        )
    assert asked(url, _JOBS) == []  # whoever asks as the machine's account carries it out himself
    hire(road.ledger, "anna")
    with road.ledger.write() as transaction:
        requests.ask(transaction, "019ab5f0-1c2d-7abc-8def-012345678902", Act.HOLD, "x", "anna", "because")
    assert asked(url, _JOBS) == [("b", {"lanes": [".site"]}, "todo")]


def test_what_this_node_works_on_itself_asks_the_database_nothing(road: Road) -> None:
    said: list[str] = []
    event.listen(road.ledger._engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    road.ledger.dispatch = AcrossNodes("", "a", lambda: None, tell=road.troubles.append, here=lambda: {OURS})
    road.write(OURS)
    with_dispatch = said[:]
    said.clear()
    road.ledger.dispatch = None
    road.write(OURS)
    assert said == with_dispatch
    assert not road.troubles


def test_a_node_that_is_gone_gets_no_job(road: Road, url: str) -> None:
    prepare(url, "b")
    with road.ledger.beside_chain() as connection:
        connection.execute(update(NODES).where(NODES.c.name == "b").values(lease=0.0))
    road.write(PARTNERS[0])
    assert asked(url, _JOBS) == []


def test_before_any_node_has_listened_the_work_goes_on_and_nothing_is_told(road: Road) -> None:
    road.write(PARTNERS[0])
    with road.ledger.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one() == 1
    assert road.troubles == []


def test_where_the_engine_s_tables_are_broken_the_work_goes_on_and_it_is_told_once(road: Road, url: str) -> None:
    prepare(url, "b")
    asked(url, f"DROP TABLE {SCHEMA}.procrastinate_jobs CASCADE")
    for _ in range(3):
        road.write(PARTNERS[0])
    assert [error and error.code for error in road.troubles] == ["ledger-refused"]
    asked(url, f"DROP SCHEMA {SCHEMA} CASCADE")
    with road.listens():
        written = road.write(PARTNERS[0])
        assert road.rung.heard() == written
    assert road.troubles[1:] == [None]
    with road.ledger.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one() == written


def heard(road: Road) -> dict[str, Waiting]:
    """What waits for which node."""
    with road.ledger.read() as connection:
        return dict(waiting(connection))


def test_wake_ups_that_nobody_hears_are_counted_with_their_age_and_those_that_are_heard_are_not(
    road: Road, url: str
) -> None:
    assert heard(road) == {}  # no node has listened yet
    prepare(url, "b")
    for _ in range(3):
        road.write(*PARTNERS)
    asked(url, f"UPDATE {SCHEMA}.procrastinate_events SET at = at - interval '90 s' WHERE id = 1")  # noqa: S608 - a constant
    found = heard(road)["b"]
    assert (found.number, 90 <= found.seconds < 120) == (3, True)
    assert road.counted == {"given": 3}
    with road.listens():  # which removes what it has not heard, and looks at everything
        assert heard(road) == {}
        road.rung.waits_for(road.write(PARTNERS[0]))
    assert road.counted == {"given": 4, "heard": 1}
    road.write(OURS)
    assert road.counted["given"] == 4  # nobody else is to know


def test_what_waits_is_not_known_where_the_engine_s_tables_are_others_and_the_reader_goes_on(
    road: Road, url: str
) -> None:
    prepare(url, "b")
    asked(url, f"ALTER TABLE {SCHEMA}.procrastinate_jobs RENAME COLUMN queue_name TO theirs")
    with road.ledger.read() as connection:
        assert waiting(connection) == {}
        assert nodes.read(connection).nodes.keys() == {"a", "b"}


def test_a_wake_up_that_could_not_be_given_is_counted(road: Road, url: str) -> None:
    prepare(url, "b")
    asked(url, f"DROP TABLE {SCHEMA}.procrastinate_jobs CASCADE")
    road.write(PARTNERS[0])
    road.write(PARTNERS[0])
    assert road.counted == {"lost": 2}


def test_it_is_over_when_wake_ups_go_and_come_again() -> None:
    told: list[GatewayError | None] = []
    trouble, away = Trouble(told.append), LedgerAway("x")
    for where in ("going", "coming", "coming"):
        trouble.note(where, away)
    trouble.note("going", None)
    trouble.note("going", None)
    assert told == [away, away]
    trouble.note("coming", None)
    assert told == [away, away, None]


def test_a_role_s_pulse_shows_how_it_stands_with_wake_ups(tmp_path: Path) -> None:
    with Pulse(tmp_path, "vault") as pulse:
        dispatch = dispatch_of("postgresql:///x", "a", lambda: None, lambda *_a, **_k: None, pulse=pulse)
        assert isinstance(dispatch, AcrossNodes)
        dispatch._trouble.note("coming", LedgerAway("x"))
        dispatch._count("heard", 2)
        dispatch._count("heard", 1)
        pulse._last -= 1
        pulse.beat()
        said = read_pulse(tmp_path, "vault")
        assert said is not None
        assert {stage: each.code for stage, each in said.deferred.items()} == {STAGE: "ledger-away"}
        assert (said.failures, said.counts) == ({STAGE: 1}, {STAGE: {"heard": 3}})
        dispatch._trouble.note("coming", None)
        pulse._last -= 1
        pulse.beat()
        said = read_pulse(tmp_path, "vault")
        assert said is not None
        assert said.deferred == {}


def test_jobs_do_not_pile_up(road: Road, url: str) -> None:
    with road.listens():
        road.rung.waits_for([road.write(PARTNERS[0]) for _ in range(20)][-1])
        until = time.monotonic() + 30
        while asked(url, _JOBS):  # the last one of them may have told of no news
            assert time.monotonic() < until
    assert asked(url, f"SELECT 1 FROM {SCHEMA}.procrastinate_events") == []  # noqa: S608 - a constant


def test_what_a_killed_listener_had_in_hand_is_removed_by_the_next_one(road: Road, url: str) -> None:
    prepare(url, "b")
    road.write(PARTNERS[0])
    asked(url, f"UPDATE {SCHEMA}.procrastinate_jobs SET status = 'doing'")  # noqa: S608 - a constant
    with road.listens():
        assert asked(url, _JOBS) == []


def test_what_waits_for_a_node_that_there_is_no_more_is_removed(road: Road, url: str) -> None:
    prepare(url, "b")
    road.write(PARTNERS[0])
    asked(url, "DELETE FROM nodes WHERE name = 'b'")
    prepare(url, "a")
    assert asked(url, _JOBS) == []


def test_a_connection_that_is_cut_is_made_again(road: Road, url: str) -> None:
    with road.listens():
        road.rung.waits_for(road.write(PARTNERS[0]))
        until = time.monotonic() + 30
        while asked(url, _COUNTED) != [(2,)]:  # one fetches, and may have before the other listened
            assert time.monotonic() < until
        assert asked(url, _CUT) == [(True,), (True,)]
        for _ in range(3):
            road.rung.waits_for(road.write(PARTNERS[0]))


def test_a_server_that_restarts_is_told_once_and_later_wake_ups_come(tmp_path: Path) -> None:
    with running() as server:
        migrate(server.url)
        road = across_nodes(tmp_path, server.url)
        with closing(road.ledger), road.listens():
            road.rung.waits_for(road.write(PARTNERS[0]))
            road.ledger.close()
            server.kill()
            road.wait_for_trouble()
            server.start()
            road.rung.waits_for(road.write(PARTNERS[0]))
            road.rung.waits_for(road.write(PARTNERS[0]))
        assert [type(error) for error in road.troubles] == [LedgerAway, type(None)]


def test_older_tables_are_replaced_and_newer_ones_left(road: Road, url: str) -> None:
    prepare(url, "b")
    for version, kept in (("99.0.0", True), ("3.9.9", False)):
        asked(url, f"COMMENT ON SCHEMA {SCHEMA} IS '{version}'; CREATE TABLE {SCHEMA}.theirs ()")
        prepare(url, "b")
        assert bool(asked(url, f"SELECT to_regclass('{SCHEMA}.theirs') IS NOT NULL")[0][0]) is kept
        asked(url, f"DROP TABLE IF EXISTS {SCHEMA}.theirs")
    with road.listens():
        road.rung.waits_for(road.write(PARTNERS[0]))


def test_audits_and_copies_leave_it_out(road: Road, url: str, tmp_path: Path) -> None:
    prepare(url, "b")
    road.write(PARTNERS[0])
    with road.ledger.read() as connection:
        assert [*check_schema(connection)] == []
    copy = tmp_path / "copy.sqlite3"
    copying.copy(url, copy, lambda _name, _count: None)
    with closing(Ledger(copy, clock=lambda: 0.0, role="test")) as there, there.read() as connection:
        assert (
            connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name LIKE '%procrastinate%'").first() is None
        )


def test_a_gateway_that_works_alone_rings_its_own_roles(tmp_path: Path) -> None:
    rung: list[str] = []
    dispatch = dispatch_of(tmp_path / "ledger.sqlite3", "", lambda: rung.append("!"), lambda *_: None)
    with dispatch.listening():
        assert rung == []
    assert type(dispatch).__name__ == "Embedded"
