"""Decisions given at the node that does not work with the partner: each happens once, where the lane is, and the chain has the person."""

from __future__ import annotations

import getpass
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.administration.site.settings import load
from tests.acceptance.copies import set_port
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, free_port, wait_until
from tests.acceptance.test_two_nodes import WHY, Two, nodes_at

STRANGE = b"not a consignment"


@dataclass(frozen=True)
class Desk:
    """A person at the node `away`, while `owner` works with the partner."""

    two: Two
    owner: Site
    away: Site

    def transfer(self, identity: str) -> dict[str, Any]:
        (row,) = [row for row in self.away.json("transfers") if row["id"] == identity]
        return dict(row)

    def is_in(self, identity: str, state: str) -> bool:
        return bool(self.transfer(identity)["state"] == state)

    def chain(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Events about it, with what they say."""
        with psycopg.connect(load(self.away.home).ledger.url) as connection:
            query = "SELECT event, detail FROM events WHERE subject = %s ORDER BY sequence"
            return [(event, json.loads(detail)) for event, detail in connection.execute(query, (subject,))]

    def decided(self, subject: str, *names: str) -> None:
        """Each of these is in the chain once, by the person who typed the command."""
        chain = self.chain(subject)
        for name in names:
            (detail,) = [detail for event, detail in chain if event == name]
            assert detail["actor"] == getpass.getuser(), (name, detail)

    def did(self, site: Site, event: str, identity: str) -> int:
        """How often a role of that node logged it."""
        return sum(identity in str(line) for line in site.events(event) if line["role"] != "command")

    def submit(self, path: Path, number: int) -> str:
        name, content = claim(number, seed=71)
        (path / name).write_bytes(content)
        (made,) = json.loads(self.away.gateway("submit", "claim", self.two.partner, path / name, "--json").stdout)
        return str(made["id"])


pytestmark = [
    pytest.mark.timeout(500),  # the first one waits for two nodes to be made and to start
    pytest.mark.torture,
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with nodes_at(tmp_path_factory.mktemp("deciding")) as two:
        for site in (two.north, two.south):
            site.edit_config("limits", lane_consignments=1)  # a second file waits, and is not packed
            site.gateway("reload")
        wait_until(two.have_all, 60, "both nodes again")
        (lane,) = [each for each in two.north.json("nodes")["lanes"] if each["lane"] == two.partner]
        nodes = {"north-1": two.north, "south-1": two.south}
        owner = nodes.pop(lane["node"])
        (away,) = nodes.values()
        yield Desk(two, owner, away)


def test_hold_release_return_and_retry_at_the_node_without_the_lane(desk: Desk, tmp_path: Path) -> None:
    two, away, owner = desk.two, desk.away, desk.owner
    first = desk.submit(tmp_path, 1)
    wait_until(lambda: desk.is_in(first, "sealed"), 60, "the first file, sealed for a partner that is away")
    held, back = desk.submit(tmp_path, 2), desk.submit(tmp_path, 3)
    for identity in (held, back):
        wait_until(partial(desk.is_in, identity, "validated"), 60, "the others, which wait")

    away.gateway("hold", held, "--reason", "claimant has withdrawn")
    assert desk.is_in(held, "held")
    desk.decided(held, "transfer.held")
    assert away.gateway("hold", held, *WHY, check=False).returncode != 0  # it is held
    away.gateway("return", back, "--reason", "it went last week")
    name = desk.transfer(back)["name"]
    letter = away.home.returned / "claim" / two.partner / f"{name}.why.txt"
    wait_until(letter.exists, 60, "the file with its reason, where all nodes see it")
    assert "it went last week" in letter.read_text()
    desk.decided(back, "transfer.rejected")
    assert [event for event, _ in desk.chain(back)].count("transfer.returned") == 1
    assert (desk.did(owner, "transfer.returned", back), desk.did(away, "transfer.returned", back)) == (1, 0)
    assert [path.name for path in letter.parent.iterdir() if not path.name.startswith((".", "README"))].count(name) == 1

    # The partner takes what comes, and cannot say so.
    set_port(two.la, "DWP", free_port())
    two.la.start()
    consignment = str(desk.transfer(first)["consignment"])
    wait_until(lambda: desk.is_in(first, "sent"), 90, "the first file at the partner")
    name = desk.transfer(first)["name"]
    wait_until(lambda: name in two.la.inbound("claim", "DWP"), 60, "the first file before its back office")
    assert desk.is_in(held, "held")  # and nothing but the first has come
    away.gateway("retry", consignment, "--reason", "they say that they lost it")
    desk.decided(consignment, "consignment.retried")
    wait_until(lambda: two.la.events("consignment.repeated"), 60, "the same bytes once more")
    wait_until(lambda: desk.did(owner, "consignment.sent", consignment) == 2, 60, "both uploads in the owner's log")
    assert desk.did(away, "consignment.sent", consignment) == 0

    set_port(two.la, "DWP", two.north.port)
    two.la.gateway("reload")
    wait_until(lambda: desk.is_in(first, "receipted"), 90, "its receipt")
    away.gateway("release", held, "--reason", "the manager has looked at it")
    desk.decided(held, "transfer.held", "transfer.released")
    wait_until(lambda: desk.is_in(held, "receipted"), 90, "the file that was held")
    arrived = Counter(row["name"] for row in rows(two.la, "SELECT name FROM transfers WHERE direction = 'in'"))
    assert arrived == {desk.transfer(first)["name"]: 1, desk.transfer(held)["name"]: 1}
    assert set(two.la.inbound("claim", "DWP")) == set(arrived)
    assert desk.is_in(back, "rejected")
    for site in (owner, away):
        site.gateway("audit", "verify", "--deep")


def test_what_was_locked_away_is_discarded_once_wherever_that_is_said(desk: Desk) -> None:
    """It landed at the node that has the lane; the bytes are in its directories and in the store."""
    two, away, owner = desk.two, desk.away, desk.owner
    landing = owner.home.landing_in(two.partner)
    (landing / ".notes.txt").write_bytes(STRANGE)
    (landing / ".notes.txt").chmod(0o640)
    (landing / ".notes.txt").rename(landing / "notes.txt")
    (row,) = wait_until(lambda: away.json("quarantine", "list"), 60, "the stranger's file")
    away.gateway("quarantine", "discard", row["id"], "--reason", "they sent it by mistake")
    assert away.gateway("quarantine", "discard", row["id"], *WHY, check=False).returncode == 64
    desk.decided("unnamed", "quarantine.discarded")  # a stranger's file has no id
    assert owner.json("quarantine", "list") == []
    places = [site.home.quarantine for site in (owner, away)]
    wait_until(
        lambda: (
            not [
                path for place in places for path in place.rglob("*") if path.is_file() and path.read_bytes() == STRANGE
            ]
        ),
        90,
        "the bytes to be gone at both nodes",
    )
    for site in (owner, away):
        site.gateway("audit", "verify", "--deep")
