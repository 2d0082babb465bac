"""What is PostgreSQL's own of the ledger: guards in the database, the same values and digests as in SQLite, and lost connections."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg
import pytest
from sqlalchemy import Table, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from gateway.domain.retention import Clock, Rule
from gateway.domain.states import Direction, State
from gateway.errors import (
    ConfigurationInvalid,
    ImpossibleMove,
    LedgerAway,
    LedgerBusy,
    LedgerFull,
    LedgerRefused,
    LedgerRolledBack,
    SiteBusy,
    SiteMissing,
)
from gateway.ledger import integrity, marks, retention
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.audit.schema import check_pages, check_schema
from gateway.ledger.chain import Head
from gateway.ledger.head_file import HeadFile
from gateway.ledger.migrate import migrate
from gateway.ledger.place import Place
from gateway.ledger.postgresql.dialect import LedgerDialect
from gateway.ledger.postgresql.driver import said
from gateway.ledger.postgresql.errors import translate
from gateway.ledger.queries import events, figures, search
from gateway.ledger.store import Ledger, Transaction, read_head
from gateway.ledger.tables import CHECKS, METADATA, PEOPLE, PRINTINGS, REQUESTS, TRANSFERS
from tests.fakes.ledgers import PostgresqlLedgers, SqliteLedgers
from tests.unit.ledger.test_commitments import look

ROW = {
    "id": "019ab5f0-1c2d-7abc-8def-0123456789ab",
    "direction": "out",
    "flow": "claim",
    "partner": "DWP",
    "name": "Ærø \U0001f4e8 'it''s' \\ \"x\" %s %(a)s :b ?.xml",
    "size": 2**40,
    "sha256": "f" * 64,
    "facts": '{"records":"1","x":"\\u0000\u2028"}',
    "expires": 0.1 + 0.2,
    "state": "admitted",
}


@pytest.fixture
def ledger(server: PostgresqlLedgers, tmp_path: Path) -> Iterator[Ledger]:
    with closing(opened(server.new(tmp_path))) as made:
        yield made


def opened(place: Place, head_file: HeadFile | None = None) -> Ledger:
    salts = itertools.count(1)

    def draw(count: int) -> bytes:
        return next(salts).to_bytes(count, "big")

    return Ledger(place, clock=lambda: 1_795_000_000.123, role="test", random_bytes=draw, head_file=head_file)


def write(transaction: Transaction) -> None:
    """Rows in every table that the chain commits to, each kind of value in them."""
    for number in range(12):
        identity = f"{str(ROW['id'])[:-2]}{number:02}"
        event = transaction.record("transfer.admitted", "transfer", identity, "DWP", bytes=2**40, why="because")
        transaction.insert(TRANSFERS, [{**ROW, "id": identity, "event": event}])
    transaction.set_lane("E09000030", held=True, reason="held")
    transaction.lane("DWP")
    transaction.lane("DWP")
    look(transaction)
    transaction.claim(TRANSFERS, [1, 2])
    transaction.set(TRANSFERS, [3], custody=False, notify_pending=True, due=1)
    event = transaction.record("transfer.validated", "transfer", f"{str(ROW['id'])[:-2]}01", "DWP")
    change = {"key": 2, "state": State.VALIDATED, "event": event, "message_id": None}
    transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, [change])


def found(ledger: Ledger) -> tuple[list[Any], dict[str, list[Any]]]:
    with ledger.read() as connection:
        assert [*check_schema(connection), *check_chain(connection), *check_rows(connection)] == []
        rows = {
            name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for name, table in METADATA.tables.items()
        }
        return list(events.chain(connection)), rows


def test_the_same_acts_give_the_same_rows_and_the_same_chain_as_in_sqlite(ledger: Ledger, tmp_path: Path) -> None:
    with closing(opened(SqliteLedgers().new(tmp_path / "ledger.sqlite3"))) as other:
        for each in (other, ledger):
            with each.write() as transaction:
                write(transaction)
        (ours, rows), (theirs, others) = found(ledger), found(other)
        # Of the last one SQLite is free in which order it has the keys of lanes, which are no numbers.
        assert (ours[:-1], orjson.loads(ours[-1].detail)) == (theirs[:-1], orjson.loads(theirs[-1].detail))
        assert rows | {"events": []} == others | {"events": []}


def test_names_and_partners_are_ordered_by_their_bytes(ledger: Ledger) -> None:
    names = ["a", "B", "ä", "_", "Z", "é", "10", "9"]
    with ledger.write() as transaction:
        for name in names:
            transaction.lane(name)
    lanes = METADATA.tables["lanes"]
    with ledger.read() as connection:
        assert [*connection.execute(select(lanes.c.partner).order_by(lanes.c.partner)).scalars()] == sorted(names)


# -- the chain's guards


def entry(head: Head, **changed: object) -> dict[str, object]:
    known = {"sequence": head.sequence + 1, "previous": head.sha256, "sha256": "a" * 64, "event": "e"}
    return {"at": "now", "role": "r", "kind": "k", "subject": "s", "detail": "{}"} | known | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"previous": "b" * 64},
        {"sequence": 7},
        {"sequence": 1, "previous": "0" * 64},
        {"sequence": 2, "previous": "0" * 64},
    ],
    ids=["another-before", "a-gap", "the-first-again", "a-fork"],
)
def test_the_database_takes_no_event_that_does_not_go_on_from_the_head(
    ledger: Ledger, changed: dict[str, object]
) -> None:
    with ledger.write() as transaction:
        transaction.record("gateway.started", "site", "DWP")
    with ledger.read() as connection:
        head = read_head(connection)
    with pytest.raises(ImpossibleMove), ledger.write() as transaction:
        transaction.connection.execute(insert(METADATA.tables["events"]).values(entry(head, **changed)))
    with ledger.read() as connection:
        assert read_head(connection) == head


@pytest.mark.parametrize("statement", ["UPDATE events SET role = 'x'", "DELETE FROM events", "TRUNCATE events"])
def test_the_database_changes_no_event(ledger: Ledger, statement: str) -> None:
    with ledger.write() as transaction:
        transaction.record("gateway.started", "site", "DWP")
    with pytest.raises(ImpossibleMove, match="chain_only_grows"), ledger.write() as transaction:
        transaction.connection.execute(text(statement))


def test_an_error_that_somebody_keeps_to_himself_commits_nothing(ledger: Ledger) -> None:
    with pytest.raises(ImpossibleMove), ledger.write() as transaction:  # noqa: PT012 - the failure comes at its end
        transaction.insert(TRANSFERS, [{**ROW, "event": 1}])
        with pytest.raises(DBAPIError):
            transaction.insert(TRANSFERS, [{**ROW, "event": 1}])
    with ledger.read() as connection:
        assert connection.execute(select(TRANSFERS)).all() == []


# -- rules of the tables

PERSON = {"user": "hb1", "name": "Invented", "unit": "u", "state": "active", "changes": 0}
REQUEST = {"id": "r", "act": "resume", "subject": "hb3", "actor": "hb1", "reason": "x", "lease": 0, "state": "asked"}
CHECK = {
    "id": "c",
    "opening": "o",
    "user": "hb1",
    "office": "x",
    "system": "x",
    "criterion": "random",
    "name": "x",
    "unit": "u",
    "case_reference": "x",
    "state": "drawn",
}
PRINTING = {"id": "p", "day": "2026-11-27", "copy": 2, "user": "hb1", "checks": 1, "sha256": "ab", "reason": "lost"}
RULES: dict[str, tuple[Table, dict[str, Any], dict[str, Any]]] = {
    "secure_print_is_held_alone": (
        PEOPLE,
        PERSON | {"agreement": "a", "training": "t"},
        {"secure_print": True, "auditor": True},
    ),
    "administrator_decides_no_file": (
        PEOPLE,
        PERSON | {"agreement": "a", "training": "t"},
        {"administrator": True, "operator": True},
    ),
    "agreement_and_training_first": (PEOPLE, PERSON, {"operator": True}),
    "left_without_roles": (PEOPLE, PERSON, {"auditor": True, "state": "left"}),
    "state_is_known": (PEOPLE, PERSON, {"state": "odd"}),
    "another_decides": (REQUESTS, REQUEST | {"takes": 2, "decider": "hb2"}, {"decider": "hb1"}),
    "two_people_where_it_takes_two": (REQUESTS, REQUEST | {"takes": 2, "decider": "hb2"}, {"decider": None}),
    "nobody_about_themselves": (REQUESTS, REQUEST, {"subject": "hb1"}),
    "decided_by_another": (CHECKS, CHECK, {"decided_by": "hb1"}),
    "validated_by_a_third": (CHECKS, CHECK, {"validated_by": "hb2"}),
    "steps_were_taken": (CHECKS, CHECK, {"state": "acknowledged"}),
    "reprint_with_a_reason": (PRINTINGS, PRINTING, {"reason": ""}),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_a_table_holds_as_in_sqlite(server: PostgresqlLedgers, tmp_path: Path, rule: str) -> None:
    table, right, wrong = RULES[rule]
    for kind in (SqliteLedgers(), server):
        with closing(opened(kind.new(tmp_path / "ledger.sqlite3"))) as ledger:
            with pytest.raises(ImpossibleMove, match=rule), ledger.write() as transaction:
                transaction.insert(table, [right | wrong])
            with ledger.write() as transaction:
                transaction.insert(table, [right])


# -- what somebody does behind the program's back

SPOILT = {
    "trigger events.one_chain": "DROP TRIGGER one_chain ON events",
    "trigger events.chain_only_grows": "ALTER TABLE events DISABLE TRIGGER chain_only_grows",
    "trigger transfers.transfers_UPDATE": 'DROP TRIGGER "transfers_UPDATE" ON transfers',
    "function chain_goes_on": "CREATE OR REPLACE FUNCTION chain_goes_on() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "constraint requests.another_decides": "ALTER TABLE requests DROP CONSTRAINT another_decides",
    "index transfers_by_name": "DROP INDEX transfers_by_name; CREATE INDEX transfers_by_name ON transfers (name) WHERE key > 5",
    "column transfers.spool_file": "ALTER TABLE transfers ALTER spool_file TYPE bytea USING NULL",
    "rule transfers.odd": "CREATE RULE odd AS ON DELETE TO transfers DO INSTEAD NOTHING",
    "table odd": "CREATE TABLE odd (a int)",
}


@pytest.mark.parametrize("subject", SPOILT)
def test_what_the_migrations_do_not_make_is_found(server: PostgresqlLedgers, ledger: Ledger, subject: str) -> None:
    server.change(ledger._place, SPOILT[subject])
    with ledger.read() as connection:
        assert subject in {fault.subject for fault in check_schema(connection)}


def test_rows_that_an_index_leaves_out_are_found_and_the_audit_reads_past_it(
    server: PostgresqlLedgers, ledger: Ledger
) -> None:
    with ledger.write() as transaction:
        write(transaction)
    server.change(ledger._place, "CREATE EXTENSION amcheck")
    with ledger.read() as connection:
        assert [*check_pages(connection), *check_schema(connection)] == []
    spoil = "DROP INDEX events_by_subject; CREATE INDEX events_by_subject ON events (subject) WHERE sequence < 3"
    server.change(ledger._place, spoil)
    server.change(ledger._place, "UPDATE pg_index SET indpred = NULL WHERE indexrelid = 'events_by_subject'::regclass")
    with closing(opened(ledger._place)) as again, again.read() as connection:
        assert [*check_schema(connection), *check_chain(connection), *check_rows(connection)] == []
        (fault,) = check_pages(connection)
        assert fault.subject == "index events_by_subject"


def test_a_row_that_is_written_by_hand_is_refused_or_found(server: PostgresqlLedgers, ledger: Ledger) -> None:
    import psycopg  # noqa: PLC0415 - an extra

    with ledger.write() as transaction:
        write(transaction)
    with psycopg.connect(str(ledger._place)) as by_hand, pytest.raises(psycopg.errors.UndefinedTable):
        by_hand.execute("UPDATE transfers SET size = 1 WHERE key = 1")
    assert server.change(ledger._place, "UPDATE transfers SET size = 1 WHERE key = 1") == 1
    with ledger.read() as connection:
        assert [fault.check for fault in check_rows(connection)] == ["row"]


# -- connections

AWAY = "postgresql:///ledger?host=/nowhere"


def test_a_server_that_is_not_there_is_told_without_words_that_are_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "sesame-open")
    for action in (lambda: opened(AWAY).check(), lambda: migrate(AWAY), lambda: integrity.server_report(AWAY)):
        with pytest.raises(LedgerAway) as refused:
            action()
        assert "OperationalError" in refused.value.reason
        assert "sesame" not in refused.value.reason


def test_a_lost_connection_commits_nothing_and_the_next_transaction_takes_another(
    server: PostgresqlLedgers, ledger: Ledger
) -> None:
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with pytest.raises(LedgerAway), ledger.write() as transaction:  # noqa: PT012 - the failure comes at its end
        transaction.insert(TRANSFERS, [{**ROW, "event": 1}])
        server.change(ledger._place, others)
        transaction.record("gateway.started", "site", "DWP")
    with ledger.write() as transaction:
        transaction.insert(TRANSFERS, [{**ROW, "event": 1}])
    server.change(ledger._place, others)
    with pytest.raises(LedgerAway), ledger.read() as connection:  # none looks whether a connection of just now is there
        read_head(connection)
    with ledger.read() as connection:
        assert len(connection.execute(select(TRANSFERS)).all()) == 1


def test_a_connection_that_was_closed_while_nobody_used_it_is_replaced(
    server: PostgresqlLedgers, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.write() as transaction:
        transaction.lane("DWP")
    server.change(
        ledger._place,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()",
    )
    monkeypatch.setattr("gateway.ledger.postgresql.engine._IDLE_SECONDS", -1.0)
    with ledger.write() as transaction:
        transaction.record("gateway.started", "site", "DWP")


def test_a_writer_waits_for_another_and_is_told_where_that_takes_too_long(ledger: Ledger) -> None:
    short = f"{ledger._place}&options=-c%20lock_timeout%3D50ms"
    with closing(opened(short)) as other, ledger.write() as transaction:
        transaction.record("gateway.started", "site", "DWP")
        with pytest.raises(LedgerBusy), other.write():
            pytest.fail("two writers at once")
        with other.read() as connection:
            assert read_head(connection).sequence == 0, "whoever reads waits for nobody"


# -- whose ledger it is


def test_a_database_without_a_ledger_an_old_one_and_an_old_copy_are_refused(
    server: PostgresqlLedgers, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationInvalid, match="without a ledger"):
        opened(server.empty()).check()
    place, head_file = server.new(tmp_path), HeadFile(tmp_path / "head")
    with closing(opened(place, head_file)) as ledger:
        with ledger.write() as transaction:
            transaction.record("gateway.started", "site", "DWP")
        ledger.check()
    with closing(opened(server.new(tmp_path), head_file)) as other, pytest.raises(LedgerRolledBack):
        other.check()
    with pytest.raises(SiteMissing):
        opened(tmp_path / "none.sqlite3")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SELECT a FROM t WHERE b = ? AND c > :after", "SELECT a FROM t WHERE b = %s AND c > %(after)s"),
        ("SELECT a FROM t NOT INDEXED WHERE b LIKE 'x%'", "SELECT a FROM t WHERE b LIKE 'x%%'"),
        (
            "k IN (SELECT value FROM json_each(?))",
            "k IN (SELECT value::bigint FROM json_array_elements_text(%s::json))",
        ),
        ("unixepoch((SELECT at FROM e))", "extract(epoch FROM (SELECT at FROM e)::timestamptz)::bigint"),
        ("UPDATE t SET a=%(a)s::TEXT", "UPDATE t SET a=%(a)s::TEXT"),
    ],
)
def test_a_statement_is_said_as_postgresql_has_it(ours: str, theirs: str) -> None:
    assert said(ours) == theirs


def test_sums_and_counts_are_whole_numbers(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        write(transaction)
    with ledger.read() as connection:
        found = {each.bytes for each in figures.waiting_transfers(connection)}
        assert found == {12 * 2**40}
        assert {type(each) for each in found} == {int}
        assert [each.number for each in figures.transfer_counts(connection)] == [11, 1]


def test_a_name_is_found_in_capitals_and_small_letters_and_its_percent_sign_is_one(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        write(transaction)
    with ledger.read() as connection:
        for text_, count in (('"X" %S %(A)', 12), ("%s_%", 0), ("Ærø", 12), ("ÆRØ", 0)):
            assert len(search.named(connection, text_, 50)) == count, text_


def test_the_same_is_over_its_time_and_erased_as_in_sqlite_and_the_tables_are_written_anew(
    ledger: Ledger, tmp_path: Path
) -> None:
    with closing(opened(SqliteLedgers().new(tmp_path / "ledger.sqlite3"))) as other:
        told = []
        for each in (other, ledger):
            with each.write() as transaction:
                write(transaction)
                identity = f"{str(ROW['id'])[:-2]}04"
                event = transaction.record("transfer.rejected", "transfer", identity, "DWP", state="rejected")
                given_back = {"state": "rejected", "custody": False, "event": event}
                transaction.connection.execute(update(TRANSFERS).where(TRANSFERS.c.key == 5).values(given_back))
                marks.remember(transaction, {5: [marks.RecordNumbers(1, -(2**63), 2**62, 700_000, (7, 8))]})
            with each.read() as connection:
                looked = (
                    marks.seen(connection, [marks.RecordNumbers(2, -(2**63), 2**62, 0)]),
                    marks.judged_at(connection, [5]),
                )
            rules = [Rule(kind, Clock.TRANSFERS, 1, 2e9) for kind in retention.ROWS]
            with each.write() as transaction:
                erased = [retention.erase(transaction, rule, None, 100) for rule in rules]
            told.append((looked, erased))
        assert told[0] == told[1]
        assert sum(len(gone) for gone, _ in told[0][1]) > 20
        assert found(ledger)[1] | {"events": []} == found(other)[1] | {"events": []}
    with ledger.read() as connection:
        assert retention.size_of(connection) > 0
        retention.compact(connection, tmp_path)
    with ledger.read() as connection:
        assert retention.truncate_log(connection)
    found(ledger)


@pytest.mark.parametrize("comes_through", [True, False])
def test_a_commit_whose_answer_is_lost_is_asked_about_until_there_is_an_answer(
    server: PostgresqlLedgers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, comes_through: bool
) -> None:
    """Another writer has the head meanwhile, for longer than whoever waits for it may."""
    commit: Callable[[LedgerDialect, Any], None] = LedgerDialect.do_commit
    place = f"{server.new(tmp_path)}&options=-c%20lock_timeout%3D50ms"
    meanwhile, pauses, done = ExitStack(), list[float](), list[str]()

    def lost(dialect: LedgerDialect, connection: Any) -> None:
        monkeypatch.setattr(LedgerDialect, "do_commit", commit)
        if comes_through:
            commit(dialect, connection)
        plain = connection.driver_connection
        server.change(place, f"SELECT pg_terminate_backend({plain.info.backend_pid})")
        meanwhile.enter_context(other.write())
        plain.execute("SELECT 1")  # fails, as the answer's coming would

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            meanwhile.close()

    def write() -> None:
        with ledger.write() as transaction:
            transaction.insert(TRANSFERS, [{**ROW, "event": 1}])
            transaction.afterwards.append(lambda: done.append("afterwards"))
            monkeypatch.setattr(LedgerDialect, "do_commit", lost)

    monkeypatch.setattr("gateway.ledger.postgresql.doubt.time", SimpleNamespace(sleep=pause))
    with closing(opened(place)) as ledger, closing(opened(place)) as other:
        if comes_through:
            write()
        else:
            with pytest.raises(LedgerAway):
                write()
        with ledger.read() as connection:
            assert len(connection.execute(select(TRANSFERS)).all()) == len(done) == comes_through
    assert len(pauses) == 3


def test_a_role_works_with_a_ledger_once_wherever_its_processes_are(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.postgresql.holding._WAIT_SECONDS", 0.0)
    with closing(opened(ledger._place)) as other:
        with ledger.held(), pytest.raises(SiteBusy, match="is test of this ledger"), other.held():
            pytest.fail("two at once")
        other.role = "vault"
        with ledger.held(), other.held():
            pass
        with other.held():
            pass


def test_a_migration_that_the_database_refuses_says_where_to_look(server: PostgresqlLedgers, tmp_path: Path) -> None:
    place = server.new(tmp_path)
    server.change(place, "UPDATE alembic_version SET version_num = '0014'")  # what is there already would be made again
    with pytest.raises(LedgerRefused) as refused:
        migrate(place)
    assert (refused.value.code, "HOME/state/ledger" in refused.value.remedy) == ("ledger-refused", False)
    assert "server's log" in refused.value.remedy


def test_a_stream_may_be_broken_off(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        write(transaction)
    with ledger.read() as connection:
        assert next(events.chain(connection)).sequence == 1
        assert next(iter(check_chain(connection, since=Head(1, "0" * 64)))).check == "chain"
    gc.collect()  # a warning that nobody closed it would be an error here


def test_who_only_reads_needs_no_right_to_write_and_goes_on_where_it_is_given_again(
    server: PostgresqlLedgers, ledger: Ledger
) -> None:
    with ledger.write() as transaction:
        write(transaction)
        before = read_head(transaction.connection).sequence
    name = urlsplit(str(ledger._place)).path[1:]
    ledger.close()
    server.change(server.url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with ledger.read() as connection:
        assert read_head(connection).sequence >= before
    server.change(server.url, f"REVOKE TEMP ON DATABASE {name} FROM PUBLIC")
    with ledger.read() as connection:
        assert read_head(connection).sequence >= before
    server.change(server.url, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    ledger.close()
    with ledger.write() as transaction:
        transaction.record("gateway.started", "gateway", "test", None)
    with ledger.read() as connection:
        assert read_head(connection).sequence > before


def test_a_first_transaction_that_is_taken_back_leaves_the_connection_as_it_was(ledger: Ledger) -> None:
    for _ in range(2):
        with suppress(ZeroDivisionError), ledger.write() as transaction:
            transaction.record("gateway.started", "gateway", "test", None)
            raise ZeroDivisionError
    with ledger.write() as transaction:
        write(transaction)
    with ledger.read() as connection:
        assert list(check_chain(connection)) == list(check_rows(connection)) == []


def test_a_full_database_server_is_told_as_that() -> None:
    full = SimpleNamespace(sqlstate="53100", diag=None)
    assert isinstance(translate(full), LedgerFull)
    assert "PostgreSQL server" in LedgerFull("x").remedy
    assert "HOME" not in LedgerFull("x").remedy


def test_a_right_that_is_missing_is_told_with_its_table_and_a_value_never(
    server: PostgresqlLedgers, ledger: Ledger
) -> None:
    url = str(ledger._place)
    name = urlsplit(url).path[1:]
    server.change(url, f"CREATE ROLE {name}_clerk LOGIN")
    server.change(url, f"GRANT USAGE ON SCHEMA public TO {name}_clerk")
    with psycopg.connect(url.replace("user=postgres", f"user={name}_clerk")) as connection:
        with pytest.raises(psycopg.Error) as missing:
            connection.execute("INSERT INTO events (subject) VALUES ('a secret')")
        connection.rollback()
        with pytest.raises(psycopg.Error) as odd:
            connection.execute("SELECT 'a secret'::integer")
    assert str(translate(missing.value)).endswith("permission denied for table events")
    assert isinstance(translate(odd.value), LedgerRefused)
    assert "secret" not in str(translate(missing.value)) + str(translate(odd.value))
