"""`gateway show` of any transfer of a conversation tells all of it, in order; and `inbound pending` counts what waits."""

from __future__ import annotations

import time
from typing import Any

from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.cli.conftest import Run

DAY = 86400.0


def facts(*numbers: str) -> bytes:
    listed = ", ".join(f'\\"{number}\\"' for number in numbers)
    return f'facts {{"rms": "[{listed}]", "rms_total": "{len(numbers)}"}}\n'.encode()


def members(said: Any) -> list[tuple[str, str | None, bool]]:
    return [(each["id"], each["link"], each["asked"]) for each in said["conversation"]["members"]]


def refused(pair: Pair, name: str, flow: str, site: Bench) -> None:
    """The back office at the end of the way says that it could not take the file."""
    directory = site.home.outcomes / flow / site.other
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.rejected").write_text("no such case")
    for _ in range(2):  # it has to be quiet for a moment
        pair.work()
        site.now += 10


def test_a_referral_s_outcome_that_was_refused_and_sent_again_is_one_story_at_both_ends(pair: Pair, run: Run) -> None:
    referral = pair.dwp.submit("referral.xml", facts("RMS0000001"), flow="referral")
    pair.work()
    wrong = pair.la.submit("outcome.xml", facts("RMS0000001") + b"1", flow="outcome")
    pair.work()
    refused(pair, "outcome.xml", "outcome", pair.dwp)
    right = pair.la.submit("outcome.xml", facts("RMS0000001") + b"2", flow="outcome")
    pair.work()
    ids = [referral, wrong, right]
    for site in (pair.dwp, pair.la):
        for asked in ids:
            told = run(site, "show", asked, "--json").data
            assert told["id"] == asked
            assert [(each, at) for each, _, at in members(told)] == [(each, each == asked) for each in ids]
        first, second, _ = told["conversation"]["members"]
        assert second["code"] == "refused-by-back-office"
        assert {event["event"] for event in second["events"]} >= {"transfer.refused"}
        assert {event["subject"] for event in first["events"]} == {referral}
    said = run(pair.la, "show", wrong).out
    assert "Belongs together: 3 transfers" in said
    assert [line.split()[0] for line in said.splitlines() if line.rstrip().endswith(".xml")][-3:] == ["1", ">2", "3"]
    assert "is answered by 2" in said
    assert "was sent after 2" in said
    assert "the back office could not take it" in said
    # The name is enough: both of that name are of one conversation, and the last one is meant.
    told = run(pair.la, "show", "outcome.xml", "--json").data
    assert members(told) == [(referral, "answer", False), (wrong, "sent-again", False), (right, None, True)]


def test_a_name_that_several_have_that_do_not_belong_together_asks_for_an_id(pair: Pair, run: Run) -> None:
    ids = [pair.dwp.submit("a.xml", content) for content in (b"claim a", b"claim b")]
    pair.work()
    said = run(pair.dwp, "show", "a.xml")
    assert (said.status, said.out) == (65, "")
    assert all(each in said.err for each in ids)
    assert run(pair.dwp, "show", ids[0], "--json").data["conversation"] is None
    assert "no transfer has that name" in run(pair.dwp, "show", "b.xml").err


def test_pending_tells_how_much_waits_and_how_old_the_oldest_is_and_status_what_is_late(pair: Pair, run: Run) -> None:
    assert run(pair.la, "inbound", "pending").err == "Nothing waits for an answer.\n"
    with pair.la.home.gateway_toml.open("a", encoding="utf-8") as file:
        file.write("\n[flows.etd]\nanswer_days = 5\n")
    now = time.time()
    pair.dwp.now = pair.la.now = now - 6 * DAY
    pair.dwp.submit("old.xml", b"etd", flow="etd")
    pair.work()
    pair.dwp.now = pair.la.now = now - DAY
    pair.dwp.submit("new.xml", b"etd 2", flow="etd")
    pair.dwp.submit("claim.xml", b"claim")
    pair.work()
    claims, etds = run(pair.la, "inbound", "pending", "--totals", "--json").data
    assert (claims["flow"], claims["number"], claims["overdue"]) == ("claim", 1, False)
    assert (etds["number"], etds["oldest_name"], etds["answer_days"], etds["overdue"]) == (2, "old.xml", 5, True)
    assert [row["name"] for row in run(pair.la, "inbound", "pending", "--flow", "etd", "--json").data] == [
        *("old.xml", "new.xml")
    ]
    said = run(pair.la, "inbound", "pending", "--partner", "DWP")
    assert "5 d (passed)" in said.out
    assert said.err == "3 delivered and not answered\n"
    assert run(pair.la, "inbound", "pending", "--totals", "--csv").out.startswith("flow,partner,number,oldest,")
    (need,) = run(pair.la, "status", "--json").data["needs"]
    assert need.startswith("1 etd file from DWP not answered within 5 days, the oldest since ")
    assert run(pair.la, "status").status == 69
