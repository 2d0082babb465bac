"""A file that reached the wrong authority: refused towards its sender, passed on to the right one, gone here, provable.

Three real sites: DWP, Oldham (which gets it wrongly) and Tower Hamlets (to which it belongs).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.store import Ledger
from tests.acceptance.sites import Site, claim, introduce, make_site, wait_until

WRONG, RIGHT = "E08000004", "E09000030"


@dataclass(frozen=True)
class Three:
    """The sites, running."""

    dwp: Site
    wrong: Site
    right: Site


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    root = tmp_path_factory.mktemp("three")
    sites = [make_site(root, code) for code in ("DWP", WRONG, RIGHT)]
    for site in sites:
        for other in sites:
            if other is not site:
                introduce(site, other)
    try:
        for site in sites:
            site.start()
        yield Three(*sites)
    finally:
        for site in sites:
            site.stop()


def deliver(three: Three, index: int) -> tuple[str, bytes, dict[str, Any]]:
    """A claim that names Oldham, delivered there: its name, its content and Oldham's row."""
    name, content = claim(index, authority=WRONG)
    three.dwp.drop("claim", WRONG, name, content)
    return name, content, three.wrong.wait_for(name, "delivered", direction="in")


def pass_on(site: Site, transfer: str, *arguments: str | Path, to: str = RIGHT) -> dict[str, Any]:
    made = site.json("redirect", transfer, "--to", to, "--reason", "moved", *arguments)
    assert isinstance(made, dict)
    return made


def refused(site: Site, *arguments: str | Path) -> tuple[int, str]:
    done = site.gateway("redirect", *arguments, check=False)
    return done.returncode, done.stderr


def test_redirected_claim_reaches_the_right_authority_and_leaves_the_wrong_one(three: Three, tmp_path: Path) -> None:
    name, content, came = deliver(three, 1)
    tried = pass_on(three.wrong, came["id"], "--dry-run")
    assert tried["dry_run"]
    assert tried["removed"] == name
    assert three.wrong.inbound("claim", "DWP")[name] == content
    assert not [row for row in three.wrong.rows() if row["flow"] == "redirect"]

    done = pass_on(three.wrong, came["id"][:23], "--opened", "by-system", "--note", "moved in October")
    assert (done["transfer"], done["came_from"], done["passed_to"]) == (came["id"], "DWP", RIGHT)
    assert name not in three.wrong.inbound("claim", "DWP")

    # The right authority has it, with the history, and gets the file itself out of it.
    three.wrong.wait_for(done["document"], "receipted")
    there = three.right.wait_for(done["document"], "delivered", direction="in")
    assert (there["id"], there["redirected_from"], there["partner"]) == (done["redirect"], "DWP", WRONG)
    document = three.right.home.inbound / "redirect" / WRONG / done["document"]
    assert hashlib.sha256(document.read_bytes()).hexdigest() == done["document_sha256"]
    opened = three.right.json("redirect", "unpack", document, "--out", tmp_path)
    assert Path(opened["file"]).read_bytes() == content
    assert Path(opened["file"]).name == name
    (holding,) = opened["history"]
    assert holding["transfer"] == came["id"]
    assert (holding["holder"], holding["received_from"], holding["passed_to"]) == (WRONG, "DWP", RIGHT)
    assert (holding["opened"], holding["reason"], holding["explanation"]) == ("by-system", "moved", "moved in October")

    # Its sender knows that it was refused, and where it went.
    sent = wait_until(lambda: next((row for row in three.dwp.rows() if row["id"] == came["id"] and row["code"]), None))
    assert (sent["state"], sent["code"]) == ("receipted", "redirected")
    assert RIGHT in sent["reason"]
    assert done["redirect"] in sent["reason"]
    story = three.dwp.json("show", came["id"])
    words = [item for receipt in story["receipts"] for item in (receipt["content"] or {"items": []})["items"]]
    assert {(item["outcome"], item["code"]) for item in words} == {("delivered", None), ("refused", "redirected")}

    # Both transfers tell the story, and the chains hold.
    before, after = (three.wrong.json("show", each) for each in (came["id"], done["redirect"]))
    (event,) = [each for each in before["events"] if each["event"] == "transfer.redirected"]
    assert event["detail"].items() >= {
        "passed_to": RIGHT, "passed_as": done["redirect"], "sha256": came["sha256"], "code": "moved"
    }.items()  # fmt: skip
    (event,) = [each for each in after["events"] if each["event"] == "transfer.redirected"]
    assert event["detail"].items() >= {"came_from": "DWP", "came_as": came["id"], "sha256": came["sha256"]}.items()
    assert three.right.json("show", done["redirect"])["original"] == {
        "flow": "claim", "transfer": came["id"], "sha256": came["sha256"], "held_by": WRONG
    }  # fmt: skip
    for site in (three.dwp, three.wrong, three.right):
        site.gateway("audit", "verify")
    status, said = refused(three.wrong, came["id"], "--to", RIGHT, "--reason", "moved")
    assert status == 64
    assert done["redirect"] in said


