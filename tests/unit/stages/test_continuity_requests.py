"""What people of the console ask about business continuity: two invoke and end it, one says how it goes; each once, or refused with an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from gateway.administration.requests import asking
from gateway.administration.views.continuity import continuity
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act, RequestState
from gateway.errors import RightMissing
from gateway.ledger import people, requests
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries.continuity import SUBJECT
from gateway.ledger.queries.events import events_of
from gateway.ledger.units import Request
from gateway.settings.continuity import ContinuitySettings
from gateway.stages.context import StageContext
from gateway.stages.timers.requests import INSPECT_ACTS, Requests
from tests.fakes.staff import ADMINISTRATOR, hire
from tests.fakes.two_ledgers import Bench, two_ledgers

WHY: Final = "no network since 9:00"
INVOKE, UPDATE, TOLD, END = Act.INVOKE_CONTINUITY, Act.UPDATE_CONTINUITY, Act.NOTE_TOLD, Act.END_CONTINUITY


@pytest.fixture
def dwp(tmp_path: Path) -> Iterator[Bench]:
    with two_ledgers(tmp_path) as made:
        hire(made.dwp.ledger, "hb1001", "hb1002")
        hire(made.dwp.ledger, "hb2001", role=PersonRole.OPERATOR)
        yield made.dwp
        with made.dwp.ledger.read() as connection:
            assert list(check_chain(connection)) == list(check_rows(connection)) == []


def context(bench: Bench) -> StageContext:
    tell = ContinuitySettings(tell=("Duty manager", "Service desk"))
    return replace(bench.context, settings=replace(bench.settings, continuity=tell))


def done(bench: Bench, act: Act, argument: str | None = None, second: str = "hb1002") -> Request:
    """What became of a request, agreed to where it takes two."""
    identity = asking.ask(bench.settings, bench.ledger, act, SUBJECT, "hb1001", WHY, argument)
    if act.people == 2:
        asking.agree(bench.settings, bench.ledger, identity, second, "seen it too")
    Requests(context(bench), "requests", INSPECT_ACTS).step()
    with bench.ledger.read() as connection:
        return requests.find(connection, identity)


def test_two_invoke_one_says_how_it_goes_and_two_end(dwp: Bench) -> None:
    assert (done(dwp, INVOKE).became, done(dwp, UPDATE).became) == ("invoked", "invoked")
    assert done(dwp, TOLD, "2").state == RequestState.DONE
    with dwp.ledger.read() as connection:
        now = continuity(["Duty manager", "Service desk"], connection)
        said = events_of(connection, [SUBJECT])
    assert (now.reason, [each.told for each in now.tell]) == (WHY, [False, True])
    assert [each.event for each in said] == ["continuity.invoked", "continuity.updated", "continuity.told"]
    assert '"second":"hb1002"' in said[0].detail
    assert "second" not in said[1].detail
    assert done(dwp, END).became == "ended"
    with dwp.ledger.read() as connection:
        assert continuity([], connection).since is None


@pytest.mark.parametrize(("act", "argument"), [(UPDATE, None), (END, None), (TOLD, "1")])
def test_what_makes_no_sense_is_refused_and_said_of_continuity(dwp: Bench, act: Act, argument: str | None) -> None:
    refused = done(dwp, act, argument)
    assert (refused.state, refused.code) == (RequestState.REFUSED, "usage")
    with dwp.ledger.read() as connection:
        assert [each.event for each in events_of(connection, [SUBJECT])] == ["decision.refused"]


@pytest.mark.parametrize("place", ["0", "3", "", "-1", "one", "9" * 5000, "\u00b2"])
def test_no_place_in_the_list_is_refused(dwp: Bench, place: str) -> None:
    done(dwp, INVOKE)
    assert done(dwp, TOLD, place).state == RequestState.REFUSED


def test_it_is_invoked_once(dwp: Bench) -> None:
    done(dwp, INVOKE)
    assert done(dwp, INVOKE).state == RequestState.REFUSED


def test_who_lost_the_right_before_it_is_carried_out_invokes_nothing(dwp: Bench) -> None:
    with pytest.raises(RightMissing):
        asking.ask(dwp.settings, dwp.ledger, INVOKE, SUBJECT, "hb2001", WHY)
    identity = asking.ask(dwp.settings, dwp.ledger, INVOKE, SUBJECT, "hb1001", WHY)
    asking.agree(dwp.settings, dwp.ledger, identity, "hb1002", "seen it too")
    with dwp.ledger.write() as transaction:
        people.suspend(transaction, "hb1001", ADMINISTRATOR)
    Requests(context(dwp), "requests", INSPECT_ACTS).step()
    with dwp.ledger.read() as connection:
        assert requests.find(connection, identity).code == "right-missing"
        assert continuity([], connection).since is None
