"""Whatever is changed in a row that says what happened, an audit finds: a value at a time, over every column of every table."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Connection, Float, Integer, text

from gateway.domain.checks import Criterion
from gateway.domain.decision import Decision
from gateway.domain.incidents import FormKind, IncidentKind, IncidentOutcome
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act
from gateway.ledger import checks, incidents, legal_holds, people, proposals, requests
from gateway.ledger.audit.chain import Fault, any_text, check_chain
from gateway.ledger.audit.last_commitments import last_commitments
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.audit.schema import check_pages, check_schema
from gateway.ledger.capture import stored_rows
from gateway.ledger.commitment import (
    COMMITTED,
    ERASED,
    EXEMPT,
    KEY,
    PERSONAL,
    PLAIN,
    SALT,
    SALT_BYTES,
    UNPROVEN,
    personal_digest,
    row_digest,
)
from gateway.ledger.engine import driver_of
from gateway.ledger.migrate import migrate
from gateway.ledger.queries import quarantine
from gateway.ledger.store import Ledger, Transaction, read_head
from gateway.ledger.tables import EVENTS, METADATA, TRANSFERS
from gateway.stages.request_answers import decide
from tests.fakes.older_ledger import at_version
from tests.fakes.staff import hire
from tests.fakes.two_ledgers import two_ledgers

ROLES = {PersonRole.OPERATOR, PersonRole.CHECKING_OFFICER}
WHY = Decision("tester", "because of the test")
PROVEN = [table for name, table in METADATA.tables.items() if table is not EVENTS and name not in UNPROVEN]
SIZES = [(table.name, column.name) for table in PROVEN for column in table.columns]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with rows in every table, written by real stages."""
    directory = tmp_path_factory.mktemp("commitments")
    with two_ledgers(directory / "sites") as pair:
        for name, content in (("a.xml", b"claim a"), ("w.xml", b"wrong"), ("again.xml", b"claim a")):
            pair.dwp.submit(name, content)
        pair.work()
        pair.la.submit("hbE09000030.csv", b"extract", flow="extract")
        (pair.dwp.home.landing_in("E09000030") / "junk.txt").write_bytes(b"junk")
        pair.work()
        with pair.dwp.ledger.read() as connection:
            (locked,) = quarantine.quarantined(connection)
        decide(pair.dwp.context, Act.DISCARD, locked.id, WHY)
        with pair.dwp.ledger.write() as transaction:
            legal_holds.place(transaction, pair.dwp.context.new_id(), "quarantine", locked.id, locked.partner, WHY)
            people.add(transaction, "hb1", "Invented", "Assessment", ROLES, "2026-01-01", "2026-01-02", WHY)
            look(transaction)
        hire(pair.dwp.ledger, "hb1001", "hb1002")
        with pair.dwp.ledger.write() as transaction:
            asked = requests.ask(
                transaction, pair.dwp.context.new_id(), Act.RELEASE, pair.dwp.other, "hb1001", "it is back"
            )
            proposals.agree(transaction, asked.id, Decision("hb1002", "seen the papers"), 0.0)
        pair.dwp.snapshot(directory / "ledger.sqlite3")
    return directory / "ledger.sqlite3"


def look(transaction: Transaction) -> None:
    """Somebody opens a payload without papers, and another finds that out; a report is printed twice; a form is filled in."""
    (opener, officer) = (
        people.add(transaction, user, "Invented", "Assessment", ROLES, "2026-01-01", "2026-01-02", WHY)
        for user in ("hb2", "hb3")
    )
    opening = checks.record_opening(
        transaction,
        "o",
        "hb2",
        kind="transfer",
        unit="t",
        partner="E09000030",
        flow="claim",
        system="console",
        reason="because",
        case_reference="HBE-1",
    )
    check = checks.draw(transaction, "c", opening, opener, "DWP", Criterion.RANDOM)
    checks.acknowledge(transaction, check, "hb2")
    checks.explain(transaction, check, "hb2", "no papers")
    checks.decide(transaction, check, officer.user, supported=False, finding="none found")
    checks.validate(transaction, check, "hb4", agreed=True, remark="seen")
    incident = incidents.open_incident(
        transaction, "i", IncidentKind.ACCESS, "hb3", "none found", about="hb2", check="c"
    )
    incidents.add_entry(transaction, incident, "hb3", "asked")
    incidents.close(transaction, incident, "hb3", IncidentOutcome.MISTAKE, "trained again")
    for copy, reason in ((1, ""), (2, "lost")):
        incidents.note_printing(transaction, "2026-11-27", copy, "hb5", count=1, sha256="ab", reason=reason)
    incidents.fill_in(transaction, "f", FormKind.SYSTEM_FAULT, "hb2", {"what": "it stood still"})


