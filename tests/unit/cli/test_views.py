"""What people and scripts see of a site: transfers, show, status."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime

import pytest

from gateway.administration.site.machine_checks import CheckOutcome, examine_machine
from gateway.daemon.lock import held
from gateway.domain.identity import from_text
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run

CONTRACT = {
    *("id", "direction", "flow", "partner", "name", "size", "sha256", "state"),
    *("consignment", "created", "updated", "code", "reason"),
}


def test_transfers_as_json_keep_the_contract(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("w.xml", b"wrong")
    pair.work()
    said = run(pair.dwp, "transfers", "--json")
    assert said.status == 0
    first, second = said.data
    assert first.keys() >= CONTRACT
    assert (first["id"], first["name"], first["state"], first["size"]) == (identity, "a.xml", "receipted", 7)
    assert (second["state"], second["code"], second["consignment"]) == ("rejected", "nino", None)
    for word in ("created", "updated"):
        assert datetime.fromisoformat(first[word]).utcoffset() is not None
        assert first[word].endswith("Z")
        assert from_text(first[word]) > 0


def test_transfers_of_an_empty_ledger_are_an_empty_list(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "transfers", "--json").data == []
    assert run(pair.dwp, "transfers").err == "0 transfers\n"


def test_options_narrow_the_list_and_the_newest_stays(pair: Pair, run: Run) -> None:
    for name in ("a.xml", "b.xml"):
        pair.dwp.submit(name, name.encode())
    pair.work()
    pair.la.submit("hb5900.csv", b"extract", flow="extract")
    pair.work()

    def names(*options: str) -> list[str]:
        said = run(pair.dwp, "transfers", "--json", *options)
        assert said.status == 0, said.err
        return [row["name"] for row in said.data]

    assert names() == ["a.xml", "b.xml", "hb5900.csv"]
    assert names("--direction", "in") == ["hb5900.csv"]
    assert names("--flow", "claim", "--limit", "1") == ["b.xml"]
    assert names("--state", "receipted", "--partner", "E09000030") == ["a.xml", "b.xml"]
    assert names("--since", "2100-01-01") == []
    assert names("--since", "99999w") == names()
    assert run(pair.dwp, "transfers", "--since", "soon").status == 64


def test_table_shows_every_transfer_whole_and_a_total(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a long name that stays whole where no terminal cuts it.xml", b"claim a")
    said = run(pair.dwp, "transfers")
    assert identity in said.out
    assert "a long name that stays whole where no terminal cuts it.xml" in said.out
    assert said.err == "1 transfer\n"


def test_show_tells_the_whole_story_in_order(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    story = run(pair.dwp, "show", identity[:-4], "--json").data
    assert (story["kind"], story["id"], story["state"]) == ("transfer", identity, "receipted")
    assert story["carried_by"]["id"] == story["consignment"]
    assert [item["transfer"] for item in story["receipts"][0]["content"]["items"]] == [identity]
    events = [event["event"] for event in story["events"]]
    assert events[:2] == ["transfer.admitted", "transfer.validated"]
    assert {"consignment.sealed", "consignment.sent", "receipt.accepted", "transfer.receipted"} <= set(events)
    assert [event["sequence"] for event in story["events"]] == sorted(event["sequence"] for event in story["events"])
    carrier = run(pair.dwp, "show", story["consignment"], "--json").data
    assert (carrier["kind"], [item["id"] for item in carrier["transfers"]]) == ("consignment", [identity])
    said = run(pair.dwp, "show", identity).out
    assert "taken into custody" in said
    assert "receipt verified: the partner has it" in said


def test_show_says_what_to_do_next_with_what_stopped(pair: Pair, run: Run) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    held_back = pair.dwp.submit("again.xml", b"claim a")
    wrong = pair.dwp.submit("w.xml", b"wrong")
    pair.work()
    assert f"gateway release {held_back}" in run(pair.dwp, "show", held_back).out
    assert "Correct what the findings name" in run(pair.dwp, "show", wrong, "--json").data["what_to_do"]


@pytest.mark.parametrize("prefix", ["ffff", "", "%", "01' OR '1'='1"])
def test_show_of_nothing_is_a_plain_error(pair: Pair, run: Run, prefix: str) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    said = run(pair.dwp, "show", prefix)
    assert (said.status, said.out) == (65, "")
    assert "nothing has an id that starts with" in said.err


def test_show_of_an_ambiguous_id_asks_for_more_of_it(pair: Pair, run: Run) -> None:
    for name in ("a.xml", "b.xml"):
        pair.dwp.submit(name, name.encode())
    assert "give more of it" in run(pair.dwp, "show", "0").err


def test_status_is_well_until_something_needs_a_person(pair: Pair, run: Run) -> None:
    said = run(pair.dwp, "status")
    assert said.status == 0
    assert said.out.splitlines()[-1] == "Nothing waits for anybody, and nothing is received: the gateway does not run."
    with held(pair.dwp.home.run, "inspect"), held(pair.dwp.home.run, "vault"), held(pair.dwp.home.run, "link"):
        assert run(pair.dwp, "status").out.splitlines()[-1] == "All is well."
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    said = run(pair.dwp, "status", "--json")
    assert (said.status, said.data["healthy"], said.data["needs"]) == (0, True, [])
    assert said.data["counts"]["transfer"]["out"] == {"receipted": 1}
    again = pair.dwp.submit("again.xml", b"claim a")
    pair.work()
    said = run(pair.dwp, "status", "--json")
    assert said.status == 69
    assert [each["id"] for each in said.data["held"]] == [again]
    assert said.data["oldest_waiting"]["id"] == again
    assert "needs a person" in run(pair.dwp, "status").out


def test_status_tells_of_work_that_nobody_does(pair: Pair, run: Run) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    said = run(pair.dwp, "status", "--json")
    assert said.status == 69
    assert "does not run" in said.data["needs"][0]
    assert set(said.data["processes"].values()) == {None}


def test_status_shows_processes_and_lanes(pair: Pair, run: Run) -> None:
    with pair.dwp.ledger.write() as transaction:
        transaction.set_lane("E09000030", held=True, failures=1, code="link-host-key", reason="another host key")
    with held(pair.dwp.home.run, "inspect"):
        said = run(pair.dwp, "status", "--json")
    assert said.status == 69
    assert said.data["processes"]["inspect"] is not None
    (lane,) = said.data["lanes"]
    assert (lane["partner"], lane["state"], lane["code"]) == ("E09000030", "held", "link-host-key")
    assert any("the lane to E09000030 is held" in need for need in said.data["needs"])


def test_locked_away_files_are_listed_shown_and_discarded(pair: Pair, run: Run) -> None:
    (pair.la.home.landing_in("DWP") / "junk.txt").write_bytes(b"junk")
    pair.work()
    (row,) = run(pair.la, "quarantine", "list", "--json").data
    assert row.keys() >= {"id", "consignment", "partner", "code", "reason", "received"}
    assert (row["partner"], row["code"], row["size"]) == ("DWP", "landing-unexpected", 4)
    assert run(pair.la, "status").status == 69
    assert run(pair.la, "quarantine", "show", row["id"][:13], "--json").data["file"] is not None
    dry = run(pair.la, "quarantine", "discard", row["id"], "--reason", "just looking", "--dry-run")
    assert dry.status == 0
    assert len(list(pair.la.home.quarantine.iterdir())) == 1
    assert run(pair.la, "quarantine", "discard", row["id"], "--reason", "junk from a test").status == 0
    assert list(pair.la.home.quarantine.iterdir()) == []
    assert run(pair.la, "quarantine", "list", "--json").data == []
    (kept,) = run(pair.la, "quarantine", "list", "--all", "--json").data
    assert kept["discarded"] is not None
    assert run(pair.la, "quarantine", "discard", row["id"], "--reason", "once more").status == 64
    assert run(pair.la, "status").status == 0
    assert run(pair.la, "audit", "verify").status == 0


def test_json_and_nothing_else_is_on_stdout(pair: Pair, run: Run) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    for command in (
        ["transfers"],
        ["status"],
        ["quarantine", "list"],
        ["audit", "verify"],
        ["audit", "heads", "E09000030"],
    ):
        said = run(pair.dwp, *command, "--json")
        json.loads(said.out)
        assert said.status == 0


def test_files_that_are_passed_over_for_more_than_a_day_are_told_and_are_no_fault(
    pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbound = pair.dwp.home.outbound / "claim" / pair.la.code
    for name in ("letter.pdf.partial", "~$letter.docx", "Thumbs.db", ".DS_Store"):
        (outbound / name).write_bytes(b"x")
    said = run(pair.dwp, "status", "--json")
    assert (said.status, said.data["passed_over"]) == (0, 0)
    now = time.time() + 90_000
    monkeypatch.setattr(time, "time", lambda: now)
    said = run(pair.dwp, "status", "--json")
    assert (said.status, said.data["healthy"], said.data["passed_over"]) == (0, True, 2)
    assert "passed over in the spool for more than a day: 2 files" in run(pair.dwp, "status").out
    checks = examine_machine(pair.dwp.home, pair.dwp.settings, now=lambda: now)
    (check,) = [each for each in checks if each.name == "passed over"]
    assert check.outcome is CheckOutcome.WARN
    assert f"spool/outbound/claim/{pair.la.code} (2)" in check.message
    assert "letter" not in check.message


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_root_finds_nothing_wrong_with_the_owner_of_anothers_site_but_with_what_it_left_there(pair: Pair) -> None:
    home = pair.dwp.home

    def permissions() -> str:
        checks = examine_machine(home, pair.dwp.settings)
        return next(each.message for each in checks if each.name == "permissions")

    for path in (home.root, *home.root.rglob("*")):
        os.chown(path, 65533, 65533)
    assert permissions() == "state/ is the gateway's own"
    os.chown(home.ledger, 0, 0)
    assert permissions() == "open to others, or not ours: state/ledger/ledger.sqlite3"
