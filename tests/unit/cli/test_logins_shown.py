"""`gateway logins`: what people and scripts see of who logged in."""

from __future__ import annotations

from gateway.domain.logins import Count, Login, Result, hour_of, render
from gateway.stages.timers.login_records import LoginRecords
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run

KEY = "SHA256:" + "a" * 43


def record(pair: Pair) -> None:
    logins = {Login(Result.ACCEPTED, "E09000030", KEY): 12, Login(Result.WRONG_KEY): 1000}
    path = pair.dwp.home.logins / f"{pair.dwp.context.new_id()}.logins"
    path.write_bytes(render(Count(hour_of(pair.dwp.now), logins)))
    LoginRecords(pair.dwp.context).step()


def test_logins_are_shown_by_hour_result_and_partner(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "logins", "--json").data == []
    record(pair)
    accepted, refused = run(pair.dwp, "logins", "--since", "9999w", "--json").data
    assert accepted == {
        "hour": "2026-11-18T11:00:00.000Z",
        "result": "accepted",
        "count": 12,
        "partner": "E09000030",
        "fingerprint": KEY,
    }
    assert (refused["result"], refused["count"], refused["partner"]) == ("wrong-key", 1000, None)
    assert [
        each["count"] for each in run(pair.dwp, "logins", "--since", "9999w", "--partner", "DWP", "--json").data
    ] == []
    said = run(pair.dwp, "logins", "--since", "2026-11-18")
    assert "wrong-key" in said.out
    assert said.err == "12 accepted, 1000 refused\n"


def test_a_time_that_is_none_is_refused(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "logins", "--since", "soon").status == 64
    assert run(pair.dwp, "logins", "--since", "2999-01-01", "--json").data == []
