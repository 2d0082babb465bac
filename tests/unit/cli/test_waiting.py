"""People see why a file that is ready has not gone."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.domain.windows import Timetable
from gateway.ledger.queries import waiting
from gateway.settings.write import write_partner
from gateway.stages.outbound.pack import Pack
from gateway.stages.outbound.seal import Seal
from gateway.stages.outbound.validate import Validate
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run

LA = "E09000030"


def test_closed_window_and_limit_are_said_and_what_waits_for_them_is_not_due(pair: Pair, run: Run) -> None:
    now = time.time()
    opens = datetime.fromtimestamp(now, ZoneInfo("Europe/London")) + timedelta(hours=3)
    window = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"
    home, partner = pair.dwp.home, pair.dwp.settings.partners[LA]
    write_partner(home, partner.model_copy(update={"max_bytes_per_second": 250_000}))
    with home.gateway_toml.open("a", encoding="utf-8") as file:
        file.write(f'\n[flows.extract]\nwindows = ["{window}"]\n')
    for name in ("claim", "extract"):
        pair.dwp.submit(name, name.encode(), flow=name)
    stages = [stage for stage in pair.stages_of(pair.dwp) if isinstance(stage, Validate | Pack | Seal)]
    stages[0].step()  # both are validated; this site's stages know of no window, so only what is shown differs
    waits = {row["flow"]: row["waits"] for row in run(pair.dwp, "transfers", "--json").data}
    assert waits["claim"] is None
    assert waits["extract"].startswith(f"window opens at {opens:%H:%M} ")
    assert "window opens at" in run(pair.dwp, "show", run(pair.dwp, "transfers", "--json").data[1]["id"]).out
    (lane,) = run(pair.dwp, "status", "--json").data["lanes"]
    assert lane["waits"] == [f"1 extract: {waits['extract']}"]
    assert lane["limit"] == "limited to 250 KB a second"
    assert "window opens at" in run(pair.dwp, "status").out
    with pair.dwp.ledger.read() as connection:
        assert waiting.due_now(connection, pair.dwp.now) == 2
        assert waiting.due_now(connection, pair.dwp.now, lambda _partner, flow, _now: flow == "extract") == 1
    for stage in stages[1:]:
        for _ in range(3):
            stage.step()
    waits = {row["flow"]: row["waits"] for row in run(pair.dwp, "transfers", "--json").data}
    assert waits["claim"] == "limited to 250 KB a second"
    assert waits["extract"].startswith("window opens at")
    with pair.dwp.ledger.read() as connection:
        assert waiting.due_now(connection, pair.dwp.now, lambda _partner, _flow, _now: True) == 0


def test_windows_of_flow_and_partner_that_never_meet_are_said(pair: Pair, run: Run) -> None:
    partner = pair.dwp.settings.partners[LA].model_copy(update={"windows": ("09:00-17:00",)})
    write_partner(pair.dwp.home, partner)
    with pair.dwp.home.gateway_toml.open("a", encoding="utf-8") as file:
        file.write('\n[flows.claim]\nwindows = ["20:00-06:00"]\n')
    pair.dwp.submit("a", b"claim")
    next(stage for stage in pair.stages_of(pair.dwp) if isinstance(stage, Validate)).step()
    (row,) = run(pair.dwp, "transfers", "--json").data
    assert row["waits"] == "the windows of flow and partner never meet"


def test_timetable_is_the_configurations(pair: Pair) -> None:
    table = Timetable.of(pair.dwp.settings)
    assert table.opening(LA, "claim", pair.dwp.now) == pair.dwp.now
    assert not table.closed(LA, None, pair.dwp.now)


def test_status_says_who_is_suspended_and_what_waits_for_it(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a", b"claim")
    dry = run(pair.dwp, "partner", "suspend", LA, "--reason", "their incident 12", "--dry-run", "--json").data
    assert (dry["suspended"], dry["waiting_out"], dry["taken_over"]) == (True, 1, None)
    assert run(pair.dwp, "status", "--json").data["stopped"] == []
    assert run(pair.dwp, "partner", "suspend", LA, "--reason", "their incident 12").status == 0
    health = run(pair.dwp, "status", "--json").data
    (stopped,), (lane,) = health["stopped"], health["lanes"]
    assert (stopped["code"], stopped["faults"], stopped["suspended"]) == ("partner-suspended", [], "their incident 12")
    assert (lane["state"], lane["reason"]) == ("suspended", "their incident 12")
    assert health["due"] == 0, "what waits for a suspended partner is nobody's work now"
    assert "the partner is suspended" in run(pair.dwp, "show", identity).out
    assert "suspended" in run(pair.dwp, "partner", "list").out
    assert run(pair.dwp, "config", "check").err.count("suspended") == 0


def test_status_says_from_whom_no_more_is_taken_today_and_whose_landing_fills(pair: Pair, run: Run) -> None:
    pair.la.now = time.time()
    partner = pair.la.settings.partners["DWP"]
    pair.dwp.submit("a", b"claim")
    pair.work()
    assert run(pair.la, "status", "--json").data["landings"] == []
    write_partner(pair.la.home, partner.model_copy(update={"day_bytes": 1, "landing_bytes": 1000}))
    (pair.la.home.landing_in("DWP") / "next.part").write_bytes(b"x" * 100)
    (landing,) = run(pair.la, "status", "--json").data["landings"]
    assert (landing["limited"], landing["shut_out"], landing["files"]) == (True, False, 1)
    assert "no more is taken until" in run(pair.la, "status").out
    write_partner(pair.la.home, partner.model_copy(update={"landing_bytes": 4500}))
    assert "the landing of DWP: it fills" in run(pair.la, "status").out