@pytest.fixture(scope="module")
def books(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path, clock=lambda: 0.0, role="test")
    yield ledger
    ledger.close()


@pytest.fixture
def connection(books: Ledger) -> Iterator[Connection]:
    """A view of the ledger; what is changed in it is gone after the test."""
    with books.read() as opened, any_text(opened):
        # Whoever edits the file need not heed what its tables refuse.
        driver_of(opened).execute("PRAGMA ignore_check_constraints = ON")
        yield opened


def faults(connection: Connection) -> list[Fault]:
    return [*check_chain(connection), *check_rows(connection)]


def keys_of(connection: Connection, table: str) -> list[Any]:
    return [key for (key,) in connection.exec_driver_sql(f'SELECT "{KEY[table]}" FROM {table}').all()]  # noqa: S608


def rows_of(connection: Connection, table: str) -> list[dict[str, Any]]:
    return [row._asdict() for row in connection.execute(METADATA.tables[table].select().order_by(text("1")))]


# -- the lists


@pytest.mark.parametrize("table", PROVEN, ids=str)
def test_every_column_is_plain_personal_or_exempt_and_in_one_list(table: Any) -> None:
    listed = [SALT, *PLAIN[table.name], *PERSONAL[table.name], *EXEMPT[table.name]]
    assert sorted(listed) == sorted(table.columns.keys())
    assert KEY[table.name] == table.primary_key.columns.keys()[0]


def test_every_table_but_that_of_the_events_and_of_what_triage_remembers_is_proven() -> None:
    assert set(KEY) == set(METADATA.tables) - {"events", "marks", "claim_marks", "nodes", "lane_owners"}


def test_columns_keep_the_order_of_their_tables() -> None:
    """What the digest is made of does not depend on who wrote the lists."""
    for table in PROVEN:
        order = table.columns.keys()
        for names in (PLAIN, PERSONAL, EXEMPT):
            assert list(names[table.name]) == sorted(names[table.name], key=order.index)


# -- one value at a time


def test_what_real_stages_wrote_has_no_faults(connection: Connection) -> None:
    for table in PROVEN:
        assert keys_of(connection, table.name), f"no row in {table.name}"
    assert faults(connection) == []


@pytest.mark.parametrize(("table", "column"), SIZES)
def test_an_edit_of_one_value_is_found_unless_its_column_is_exempt(
    connection: Connection, table: str, column: str
) -> None:
    kind = METADATA.tables[table].columns[column].type
    new = f"coalesce({column}, '') || '0'"
    if isinstance(kind, Boolean):
        new = f"1 - {column}"
    elif isinstance(kind, Integer | Float):
        new = f"coalesce({column}, 0) + 1000000"
    for key in keys_of(connection, table):
        savepoint = connection.begin_nested()
        connection.exec_driver_sql(f'UPDATE {table} SET "{column}" = {new} WHERE "{KEY[table]}" = ?', (key,))  # noqa: S608
        found = faults(connection)
        assert bool(found) != (column in EXEMPT[table]), f"{table}.{column} of {key}: {found}"
        savepoint.rollback()


