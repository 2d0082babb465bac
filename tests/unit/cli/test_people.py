"""`gateway people` as an administrator types it."""

from __future__ import annotations

import re

from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run

WHY = ("--reason", "because of the test")
DATES = ("--agreement", "2026-01-01", "--training", "2026-01-02")


def add(run: Run, pair: Pair, user: str, *more: str) -> int:
    return run(pair.dwp, "people", "add", user, "--name", "Invented", "--unit", "Revenues", *more, *WHY).status


def test_people_are_added_changed_and_listed(pair: Pair, run: Run) -> None:
    assert "Nobody" in run(pair.dwp, "people", "list").err
    assert add(run, pair, "hb1", "--role", "administrator") == 0
    assert add(run, pair, "hb2", "--role", "operator", "--role", "checking-officer", *DATES) == 0
    (first, second) = run(pair.dwp, "people", "list", "--json").data
    assert (first["user"], first["roles"], first["state"]) == ("hb1", ["administrator"], "active")
    assert (second["roles"], second["agreement"]) == (["operator", "checking-officer"], "2026-01-01")
    changed = run(pair.dwp, "people", "role", "hb2", "--role", "auditor", "--unit", "Audit", "--json", *WHY).data
    assert (changed["roles"], changed["unit"]) == (["auditor"], "Audit")
    assert run(pair.dwp, "people", "role", "hb2", "--no-roles", *WHY).err.endswith("\nhb2 is active: no role.\n")
    assert run(pair.dwp, "people", "suspend", "hb2", *WHY).status == 0
    assert run(pair.dwp, "people", "resume", "hb2", *WHY).status == 0
    assert run(pair.dwp, "people", "remove", "hb2", *WHY).status == 0
    assert re.fullmatch(
        r"USER +NAME +UNIT +ROLES +AGREEMENT +TRAINING +STATE *\nhb1 +Invented +Revenues +administrator +active *\n",
        run(pair.dwp, "people", "list").out,
    )
    assert len(run(pair.dwp, "people", "list", "--all", "--json").data) == 2


def test_what_must_not_meet_and_what_lacks_training_is_refused_with_what_to_do(pair: Pair, run: Run) -> None:
    assert add(run, pair, "hb1", "--role", "operator", "--role", "administrator", *DATES) == 65
    said = run(pair.dwp, "people", "add", "hb1", "--name", "N", "--unit", "U", "--role", "supervisor", *WHY)
    assert said.status == 65
    assert "--agreement" in said.err
    assert add(run, pair, "Invented.Person") == 64
    assert run(pair.dwp, "people", "role", "hb1", "--role", "auditor", "--no-roles", *WHY).status == 64
    assert run(pair.dwp, "people", "list", "--json").data == []


def test_a_link_is_printed_alone_and_is_in_no_event(pair: Pair, run: Run) -> None:
    add(run, pair, "hb1", "--role", "administrator")
    toml = pair.dwp.home.gateway_toml
    before, heading, console = toml.read_text().partition("[console]")
    console = console.replace('# address = ""', 'address = "https://gateway.example.gov.uk"', 1)
    toml.write_text(before + heading + console)
    said = run(pair.dwp, "people", "link", "hb1", *WHY)
    found = re.fullmatch(r"https://gateway\.example\.gov\.uk/start/([0-9a-f]{64})\n", said.out)
    assert found is not None
    assert found[1] not in said.err
    with pair.dwp.ledger.read() as connection:
        details = connection.exec_driver_sql("SELECT detail FROM events").scalars().all()
    assert not any(found[1] in detail for detail in details)
    other = run(pair.dwp, "people", "link", "hb1", "--json", *WHY).data
    assert (other["user"], other["hours"]) == ("hb1", 24)
    pair.dwp.home.console_store.chmod(0o644)
    assert run(pair.dwp, "people", "link", "hb1", *WHY).status == 78, "others may have read it"


def test_the_tail_says_who_was_meant(pair: Pair, run: Run) -> None:
    add(run, pair, "hb1", "--role", "administrator")
    run(pair.dwp, "people", "suspend", "hb1", *WHY)
    told = run(pair.dwp, "tail", "--once").out
    assert "somebody's rights were suspended: sessions ended with them, by root: because of the test (hb1)" in told
