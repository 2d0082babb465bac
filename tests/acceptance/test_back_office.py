"""The back office's answer between two running sites: it reaches the sender, once, whatever dies on the way.

The tests of this module share one pair of sites, as back offices share a gateway.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, wait_until

SECONDS = 60.0
_PRIVATE = "the claimant moved to 5 Poplar High Street"


@dataclass
class Sites:
    """The pair, running."""

    dwp: Site
    la: Site
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def deliver(self, number: int = 1) -> list[str]:
        """Send so many claims; their names, once the receipts of the authority's gateway are in."""
        made = [claim(index, seed=index) for index in (next(self.serial) for _ in range(number))]
        for name, content in made:
            self.dwp.drop("claim", self.la.code, name, content)
        for name, _ in made:
            self.dwp.wait_for(name, "receipted", SECONDS)
        return [name for name, _ in made]

    def say(self, answer_file: str, reason: str = "") -> Path:
        """Let the back office leave a word."""
        path = self.la.home.outcomes / "claim" / "DWP" / answer_file
        path.write_text(reason, encoding="utf-8")
        return path

    def sent(self, name: str) -> dict[str, Any]:
        (row,) = rows(self.dwp, "SELECT * FROM transfers WHERE direction = 'out' AND name = ?", name)
        return row

    def wait_for(self, name: str, **values: object) -> dict[str, Any]:
        """The sender's row of a file, once it has these values and its operator was told."""

        def look() -> dict[str, Any] | None:
            row = self.sent(name)
            done = not row["notify_pending"] and all(row[key] == value for key, value in values.items())
            return row if done else None

        try:
            return dict(wait_until(look, SECONDS, f"{name} {values}"))
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.sent(name)}\n{self.la.log_text()[-4000:]}") from None

    def receipt(self, name: str) -> dict[str, Any]:
        path = self.dwp.home.receipts / "claim" / self.la.code / f"{name}.receipt.json"
        told = json.loads(path.read_text())
        assert isinstance(told, dict)
        return told


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with copied_pair(tmp_path_factory.mktemp("back-office")) as (dwp, la):
        la.edit_config("flows.claim", done_marker=True)
        dwp.start()
        la.start()
        yield Sites(dwp, la)


@pytest.fixture
def sites(running: Sites) -> Iterator[Sites]:
    yield running
    for site in (running.dwp, running.la):
        site.gateway("audit", "verify")


def test_accepted_files_become_ingested_at_the_sender_with_a_receipt_of_that_level(sites: Sites) -> None:
    first, second = sites.deliver(2)
    directory = sites.la.home.inbound / "claim" / "DWP"
    assert (directory / f"{first}.done").read_bytes() == b""
    pending = sites.la.json("inbound", "pending")
    assert {first, second} <= {row["delivered_as"] for row in pending}
    assert sites.la.json("inbound", "pending", "--older-than", "1") == []
    answer_file = sites.say(f"{first}.accepted")
    row = sites.wait_for(first, state="ingested", code=None)
    told = sites.receipt(first)
    assert told["level"] == "ingested"
    assert [(item["transfer"], item["outcome"]) for item in told["items"]] == [(row["id"], "ingested")]
    assert not answer_file.exists()
    (shown,) = sites.la.transfers(name=first, direction="in")
    assert shown["state"] == "ingested"
    assert sites.sent(second)["state"] == "receipted"
    assert first not in {row["delivered_as"] for row in sites.la.json("inbound", "pending")}


def test_refused_file_shows_its_reason_at_the_sender_and_in_no_log(sites: Sites) -> None:
    (name,) = sites.deliver()
    sites.say(f"{name}.rejected", f"{_PRIVATE}; QQ123456C\n")
    row = sites.wait_for(name, state="receipted", code="refused-by-back-office")
    (shown,) = sites.dwp.transfers(name=name)
    assert (shown["state"], shown["code"]) == ("receipted", "refused-by-back-office")
    assert shown["reason"] == f"{_PRIVATE}; [masked]"
    assert [item["outcome"] for item in sites.receipt(name)["items"]] == ["refused"]
    letter = sites.dwp.home.receipts / "claim" / sites.la.code / f"{name}.refused.txt"
    assert _PRIVATE in letter.read_text()
    story = sites.dwp.gateway("show", row["id"]).stdout
    assert _PRIVATE in story
    assert "What to do: Read the reason" in story
    for site in (sites.dwp, sites.la):
        assert [line["code"] for line in site.events("transfer.refused")] == ["refused-by-back-office"]
        assert _PRIVATE not in site.log_text()
        assert rows(site, "SELECT * FROM events WHERE detail LIKE '%Poplar%'") == []


def test_answer_survives_the_death_of_the_role_that_reads_it(sites: Sites) -> None:
    names = sites.deliver(12)
    for number, name in enumerate(names):
        sites.say(f"{name}.accepted")
        if number % 4 == 3:
            sites.la.kill("inspect")
    for name in names:
        sites.wait_for(name, state="ingested")
    wait_until(lambda: not any(sites.la.home.outcomes.glob("claim/DWP/*.accepted")), SECONDS, "removing the words")
    assert not (sites.la.home.returned / "claim" / "DWP").exists() or not any(
        path.name.startswith(tuple(names)) for path in (sites.la.home.returned / "claim" / "DWP").iterdir()
    )


def test_what_is_no_answer_is_returned_and_the_next_answer_is_taken(sites: Sites, tmp_path: Path) -> None:
    (name,) = sites.deliver()
    tree = sites.la.home.outcomes / "claim" / "DWP"
    (tree / "passwd.rejected").symlink_to("/etc/passwd")
    os.mkfifo(tree / "pipe.rejected")
    (tree / f"{name}.rejected").mkdir()
    sites.say("never-came.xml.accepted")
    sites.say("notes.txt", "not a word")
    sites.say(f"{name}.accepted")
    sites.wait_for(name, state="ingested")
    returned = sites.la.home.returned / "claim" / "DWP"
    expected = {"passwd.rejected", "pipe.rejected", f"{name}.rejected", "never-came.xml.accepted", "notes.txt"}
    wait_until(lambda: {path.name for path in returned.glob("*")} >= expected, SECONDS, "returning them")
    assert (returned / "passwd.rejected").is_symlink()
    wait_until(
        lambda: {path.name.removesuffix(".why.txt") for path in returned.glob("*.why.txt")} == expected,
        SECONDS,
        "the reasons",
    )
    wait_until(lambda: not any(tree.iterdir()), SECONDS, "emptying the tree")
    sites.say(f"{name}.rejected", "after all")
    wait_until(lambda: any(returned.glob(f"{name}~*.rejected.why.txt")) or _contrary(returned), SECONDS, "the contrary")
    assert sites.sent(name)["state"] == "ingested"


def _contrary(returned: Path) -> bool:
    return any("has said the contrary" in path.read_text() for path in returned.glob("*.why.txt"))