@pytest.mark.parametrize("table", KEY)
def test_a_value_that_becomes_null_empty_or_of_another_kind_is_found(connection: Connection, table: str) -> None:
    (key, *_) = keys_of(connection, table)
    for column in {*PERSONAL[table], *PLAIN[table], SALT} - {"key"} - ({"sequence"} if table == "reasons" else set()):
        before = connection.exec_driver_sql(f'SELECT "{column}" FROM {table} WHERE "{KEY[table]}" = ?', (key,)).scalar()  # noqa: S608
        for new in ("NULL", "''", "x'00ff'", "CAST(x'ff41' AS TEXT)"):
            if (new == "NULL" and (before is None or not METADATA.tables[table].columns[column].nullable)) or (
                new == "''" and before == ""
            ):
                continue
            savepoint = connection.begin_nested()
            connection.exec_driver_sql(f'UPDATE {table} SET "{column}" = {new} WHERE "{KEY[table]}" = ?', (key,))  # noqa: S608
            assert faults(connection), f"nobody noticed {table}.{column} = {new}"
            savepoint.rollback()


@pytest.mark.parametrize("table", KEY)
def test_a_deleted_row_is_found(connection: Connection, table: str) -> None:
    for key in keys_of(connection, table):
        savepoint = connection.begin_nested()
        connection.exec_driver_sql(f'DELETE FROM {table} WHERE "{KEY[table]}" = ?', (key,))  # noqa: S608
        assert any("it is gone" in fault.message for fault in faults(connection))
        savepoint.rollback()


@pytest.mark.parametrize("table", KEY)
def test_a_forged_row_is_found(connection: Connection, table: str) -> None:
    """A copy of a true row under a key, an id and a partner of its own."""
    changed = {
        "key": "key + 1000",
        "id": "id || '0'",
        "partner": "partner || '0'",
        "user": "user || '0'",
        "opening": "opening || '0'",
        "copy": "copy + 1000",
        "sequence": "coalesce(sequence, 0) + 1000",
    }
    names = METADATA.tables[table].columns.keys()
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} LIMIT 1")  # noqa: S608
    assert any(fault.message == "the chain does not know this row" for fault in faults(connection))


def test_two_rows_that_change_places_are_found(connection: Connection) -> None:
    """Both are rows that the chain committed to, and each lies where the other was."""
    for old, new in ((1, -1), (2, 1), (-1, 2)):
        connection.exec_driver_sql("UPDATE transfers SET key = ? WHERE key = ?", (new, old))
    assert len([fault for fault in faults(connection) if fault.check == "row"]) == 2


def test_a_row_that_is_put_back_to_what_it_was_is_found(books: Ledger, connection: Connection) -> None:
    """The chain committed to this very row once, and to another one since."""
    commitments = connection.exec_driver_sql("SELECT detail FROM events WHERE event = ?", (COMMITTED,)).scalars().all()
    assert sum("1" in json.loads(detail).get("transfers", {}) for detail in commitments) > 1
    first = next(json.loads(detail) for detail in commitments if "transfers" in json.loads(detail))
    known = last_commitments(driver_of(connection))
    taken = known.take("transfers", 1)
    assert taken is not None
    assert taken.hex() != first["transfers"]["1"]


# -- the chain


@pytest.mark.parametrize("column", EVENTS.columns.keys())
def test_an_edit_of_any_event_is_found(connection: Connection, column: str) -> None:
    new = "sequence + 1000000" if column == "sequence" else f"coalesce({column}, '') || '0'"
    for sequence in range(1, read_head(connection).sequence + 1):
        savepoint = connection.begin_nested()
        connection.exec_driver_sql(f"UPDATE events SET {column} = {new} WHERE sequence = ?", (sequence,))  # noqa: S608
        assert faults(connection)
        savepoint.rollback()


def test_a_cut_anywhere_in_the_chain_is_found(connection: Connection) -> None:
    for sequence in range(1, read_head(connection).sequence + 1):
        savepoint = connection.begin_nested()
        connection.exec_driver_sql("DELETE FROM events WHERE sequence >= ?", (sequence,))
        assert faults(connection)
        savepoint.rollback()


