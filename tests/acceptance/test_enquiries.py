"""Sites ask each other and answer, with papers, and DWP tells everybody of a known fault.

Three real sites for one round: DWP, Tower Hamlets and Oldham. The day by which a reply is wanted passes because the
authority's ledger is told an earlier one: nobody can wait for midnight in a test.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from gateway.ledger.store import Ledger
from gateway.sample.laid import LaidSampler
from tests.acceptance.sites import Site, running_sites, wait_until

LA, OTHER = "E09000030", "E08000004"
CANARY = "Quillfeather, QQ918273A"


@dataclass(frozen=True)
class Three:
    """The sites, running."""

    dwp: Site
    la: Site
    other: Site


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    with running_sites(tmp_path_factory.mktemp("three"), "DWP", LA, OTHER) as sites:
        yield Three(*sites)


def outstanding(site: Site) -> list[str]:
    return [line["reference"] for line in site.json("enquiries", "--outstanding")]


def laid(path: Path, defect: str | None = None) -> Path:
    made = LaidSampler().make(
        sender="DWP", recipient=LA, index=1, random=random.Random(1), today=date(2026, 11, 20), defect=defect
    )
    path.write_bytes(made.content)
    return path


@pytest.mark.timeout(600)  # three sites start in a minute on an idle machine, and in several on a busy one
def test_enquiries_are_answered_remembered_and_alarmed_and_the_board_is_shown(three: Three, tmp_path: Path) -> None:
    dwp, la, other = three.dwp, three.la, three.other
    (question := tmp_path / "question.txt").write_text(f"Is this the form of {CANARY}?\n", "utf-8")
    (answer := tmp_path / "answer.txt").write_text("It is.\n", "utf-8")
    form = laid(tmp_path / "form.pdf")

    # What could not travel alone cannot travel attached.
    hostile = laid(tmp_path / "hostile.pdf", "javascript")
    refused = dwp.gateway("enquiry", "send", "nino", LA, "--text", question, "--attach", hostile, check=False)
    assert refused.returncode == 65
    assert "attachment 1" in refused.stderr
    assert CANARY not in refused.stderr

    # DWP asks an authority, with a paper; the authority reads both, and answers.
    sent = dwp.json("enquiry", "send", "nino", LA, "--text", question, "--attach", form)
    la.wait_for(sent["document"], "delivered", direction="in", seconds=90)
    dwp.wait_for(sent["document"], "receipted", seconds=90)
    assert outstanding(dwp) == outstanding(la) == [sent["reference"]]
    document = la.home.inbound / "enquiry" / "DWP" / sent["document"]
    read = la.json("enquiry", "unpack", document, "--out", tmp_path / "out")
    assert read["paragraphs"] == [f"Is this the form of {CANARY}?"]
    assert (tmp_path / "out" / "form.pdf").read_bytes() == form.read_bytes()
    replied = la.json("enquiry", "reply", sent["reference"], "--text", answer)
    dwp.wait_for(replied["document"], "delivered", direction="in", seconds=90)
    assert outstanding(dwp) == outstanding(la) == []

    # An authority asks another one; nobody answers in time, and both hear of it once.
    today = datetime.now(UTC).date().isoformat()
    asked = la.json(
        "enquiry", "send", "general", OTHER, "--text", question, "--reply-by", today, "--reference", "HBE-1"
    )
    other.wait_for(asked["document"], "delivered", direction="in", seconds=90)
    la.wait_for(asked["document"], "receipted", seconds=90)
    assert outstanding(la) == outstanding(other) == ["HBE-1"]
    for site in (la, other):
        site.stop()
        # The chain commits to what the gateway's own door writes.
        with closing(Ledger(site.home.ledger, clock=time.time, role="test")) as ledger, ledger.write() as transaction:
            due = transaction.connection.exec_driver_sql(
                "UPDATE transfers SET facts = replace(facts, ?, '2026-01-02') WHERE id = ?", (today, asked["transfer"])
            )
            assert due.rowcount == 1
        site.start()
        (line,) = wait_until(partial(site.events, "enquiry.overdue"), 90, "the alarm")
        assert (line["level"], line["transfer"], line["due"]) == ("warning", asked["transfer"], "2026-01-02")
        status = site.gateway("status", check=False)
        assert status.returncode == 69
        assert "HBE-1" in status.stdout
    other.json("enquiry", "reply", "HBE-1", "--text", answer)
    wait_until(lambda: outstanding(la) == outstanding(other) == [], 90, "the reply")
    assert "HBE-1" not in la.gateway("status").stdout

    # DWP's board is shown by status at an authority, also when the back office has taken the file.
    dwp.gateway("faults", "add", "ETD-7", "--what", "Notices came twice.", "--since", today)
    for site in (la, other):
        site.wait_for("faults-00001.xml", "delivered", direction="in", seconds=90)
        (site.home.inbound / "faults" / "DWP" / "faults-00001.xml").unlink()
        assert "known fault ETD-7: Notices came twice." in site.gateway("status").stdout

    # What was asked is in no log and no ledger, and the chains hold.
    for site in (dwp, la, other):
        site.gateway("audit", "verify")
        kept = site.log_text().encode() + b"".join(path.read_bytes() for path in site.home.ledger.parent.iterdir())
        assert b"Quillfeather" not in kept
        assert b"QQ918273A" not in kept
