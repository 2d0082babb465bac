"""A file that reached the wrong authority: refused towards its sender, passed on to the right one, gone here, provable.

Three real sites: DWP, Oldham (which gets it wrongly) and Tower Hamlets (to which it belongs).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.sites import Site, claim, running_sites, wait_until

WRONG, RIGHT = "E08000004", "E09000030"


@dataclass(frozen=True)
class Three:
    """The sites, running."""

    dwp: Site
    wrong: Site
    right: Site


@pytest.fixture
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    with running_sites(tmp_path_factory.mktemp("three"), "DWP", WRONG, RIGHT) as sites:
        yield Three(*sites)


def deliver(three: Three, index: int) -> tuple[str, bytes, dict[str, Any]]:
    """A claim that names Oldham, delivered there: its name, its content and Oldham's row."""
    name, content = claim(index, authority=WRONG)
    three.dwp.drop("claim", WRONG, name, content)
    return name, content, three.wrong.wait_for(name, "delivered", direction="in")


def pass_on(site: Site, transfer: str, *arguments: str | Path, to: str = RIGHT) -> dict[str, Any]:
    made = site.json("redirect", transfer, "--to", to, "--reason", "moved", *arguments)
    assert isinstance(made, dict)
    return made


def test_redirected_claim_reaches_the_right_authority_and_leaves_the_wrong_one(three: Three, tmp_path: Path) -> None:
    name, content, came = deliver(three, 1)
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
    # It is one story there, whichever of the two is asked for, and by its name.
    for asked, word in ((came["id"], came["id"]), (done["redirect"], done["redirect"]), (came["id"], name)):
        told = three.wrong.json("show", word)["conversation"]["members"]
        assert [(each["id"], each["asked"]) for each in told] == [
            (each, each == asked) for each in (came["id"], done["redirect"])
        ]
        assert {each["link"] for each in told} == {None, "passed-on"}
    assert three.dwp.json("show", came["id"])["conversation"] is None, "its own reason says where it went"
    assert three.right.json("show", done["redirect"])["original"] == {
        "flow": "claim", "transfer": came["id"], "sha256": came["sha256"], "held_by": WRONG
    }  # fmt: skip
    # The bytes of the file itself are known wherever it was, and where it is now within another.
    found = {site.code: site.json("find", "--file", opened["file"]) for site in (three.dwp, three.wrong, three.right)}
    by = {code: [(hit["by"], hit["id"]) for hit in hits] for code, hits in found.items()}
    passed_on = ("original", done["redirect"])
    assert by["DWP"] == [("content", came["id"])]
    assert by[WRONG] == [("content", came["id"]), passed_on]
    assert by[RIGHT] == [passed_on]
    assert f"passed on to another authority as transfer {done['redirect']}" in found[WRONG][0]["said"]
    for site in (three.dwp, three.wrong, three.right):
        site.gateway("audit", "verify")