def test_events_that_change_places_are_found(connection: Connection) -> None:
    for sequence in range(1, read_head(connection).sequence):
        savepoint = connection.begin_nested()
        for old, new in ((sequence, -1), (sequence + 1, sequence), (-1, sequence + 1)):
            connection.exec_driver_sql("UPDATE events SET sequence = ? WHERE sequence = ?", (new, old))
        assert faults(connection)
        savepoint.rollback()


# -- since an anchor


def test_since_an_anchor_only_what_came_after_it_is_looked_at(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    copy.write_bytes(path.read_bytes())
    with closing(Ledger(copy, clock=lambda: 1_795_100_000.0, role="test")) as ledger:
        with ledger.read() as connection:
            anchor = read_head(connection)
        with ledger.write() as transaction:
            event = transaction.record("transfer.held", "transfer", "any", state="held")
            transaction.connection.exec_driver_sql(
                "UPDATE transfers SET reason = 'so', event = ? WHERE key = 1", (event,)
            )
        with ledger.read() as connection:
            late = [*check_chain(connection, since=anchor), *check_rows(connection, since=anchor)]
            assert [fault.message for fault in late] == [f"it names event {event}, which is about something else"]
            connection.exec_driver_sql("UPDATE transfers SET name = 'b.xml' WHERE key = 2")
            assert len(list(check_rows(connection, since=anchor))) == 1, "it was committed to before the anchor"
            connection.exec_driver_sql("UPDATE transfers SET name = 'b.xml' WHERE key = 1")
            assert len(list(check_rows(connection, since=anchor))) == 2
            connection.exec_driver_sql("UPDATE transfers SET event = ? WHERE key = 2", (event,))
            assert "transfer" in "".join(fault.subject for fault in check_rows(connection, since=anchor))
            connection.exec_driver_sql("DELETE FROM transfers WHERE key = 1")
            assert any("it is gone" in fault.message for fault in check_rows(connection, since=anchor))


# -- what may be forgotten


def test_a_row_agrees_with_its_digest_once_its_personal_columns_are_erased(connection: Connection) -> None:
    for table in KEY:
        for row in rows_of(connection, table):
            erased = row | dict.fromkeys(PERSONAL[table]) | {SALT: ERASED + personal_digest(table, row)}
            assert row_digest(table, erased) == row_digest(table, row)
            assert row_digest(table, erased | {PERSONAL[table][0]: "other"}) != row_digest(table, row)


def test_erasing_needs_an_event_that_says_so(connection: Connection) -> None:
    row, *_ = rows_of(connection, "transfers")
    emptied = ", ".join(f"{name} = ''" if name == "name" else f"{name} = NULL" for name in PERSONAL["transfers"])
    salt = ERASED + personal_digest("transfers", row)
    connection.exec_driver_sql(f"UPDATE transfers SET {emptied}, salt = ? WHERE key = 1", (salt,))  # noqa: S608
    assert [fault.message for fault in check_rows(connection)] == [
        "what may name people is erased in it, and no event says so"
    ]
    connection.exec_driver_sql("UPDATE events SET event = 'transfer.erased' WHERE subject = ?", (row["id"],))
    assert not any("no event says so" in fault.message for fault in check_rows(connection))


# -- who writes them


def test_the_digest_is_what_the_documentation_says(connection: Connection) -> None:
    """By the standard library alone, with a name of more than ASCII."""
    row, *_ = rows_of(connection, "transfers")
    row |= {"name": 'Zoë "1"\n\x01\u2028.xml', "custody": False}

    def digest(content: list[Any]) -> str:
        return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()

    personal = digest([row["salt"], *([name, row[name]] for name in PERSONAL["transfers"])])
    plain = [
        [name, int(row[name]) if name in ("custody", "notify_pending") else row[name]] for name in PLAIN["transfers"]
    ]
    assert row_digest("transfers", row) == digest(["transfers", personal, *plain])


def test_a_reason_can_be_erased_and_the_chain_holds(connection: Connection) -> None:
    """What the chain has of a person's words is a salted digest, in the decision's event too."""
    row, *_ = rows_of(connection, "reasons")  # of the discarding; the others are of the legal hold, and of a person
    details = connection.exec_driver_sql("SELECT detail FROM events").scalars().all()
    assert row["text"] == WHY.reason
    assert not any(WHY.reason in detail for detail in details)
    digest = hashlib.sha256(json.dumps([row[SALT], ["text", row["text"]]], separators=(",", ":")).encode()).hexdigest()
    assert sum(json.loads(detail).get("reason_sha256") == digest for detail in details) == 1
    connection.exec_driver_sql(
        "UPDATE reasons SET text = '', salt = ? WHERE sequence = ?", (ERASED + digest, row["sequence"])
    )
    assert [fault.message for fault in check_rows(connection)] == [
        "what may name people is erased in it, and no event says so"
    ]
    said = "kind = 'reason', subject = ?, event = 'reason.erased'"
    connection.exec_driver_sql(f"UPDATE events SET {said} WHERE sequence = 1", (str(row["sequence"]),))  # noqa: S608 - words of this test
    assert not [fault for fault in check_rows(connection) if fault.subject.startswith("reason")]


def test_a_reason_that_the_chain_was_made_to_commit_to_is_not_that_of_its_event(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    copy.write_bytes(path.read_bytes())
    with closing(Ledger(copy, clock=lambda: 0.0, role="test")) as ledger:
        with ledger.write() as transaction:
            transaction.connection.exec_driver_sql(
                "UPDATE reasons SET text = 'because of another' WHERE sequence = (SELECT min(sequence) FROM reasons)"
            )
        with ledger.read() as connection:
            assert [fault.message for fault in faults(connection)] == [
                "the event of that number has another digest of it, or none"
            ]


def test_salts_are_all_different(connection: Connection) -> None:
    salts = [values[0] for table in KEY for _, values in stored_rows(driver_of(connection), table)]
    assert len(set(salts)) == len(salts)
    assert all(re.fullmatch("[0-9a-f]{32}", salt) for salt in salts)


def test_raw_sql_in_a_transaction_is_committed_to_and_a_rollback_forgets_it(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    copy.write_bytes(path.read_bytes())
    with closing(Ledger(copy, clock=lambda: 0.0, role="test")) as ledger:

        def spoil() -> None:
            with ledger.write() as transaction:
                transaction.connection.exec_driver_sql("UPDATE transfers SET name = 'x.xml'")
                raise KeyError

        with pytest.raises(KeyError):
            spoil()
        with ledger.write() as transaction:
            transaction.connection.exec_driver_sql("UPDATE transfers SET reference = 'later' WHERE key = 2")
        with ledger.read() as connection:
            assert faults(connection) == []
            last = connection.exec_driver_sql("SELECT event, detail FROM events ORDER BY sequence DESC LIMIT 1").one()
            before = read_head(connection)
        assert (last.event, list(json.loads(last.detail)["transfers"])) == (COMMITTED, ["2"])
        with ledger.write() as transaction:
            transaction.claim(TRANSFERS, [1, 2])
            transaction.set_lane("E09000030")
            transaction.set(TRANSFERS, [1], due=5.0)
        with ledger.write() as transaction:
            transaction.connection.exec_driver_sql("DELETE FROM quarantine")
        with ledger.read() as connection:
            assert faults(connection) == []
            detail = connection.exec_driver_sql("SELECT detail FROM events ORDER BY sequence DESC LIMIT 1").scalar()
            assert list(json.loads(str(detail))["quarantine"].values()) == [None]
            assert read_head(connection).sequence == before.sequence + 2


def test_working_state_alone_adds_nothing_to_the_chain(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    copy.write_bytes(path.read_bytes())
    with closing(Ledger(copy, clock=lambda: 0.0, role="test")) as ledger:
        with ledger.read() as connection:
            before = read_head(connection)
        with ledger.write() as transaction:
            transaction.claim(TRANSFERS, [1, 2])
            transaction.set(TRANSFERS, [1], due=5.0)
        with ledger.read() as connection:
            assert read_head(connection) == before


# -- ledgers from before


def test_a_ledger_from_before_commits_to_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    at_version(path, "0003")
    values = "?, 'out', 'claim', 'E09000030', 'a.xml', 1, 'aa', 0, 0, 'admitted', 0, 0, 0, 1, 1, 1"
    with closing(sqlite3.connect(path)) as old, old:
        old.executemany(
            "INSERT INTO transfers (id, direction, flow, partner, name, size, sha256, custody, notify_pending, state, claims,"  # noqa: S608 - made here
            f" attempts, due, event, created, updated) VALUES ({values})",
            [(f"t{number}",) for number in range(12_000)],
        )
    assert migrate(path, clock=lambda: 1_795_000_000.0) == 12_000
    assert migrate(path) is None
    with closing(Ledger(path, clock=lambda: 0.0, role="test")) as ledger, ledger.read() as connection:
        names = connection.exec_driver_sql("SELECT event FROM events ORDER BY sequence").scalars().all()
        assert names == ["ledger.adopted", *[COMMITTED] * 3]
        assert {fault.message for fault in faults(connection)} == {"it names event 1, which is about something else"}
        connection.exec_driver_sql("UPDATE transfers SET name = 'b.xml' WHERE key = 7000")
        assert len(faults(connection)) == 12_001


def test_a_request_from_before_two_people_keeps_its_digest(tmp_path: Path) -> None:
    """The columns that came later enter no digest while they say nothing; what somebody writes into one is found."""
    path = tmp_path / "ledger.sqlite3"
    at_version(path, "0010")
    names = ("key", "id", "act", "subject", "actor", "reason", "state", "lease", "created", "updated", "salt")
    row = dict(zip(names, (1, "r1", "hold", "019a", "root", "a reason", "done", 0.0, 1.0, 2.0, "00" * 16), strict=True))
    told = {name: row.get(name) for name in (*_PLAIN_0010, *_PERSONAL_0010)}
    personal = sha([row["salt"], *([name, told[name]] for name in _PERSONAL_0010)])
    before = sha(["requests", personal, *([name, told[name]] for name in _PLAIN_0010)])
    with closing(sqlite3.connect(path)) as old, old:
        places = ", ".join("?" * len(names))
        old.execute(f"INSERT INTO requests ({', '.join(names)}) VALUES ({places})", tuple(row.values()))  # noqa: S608 - names
    assert migrate(path) is None
    with closing(Ledger(path, clock=lambda: 3.0, role="test")) as ledger:
        with ledger.write() as transaction:
            transaction.commit_to({"requests": {"1": before}})
        with ledger.read() as connection:
            assert faults(connection) == []
            for column in ("takes", "decided", "decider", "decider_reason", "argument"):
                savepoint = connection.begin_nested()
                connection.exec_driver_sql(f"UPDATE requests SET {column} = '1'")  # noqa: S608 - names
                assert faults(connection), column
                savepoint.rollback()


_PLAIN_0010 = ("key", "id", "act", "state", "kind", "unit", "partner", "became", "code", "remedy", "created", "updated")
_PERSONAL_0010 = ("subject", "actor", "reason", "refusal")


def sha(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def test_a_new_ledger_has_adopted_nothing(tmp_path: Path) -> None:
    assert migrate(tmp_path / "ledger.sqlite3") is None
    with closing(Ledger(tmp_path / "ledger.sqlite3", clock=lambda: 0.0, role="test")) as ledger, ledger.read() as found:
        assert read_head(found).sequence == 0


def test_salts_are_drawn_by_whoever_opens_the_ledger(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    copy.write_bytes(path.read_bytes())
    drawn = (bytes([number]) * SALT_BYTES for number in range(256))
    with closing(Ledger(copy, clock=lambda: 0.0, role="test", random_bytes=lambda _: next(drawn))) as ledger:
        with ledger.write() as transaction:
            made = transaction.lane("W06000024")
            row = {
                name: value
                for name, value in rows_of(transaction.connection, "transfers")[0].items()
                if name not in ("key", SALT)
            }
            transaction.insert(TRANSFERS, [row | {"id": "1"}, row | {"id": "2"}])
        with ledger.read() as connection:
            salts = [each[SALT] for each in rows_of(connection, "transfers")[-2:]]
    assert [made.salt, *salts] == ["00" * 16, "01" * 16, "02" * 16]


# -- what the ledger is made of


def opened_copy(path: Path, copy: Path, script: str) -> Ledger:
    """A copy of a ledger, after somebody was at it."""
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as made:
        made.executescript(script)
    return Ledger(copy, clock=lambda: 0.0, role="test")


def test_rows_and_events_that_an_index_was_made_to_leave_out_are_found(path: Path, tmp_path: Path) -> None:
    """An index of subjects without some commitments, whose text says that it has all: the rows that they are about are gone."""
    with closing(sqlite3.connect(path)) as made:
        found = made.execute("SELECT sequence, detail FROM events WHERE event = ?", (COMMITTED,)).fetchall()
        hidden = [str(sequence) for sequence, detail in found if "1" in json.loads(detail).get("transfers", {})]
        (text_,) = made.execute("SELECT sql FROM sqlite_master WHERE name = 'events_by_subject'").fetchone()
    script = f"""
        DELETE FROM transfers WHERE key = 1;
        DROP INDEX events_by_subject;
        CREATE INDEX events_by_subject ON events (subject) WHERE sequence NOT IN ({", ".join(hidden)});
        PRAGMA writable_schema = 1;
        UPDATE sqlite_master SET sql = '{text_}' WHERE name = 'events_by_subject';
        PRAGMA writable_schema = 0;
    """  # noqa: S608 - made here
    assert hidden
    with (
        closing(opened_copy(path, tmp_path / "ledger.sqlite3", script)) as ledger,
        ledger.read() as connection,
    ):
        by_index = connection.exec_driver_sql("SELECT sequence FROM events WHERE subject = 'rows'").all()
        assert not {int(sequence) for sequence in hidden} & {sequence for (sequence,) in by_index}
        gone = Fault("row", "transfer of key 1", "the chain committed to this row, and it is gone")
        assert gone in list(check_rows(connection))
        assert list(check_schema(connection)) == [], "its text says nothing"
        told = [fault.message for fault in check_pages(connection)]
        assert f"row {hidden[0]} missing from index events_by_subject" in told


@pytest.mark.parametrize(
    ("script", "subject"),
    [
        ("CREATE TRIGGER quiet AFTER UPDATE ON transfers BEGIN SELECT 1; END", "trigger quiet"),
        ("CREATE VIEW other AS SELECT * FROM transfers", "view other"),
        ("CREATE TABLE other (key INTEGER PRIMARY KEY)", "table other"),
        ("ALTER TABLE transfers ADD COLUMN other TEXT", "table transfers"),
        ("ALTER TABLE transfers RENAME COLUMN reference TO other", "table transfers"),
        ("DROP INDEX events_by_subject", "index events_by_subject"),
        (
            "DROP INDEX events_by_subject; CREATE INDEX events_by_subject ON events (subject) WHERE sequence > 9",
            "index events_by_subject",
        ),
        ("CREATE INDEX other ON events (event, kind, subject, sequence, detail) WHERE sequence > 9", "index other"),
        ("DROP TABLE quarantine", "table quarantine"),
        (
            "ALTER TABLE transfers RENAME TO other; CREATE VIEW transfers AS SELECT * FROM other",
            "view transfers",
        ),
    ],
)
def test_what_the_migrations_do_not_make_is_found(path: Path, tmp_path: Path, script: str, subject: str) -> None:
    with (
        closing(opened_copy(path, tmp_path / "ledger.sqlite3", script)) as ledger,
        ledger.read() as connection,
    ):
        assert subject in [fault.subject for fault in check_schema(connection)]
        list(check_rows(connection))  # goes on to its end whatever is missing


def test_a_ledger_of_any_age_has_the_same_schema(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite3"
    at_version(old, "0001")
    migrate(old)
    for each in (path, old):
        with closing(Ledger(each, clock=lambda: 0.0, role="test")) as ledger, ledger.read() as connection:
            assert [*check_schema(connection), *check_pages(connection)] == []
