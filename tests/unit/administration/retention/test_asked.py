"""Disposal and legal holds that people of the console ask for: two dispose, by the next run, in both names; one keeps, two let go."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.administration.requests import asking
from gateway.administration.retention.last_run import last_run
from gateway.administration.views.retention import due_rows, retention
from gateway.domain.identity import to_text
from gateway.domain.people import PersonState
from gateway.domain.requests import Act, RequestState
from gateway.ledger import people, requests
from gateway.ledger.queries.waiting import due_now
from gateway.ledger.store import Ledger
from gateway.ledger.units import Request
from gateway.stages.timers.requests import INSPECT_ACTS, Requests
from tests.fakes.staff import ADMINISTRATOR, hire
from tests.fakes.two_ledgers import Bench, two_ledgers
from tests.unit.administration.retention.conftest import DAY, Past, live

LATE = 20 * 365 * DAY
WHY = "the year is over"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Bench, Past]]:
    """An authority's site with a past, and two supervisors."""
    with two_ledgers(tmp_path / "sites") as pair:
        past = live(pair, random.Random("retention"))[1]
        with closing(Ledger(past.home.ledger, clock=time.time, role="test")) as ledger:
            hire(ledger, "hb1001", "hb1002")
        yield pair.la, past


def proposed(past: Past, act: Act, subject: str) -> str:
    with closing(Ledger(past.home.ledger, clock=time.time, role="console")) as ledger:
        return asking.ask(past.settings, ledger, act, subject, "hb1001", WHY)


def agreed(past: Past, identity: str) -> None:
    with closing(Ledger(past.home.ledger, clock=time.time, role="console")) as ledger:
        asking.agree(past.settings, ledger, identity, "hb1002", "I looked at the plan")


def answer(past: Past, identity: str) -> Request:
    with closing(Ledger(past.home.ledger, clock=time.time, role="test")) as ledger, ledger.read() as connection:
        return requests.find(connection, identity)


def test_two_dispose_by_the_next_run_and_the_certificate_has_both(site: tuple[Bench, Past]) -> None:
    past = site[1]
    identity = proposed(past, Act.DISPOSE, "retention")
    agreed(past, identity)
    with closing(Ledger(past.home.ledger, clock=time.time, role="test")) as ledger, ledger.read() as connection:
        assert due_now(connection, time.time()) == 0, "a run does it, and no role"
    past.dispose(time.time() + 80 * DAY, role="inspect")
    assert answer(past, identity).state == RequestState.ASKED, "the run that certifies answers"
    assert last_run(past.home.run) is None
    end = time.time() + LATE
    done = past.dispose(end)
    assert last_run(past.home.run) == pytest.approx(end, abs=0.01)
    assert done.certificate is not None
    assert "hb1001 with hb1002" in done.certificate
    told = answer(past, identity)
    assert (told.state, told.became, told.kind) == (RequestState.DONE, "disposed", "retention")
    assert past.faults() == ()


def test_certificate_of_the_split_installation_has_both_whichever_part_was_due(site: tuple[Bench, Past]) -> None:
    past = site[1]
    identity = proposed(past, Act.DISPOSE, "retention")
    agreed(past, identity)
    soon = time.time() + 100 * DAY
    assert past.plan(soon, "vault").count == 0 < past.plan(soon, "inspect").count
    assert past.dispose(soon, role="inspect").certificate is None
    done = past.dispose(soon, role="vault")
    assert "hb1001 with hb1002" in (done.certificate or "")
    assert answer(past, identity).became == "disposed"


def test_proposal_disposes_of_nothing_in_nobodys_name(site: tuple[Bench, Past]) -> None:
    past = site[1]
    identity = proposed(past, Act.DISPOSE, "retention")
    done = past.dispose(time.time() + LATE)
    assert done.certificate is not None
    assert "hb1001" not in done.certificate
    assert answer(past, identity).state == RequestState.PROPOSED


def test_nothing_over_its_time_is_an_answer(site: tuple[Bench, Past]) -> None:
    past = site[1]
    identity = proposed(past, Act.DISPOSE, "retention")
    agreed(past, identity)
    assert past.dispose(time.time() + DAY).certificate is None
    assert answer(past, identity).became == "nothing was over its time"


def test_run_asks_the_policy_about_both_again(site: tuple[Bench, Past]) -> None:
    past = site[1]
    identity = proposed(past, Act.DISPOSE, "retention")
    agreed(past, identity)
    with closing(Ledger(past.home.ledger, clock=time.time, role="test")) as ledger, ledger.write() as transaction:
        assert people.suspend(transaction, "hb1002", ADMINISTRATOR).state is PersonState.SUSPENDED
    done = past.dispose(time.time() + LATE)
    assert "hb1001" not in (done.certificate or "")
    assert answer(past, identity).code == "right-missing"
    assert past.sql("SELECT subject FROM events WHERE event = 'decision.refused'") == [("retention",)]


def test_one_keeps_and_two_let_go(site: tuple[Bench, Past]) -> None:
    bench, past = site
    kept = str(past.sql("SELECT id FROM transfers WHERE consignment IS NOT NULL ORDER BY key LIMIT 1")[0][0])
    for subject in (kept, "DWP"):
        identity = proposed(past, Act.HOLD_RETENTION, subject)
        Requests(bench.context, "requests", INSPECT_ACTS).step()
        assert answer(past, identity).became == "on legal hold", answer(past, identity)
    again = proposed(past, Act.HOLD_RETENTION, kept)
    nothing = proposed(past, Act.HOLD_RETENTION, "nobody")
    ending = proposed(past, Act.RELEASE_RETENTION, kept)
    Requests(bench.context, "requests", INSPECT_ACTS).step()
    assert [answer(past, each).state for each in (again, nothing, ending)] == ["refused", "refused", "proposed"]
    with bench.ledger.read() as connection:
        assert {each.unit for each in retention(connection).legal_holds} == {kept, "DWP"}
        lines = due_rows(past.settings, connection, time.time() + LATE)
    assert all(line.held <= line.count for line in lines)
    assert sum(line.held for line in lines) > 0
    agreed(past, ending)
    Requests(bench.context, "requests", INSPECT_ACTS).step()
    assert answer(past, ending).became == "no longer on hold"


def test_rows_that_the_console_sees_are_those_of_the_plan(site: tuple[Bench, Past]) -> None:
    bench, past = site
    later = time.time() + LATE
    with bench.ledger.read() as connection:
        seen = {line.kind: line.count for line in due_rows(past.settings, connection, later)}
    planned: dict[str, int] = {}
    for line in past.plan(later).due:
        planned[line.kind] = planned.get(line.kind, 0) + line.count + line.held + line.waiting
    assert seen, to_text(later)
    assert {kind: planned[kind] for kind in seen} == seen
    assert set(planned) - set(seen) <= {"delivered files", "delivered files without an answer", "returned files"} | {
        "receipt files",
        "infected files",
    }
