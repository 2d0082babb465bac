"""The desk aid on loading, followed on a running pair: its own commands, its own settings, and DWP hears what became of files."""

from __future__ import annotations

import json
import re
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, wait_until

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operators" / "loading.md"
TEXT: Final = PAGE.read_text("utf-8")
SECONDS: Final = 60.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """Two sites that run; at the authority files have names as the desk aid says."""
    with copied_pair(tmp_path_factory.mktemp("loading")) as (dwp, la):
        (template,) = set(re.findall(r"`(inbound_name = .+?)`", TEXT))
        for flow in re.findall(r"`\[flows\.(\w+)\]`", TEXT):
            la.edit_config(f"flows.{flow}", **tomllib.loads(template))
        dwp.start()
        la.start()
        yield dwp, la


def command(number: int) -> list[str]:
    """One of the desk aid's own commands, without the program."""
    found: list[str] = re.findall(r"(?m)^gateway (load .*)$", TEXT)
    return found[number].split()


def send(dwp: Site, la: Site, *numbers: int) -> list[str]:
    """Send these claims, and wait for the receipts; their names."""
    made = [claim(number, seed=number) for number in numbers]
    for name, content in made:
        dwp.drop("claim", la.code, name, content)
    return [dwp.wait_for(name, "receipted", SECONDS)["name"] for name, _ in made]


def sent(dwp: Site, name: str) -> dict[str, Any]:
    (row,) = rows(dwp, "SELECT * FROM transfers WHERE direction = 'out' AND name = ?", name)
    return row


def query(la: Site, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(la.home.root / "loaded" / "documents.sqlite3")) as connection:
        return connection.execute(statement).fetchall()


def test_a_delivered_claim_becomes_rows_by_the_desk_aid_and_is_ingested(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    names = send(dwp, la, 1, 2)
    assert "2 would be accepted" in la.gateway(*command(0)).stderr
    assert {sent(dwp, name)["state"] for name in names} == {"receipted"}
    assert "2 accepted" in la.gateway(*command(1)).stderr
    for name in names:
        dwp.wait_for(name, "ingested", SECONDS)
    (statement,) = re.findall(r'(?m)^sqlite3 loaded/documents\.sqlite3 "(.+)"$', TEXT)
    assert [
        count >= 2 for flow, verdict, count, _ in query(la, statement) if (flow, verdict) == ("claim", "accepted")
    ] == [True]
    known = {row[0] for row in query(la, "SELECT transfer FROM load_documents WHERE answered IS NOT NULL")}
    assert known >= {sent(dwp, name)["id"] for name in names}
    left = {path.name for path in (la.home.inbound / "claim" / "DWP").iterdir()}
    assert left.isdisjoint(f"{identity}.xml" for identity in known)


def test_a_document_that_the_database_refuses_is_told_to_its_sender_and_no_other(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    reference = re.findall(rb"<ClaimReference>(.+?)</ClaimReference>", claim(3, seed=3)[1])[0].decode()
    send(dwp, la, 7)
    la.gateway(*command(1))
    # A rule of the database's owner, which one of the two breaks.
    rule = f"BEFORE INSERT ON claim_1_0_claim WHEN new.claim_reference = '{reference}' BEGIN SELECT RAISE(ABORT, 'rule'); END"
    query(la, f"CREATE TRIGGER owners_rule {rule}")
    refused, good = send(dwp, la, 3, 4)
    told = json.loads(la.gateway(*command(1), "--json").stdout)
    assert sorted(line["verdict"] for line in told["documents"] if not line["earlier"]) == ["accepted", "rejected"]
    dwp.wait_for(good, "ingested", SECONDS)
    wait_until(lambda: sent(dwp, refused)["code"] == "refused-by-back-office", SECONDS, "the refusal")
    assert sent(dwp, refused)["reason"] == "The database does not take a row of it (IntegrityError)."
    query(la, "DROP TRIGGER owners_rule")
    for path in (la.home.inbound / "claim" / "DWP").iterdir():
        path.unlink()  # as whoever has looked at it does


def test_with_the_role_on_files_are_loaded_as_they_come_also_after_it_was_killed(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    assert "`[load]`: `enabled = true`. `gateway config check`, then `gateway reload`" in TEXT
    la.edit_config("load", enabled=True)
    la.gateway("config", "check")
    la.gateway("reload")
    wait_until(lambda: la.role("load"), SECONDS, "the load role")
    (name,) = send(dwp, la, 5)
    dwp.wait_for(name, "ingested", SECONDS)
    assert la.json("status")["processes"]["load"] == la.role("load")
    la.kill("load")
    (name,) = send(dwp, la, 6)
    dwp.wait_for(name, "ingested", SECONDS)
    assert la.events("role.died")
    assert sum(line["count"] for line in la.events("documents.loaded")) == 2
    la.edit_config("load", enabled=False)
    la.gateway("reload")
    wait_until(lambda: la.role("load") is None, SECONDS, "the end of the load role")
