"""Whole sites with a real clamd, whose one signature is the tests' own: found on the way out, on the way in, and missed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.reading import holding, rows
from tests.acceptance.sites import Site, claim, wait_until
from tests.fakes.clamd import MARK, NAME, needs_clamd, running_clamd

pytestmark = needs_clamd

LA = "E09000030"


@pytest.fixture
def socket() -> Iterator[Path]:
    """Where the sites look for clamd; nothing is there yet."""
    with tempfile.TemporaryDirectory(prefix="clamd-") as directory:
        yield Path(directory) / "clamd.sock"


def infected(index: int) -> tuple[str, bytes]:
    """A claim with which nothing is wrong but the signature in a comment."""
    name, content = claim(index, seed=7000 + index)
    end = content.rindex(b"</")
    return name, content[:end] + b"<!--" + MARK + b"-->" + content[end:]


def scan(site: Site, socket: Path) -> None:
    site.edit_config("antivirus", socket=str(socket))
    site.edit_config("flows.claim", scan=True)


def test_nothing_passes_while_the_scanner_is_away_and_infected_files_never_leave(tmp_path: Path, socket: Path) -> None:
    with copied_pair(tmp_path) as (dwp, la):
        scan(dwp, socket)
        dwp.start()
        la.start()
        good, bad = claim(1, seed=7100), infected(2)
        for name, content in (good, bad):
            dwp.drop("claim", LA, name, content)
        wait_until(
            lambda: {row["code"] for row in dwp.rows()} == {"scanner-unavailable"} and len(dwp.rows()) == 2,
            40,
            "two files that wait for the scanner",
        )
        assert {row["state"] for row in dwp.rows()} == {"admitted"}
        doctor = dwp.gateway("doctor", check=False)
        assert "virus scanner" in doctor.stdout
        assert doctor.returncode != 0
        with running_clamd(socket):
            dwp.wait_for(good[0], "receipted", 60)
            lost = dwp.wait_for(bad[0], "quarantined", 60)
            assert "virus scanner        answers" in dwp.gateway("doctor", check=False).stdout
        assert lost["code"] == "infected"
        assert NAME in lost["reason"]
        assert la.inbound("claim", "DWP") == {good[0]: good[1]}
        why = dwp.home.returned / "claim" / LA / f"{bad[0]}.why.txt"
        wait_until(why.exists, 20, "the reason")
        assert "infected" in why.read_text()
        wait_until(lambda: rows(dwp, "SELECT id FROM quarantine"), 20, "the quarantine")
        wait_until(partial(_is_held_alone, dwp, la), 20, "the infected file in its place, and nowhere else")
        (kept,) = dwp.json("quarantine", "list")
        assert (kept["kind"], kept["code"], kept["partner"]) == ("file", "infected", LA)
        assert dwp.json("quarantine", "show", kept["id"])["file"] == str(dwp.home.infected / kept["id"])
        dwp.gateway("audit", "verify")
        dwp.gateway("quarantine", "discard", kept["id"], "--reason", "the sender was told")
        assert holding(MARK, dwp.home.root, la.home.root) == []
        assert [line["level"] for line in dwp.events("transfer.quarantined")] == ["error"]
        dwp.gateway("audit", "verify")


def _is_held_alone(site: Site, *others: Site) -> bool:
    """Whether the infected file lies where the site locks such files away, and nowhere else."""
    homes = [each.home.root for each in (site, *others)]
    return {path.parent for path in holding(MARK, *homes)} == {site.home.infected}


def test_infected_file_that_arrives_is_locked_away_and_its_sender_is_told(tmp_path: Path, socket: Path) -> None:
    with copied_pair(tmp_path) as (dwp, la), running_clamd(socket):
        scan(la, socket)
        dwp.edit_config("flows.claim", settle_seconds=0.2)
        good, bad = claim(3, seed=7200), infected(4)
        name = bad[0]
        for each in (good, bad):
            dwp.drop("claim", LA, *each)
        dwp.start()
        la.start()
        dwp.wait_for(good[0], "receipted", 60)
        lost = dwp.wait_for(name, "quarantined", 60)
        assert lost["code"] == "infected"
        assert NAME in lost["reason"]
        assert la.inbound("claim", "DWP") == {good[0]: good[1]}
        assert la.wait_for(name, "quarantined", direction="in")["code"] == "infected"
        for site in (dwp, la):
            wait_until(partial(rows, site, "SELECT id FROM quarantine"), 20, "locking away")
            # What was dropped lies beside the spool until nobody can write to it any more.
            wait_until(partial(_is_held_alone, site), 20, "the infected file in its place, and nowhere else")
            site.gateway("audit", "verify")