def test_redirect_of_a_redirect_carries_the_history_on(three: Three, tmp_path: Path) -> None:
    name, content, came = deliver(three, 2)
    first = pass_on(three.wrong, came["id"])
    three.right.wait_for(first["document"], "delivered", direction="in")
    status, said = refused(three.right, first["redirect"], "--to", WRONG, "--reason", "other", "--note", "not ours")
    assert status == 64
    assert "by telephone" in said
    # A third authority that is never started: the document waits for it.
    third = make_site(tmp_path, "E07000223")
    introduce(three.right, third)
    second = pass_on(three.right, first["redirect"], to=third.code)
    assert second["holders"] == [WRONG, RIGHT]
    kept = three.right.home.custody / second["redirect"]
    opened = three.right.json("redirect", "unpack", kept, "--out", tmp_path / "out")
    assert Path(opened["file"]).read_bytes() == content
    assert opened["name"] == name
    assert [each["transfer"] for each in opened["history"]] == [came["id"], first["redirect"]]


def test_file_that_the_back_office_took_is_asked_for_and_compared(three: Three, tmp_path: Path) -> None:
    name, content, came = deliver(three, 3)
    (three.wrong.home.inbound / "claim" / "DWP" / name).unlink()
    asked = [came["id"], "--to", RIGHT, "--reason", "boundary-changed"]
    status, said = refused(three.wrong, *asked)
    assert status == 65
    assert "--file PATH" in said
    mine = tmp_path / "exported.xml"
    mine.write_bytes(content.replace(b"<", b"< ", 1))
    status, said = refused(three.wrong, *asked, "--file", mine)
    assert status == 65
    assert came["id"] in three.wrong.gateway("show", came["id"]).stdout
    mine.write_bytes(content)
    status, said = refused(three.wrong, *asked, "--file", mine, "--opened", "no")
    assert status == 64
    done = pass_on(three.wrong, came["id"], "--file", mine)
    assert done["removed"] is None
    assert mine.read_bytes() == content
    three.right.wait_for(done["document"], "delivered", direction="in")


def test_what_cannot_be_redirected_is_refused_and_changes_nothing(three: Three) -> None:
    name, content, came = deliver(three, 4)
    nobody = "E06000001"
    for to, status in ((nobody, 65), (WRONG, 64), ("DWP", 64)):
        assert refused(three.wrong, came["id"], "--to", to, "--reason", "moved")[0] == status
    assert refused(three.wrong, came["id"], "--to", RIGHT, "--reason", "other")[0] == 64
    assert refused(three.wrong, came["id"], "--to", RIGHT, "--reason", "because")[0] == 64
    assert refused(three.dwp, came["id"], "--to", RIGHT, "--reason", "moved")[0] == 64
    assert three.wrong.inbound("claim", "DWP")[name] == content
    row = next(row for row in three.wrong.rows() if row["id"] == came["id"])
    assert (row["state"], row["code"], row["word"]) == ("delivered", None, None)


def test_purge_that_a_crash_cut_short_is_finished_by_the_next_start(three: Three) -> None:
    name, content, came = deliver(three, 5)
    done = pass_on(three.wrong, came["id"])
    path = three.wrong.home.inbound / "claim" / "DWP" / name
    assert not path.exists()
    # As a kill between the commit and the removal leaves it: the file is there, and its row remembers.
    path.write_bytes(content)
    three.wrong.stop()
    ledger = Ledger(three.wrong.home.ledger, clock=lambda: 0.0, role="test")
    try:
        with ledger.write() as transaction:
            transaction.connection.exec_driver_sql("UPDATE transfers SET origin = ? WHERE id = ?", (name, came["id"]))
    finally:
        ledger.close()
    three.wrong.start()
    wait_until(lambda: not path.exists(), 20, "the purge")
    three.right.wait_for(done["document"], "delivered", direction="in")
    assert json.loads(three.wrong.gateway("transfers", "--json").stdout)


def test_altered_document_is_not_unpacked(three: Three, tmp_path: Path) -> None:
    _, _, came = deliver(three, 6)
    done = pass_on(three.wrong, came["id"])
    three.right.wait_for(done["document"], "delivered", direction="in")
    document = (three.right.home.inbound / "redirect" / WRONG / done["document"]).read_bytes()
    altered = tmp_path / "altered.xml"
    altered.write_bytes(document.replace(b"<OriginalSize>", b"<OriginalSize>1", 1))
    status, said = refused(three.right, "unpack", altered, "--out", tmp_path / "out")
    assert status == 65
    assert "size" in said
    assert not (tmp_path / "out").exists()
