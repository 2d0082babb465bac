"""People in the ledger: whatever is done, in whatever order, no set of roles that must not meet is ever there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.people import PersonRole, PersonState, apart, sees_data
from gateway.domain.retention import Clock, Kind, Rule, months_before
from gateway.errors import ImpossibleMove, Misuse, PersonUnknown, UsageWrong
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.migrate import migrate
from gateway.ledger.queries.people import ROLE_COLUMNS, active_with, people
from gateway.ledger.retention import erase
from gateway.ledger.store import Ledger
from gateway.ledger.tables import PEOPLE
from tests.fakes.credentials import START, WHY

DATES = Details(agreement="2026-01-01", training="2026-01-02")
NAMED = Details("Invented", "Assessment")
BOTH = Details("Invented", "Assessment", "2026-01-01", "2026-01-02")
SETS = [frozenset(chosen) for size in range(len(PersonRole) + 1) for chosen in combinations(PersonRole, size)]


@pytest.fixture(scope="module")
def empty() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.sqlite3"
        migrate(path)
        yield path


@pytest.fixture
def ledger(empty: Path, tmp_path: Path) -> Iterator[Ledger]:
    path = Path(shutil.copy(empty, tmp_path / "ledger.sqlite3"))
    made = Ledger(path, clock=lambda: START, role="test")
    yield made
    made.close()


roles = st.frozensets(st.sampled_from(PersonRole))
users = st.sampled_from(["hb1", "hb2"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), users, roles, st.sampled_from([NAMED, BOTH])),
        st.tuples(st.just("change"), users, roles, st.sampled_from([Details(), DATES, Details(training="2026-02-02")])),
        st.tuples(st.sampled_from(["suspend", "resume", "remove"]), users),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_no_order_of_changes_brings_together_what_must_not_meet(empty: Path, steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(Path(shutil.copy(empty, Path(directory) / "l.sqlite3")), clock=lambda: START, role="test")
        try:
            for name, user, *given_ in steps:
                with suppress(Misuse):
                    getattr(roster, name)(ledger, user, *given_, WHY)
                with ledger.read() as connection:
                    for person in people(connection):
                        assert apart(person.roles) is None
                        assert not sees_data(person.roles) or (person.agreement and person.training)
                        assert person.state is not PersonState.LEFT or not person.roles
            with ledger.read() as connection:
                assert [*check_chain(connection), *check_rows(connection)] == []
        finally:
            ledger.close()


def test_the_ledger_itself_refuses_what_the_law_refuses_and_nothing_else(ledger: Ledger) -> None:
    """Past every function: a row as whoever writes SQL would write it."""
    for number, wanted in enumerate(SETS):
        columns = {column: role in wanted for role, column in ROLE_COLUMNS.items()}
        for dates in ({"agreement": "2026-01-01", "training": "2026-01-02"}, {"agreement": "2026-01-01"}, {}):
            row = {
                "user": f"u{number}.{len(dates)}",
                "name": "",
                "unit": "",
                "state": "active",
                "changes": 0,
                **columns,
            }
            wrong = apart(wanted) is not None or (sees_data(wanted) and len(dates) < 2)
            refused = False
            try:
                with ledger.write() as transaction:
                    transaction.insert(PEOPLE, [{**row, "agreement": None, "training": None, **dates}])
            except ImpossibleMove:
                refused = True
            assert refused == wrong, (sorted(wanted), dates)


@pytest.mark.parametrize(
    "change",
    ["operator = 2", "state = 'gone'", "state = 'left'", "secure_print = 1", "administrator = 1", "agreement = NULL"],
)
def test_the_ledger_refuses_an_update_as_well(ledger: Ledger, change: str) -> None:
    roster.add(ledger, "hb1", {PersonRole.OPERATOR}, BOTH, WHY)
    with pytest.raises(ImpossibleMove), ledger.write() as transaction:
        transaction.connection.exec_driver_sql(f"UPDATE people SET {change}")  # noqa: S608 - the test's own


def test_every_change_counts_and_is_an_event_with_who_decided(ledger: Ledger) -> None:
    roster.add(ledger, "hb1", {PersonRole.AUDITOR}, NAMED, WHY)
    roster.change(ledger, "hb1", None, DATES, WHY)
    roster.change(ledger, "hb1", {PersonRole.OPERATOR}, Details(), WHY)
    roster.suspend(ledger, "hb1", WHY)
    roster.resume(ledger, "hb1", WHY)
    left = roster.remove(ledger, "hb1", WHY)
    assert (left.changes, left.state, left.roles) == (5, PersonState.LEFT, frozenset())
    with ledger.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT event, subject, detail ->> 'actor', detail ->> 'roles', detail ->> 'before' FROM events WHERE kind = 'person'"
        ).all()
        names = connection.exec_driver_sql("SELECT count(*) FROM events WHERE detail LIKE '%Invented%'").scalar()
        assert roster.listed(connection) == []
        assert roster.listed(connection, left=True) == [left]
        assert roster.shown(left).roles == ()
    assert [tuple(row) for row in rows] == [
        ("person.added", "hb1", "tester", '["auditor"]', None),
        ("person.changed", "hb1", "tester", None, None),
        ("person.changed", "hb1", "tester", '["operator"]', '["auditor"]'),
        ("person.suspended", "hb1", "tester", None, None),
        ("person.resumed", "hb1", "tester", None, None),
        ("person.removed", "hb1", "tester", None, '["operator"]'),
    ]
    assert names == 0, "a name stays where it can be erased"


def test_a_user_id_is_never_given_again(ledger: Ledger) -> None:
    roster.add(ledger, "hb1", {PersonRole.AUDITOR}, NAMED, WHY)
    roster.remove(ledger, "hb1", WHY)
    attempts: list[Callable[[], object]] = [
        lambda: roster.add(ledger, "hb1", {PersonRole.AUDITOR}, NAMED, WHY),
        lambda: roster.resume(ledger, "hb1", WHY),
        lambda: roster.change(ledger, "hb1", {PersonRole.AUDITOR}, Details(), WHY),
        lambda: roster.remove(ledger, "hb1", WHY),
    ]
    for again in attempts:
        with pytest.raises(UsageWrong):
            again()


def test_what_says_nothing_or_too_much_is_refused(ledger: Ledger) -> None:
    roster.add(ledger, "hb1", {PersonRole.AUDITOR}, NAMED, WHY)
    for details in (
        Details(),
        Details(name=""),
        Details(name="x" * 101),
        Details(unit="QQ 12 34 56 C"),
        Details(name="a\x1b[31m"),
        Details(training="2099-01-01"),
    ):
        with pytest.raises(UsageWrong):
            roster.change(ledger, "hb1", None, details, WHY)
    with pytest.raises(UsageWrong):
        roster.add(ledger, "hb2", (), Details(name="Invented"), WHY)
    with pytest.raises(UsageWrong):
        roster.resume(ledger, "hb1", WHY)
    for change in (roster.suspend, roster.resume, roster.remove):
        with pytest.raises(PersonUnknown):
            change(ledger, "hb9", WHY)


def test_whoever_decides_can_be_found_by_role(ledger: Ledger) -> None:
    for user in ("hb2", "hb1", "hb3"):
        roster.add(ledger, user, {PersonRole.CHECKING_OFFICER}, BOTH, WHY)
    roster.suspend(ledger, "hb3", WHY)
    with ledger.read() as connection:
        assert [person.user for person in active_with(connection, PersonRole.CHECKING_OFFICER)] == ["hb1", "hb2"]
        assert active_with(connection, PersonRole.AUDITOR) == []


def test_names_of_whoever_left_are_erased_after_their_time_and_the_chain_holds(tmp_path: Path, empty: Path) -> None:
    now = [START]
    path = Path(shutil.copy(empty, tmp_path / "ledger.sqlite3"))
    ledger = Ledger(path, clock=lambda: now[0], role="test")
    try:
        roster.add(ledger, "hb1", {PersonRole.OPERATOR}, BOTH, WHY)
        roster.add(ledger, "hb2", {PersonRole.AUDITOR}, NAMED, WHY)
        roster.remove(ledger, "hb1", WHY)
        for months, names in ((17, ["Invented", "Invented"]), (20, ["", "Invented"])):
            now[0] = START + months * 31 * 86_400.0
            rule = Rule(Kind.PEOPLE, Clock.DECISIONS, 18, months_before(now[0], 18))
            with ledger.write() as transaction:
                erase(transaction, rule, None, 10)
            with ledger.read() as connection:
                assert [person.name for person in people(connection)] == names
                assert [*check_chain(connection), *check_rows(connection)] == []
    finally:
        ledger.close()
