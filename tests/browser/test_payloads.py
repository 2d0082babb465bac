"""Files in a browser: uploaded, checked and sent once; and payloads looked at with a reason, as renderings, by those who may."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from gateway.sample.catalog import samplers
from gateway.sample.contract import Sample
from tests.acceptance.sites import claim, wait_until
from tests.browser.browsing import Person
from tests.browser.conftest import ConsoleSite
from tests.browser.test_lives import fill_reason, press, reload_until
from tests.fakes.forger import uuid7
from tests.fakes.verifier import TOOL

Enter = Callable[[ConsoleSite, str], Person]
LA = "E09000030"


def choose(person: Person, flow: str, name: str, content: bytes, partner: str = LA) -> None:
    """Fill in the form and upload a file."""
    person.see("/send")
    person.page.select_option("#flow", flow)
    person.page.select_option("#partner", partner)
    person.page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": content})
    press(person, "Upload and check")


def look(person: Person, transfer: str, reason: str = "the claimant has called") -> None:
    """Ask to see a payload, and wait for it."""
    assert person.see(f"/transfers/{transfer}") == 200
    if (
        drawn := person.page.query_selector(".console-check__button")
    ) is not None:  # one look in a hundred draws a check
        drawn.click()
        person.page.wait_for_load_state()
        person.see(f"/transfers/{transfer}")
    person.page.get_by_role("link", name="Look at what is in it").click()
    person.page.wait_for_load_state()
    fill_reason(person, reason)
    press(person, "Look")
    wait_until(lambda: "Preparing" not in person.text(), 30, "the rendering")


def sampled(flow: str, sender: str, recipient: str) -> Sample:
    """A made-up file."""
    today = date(2026, 11, 22)
    return samplers()[flow].make(sender=sender, recipient=recipient, index=1, random=random.Random(1), today=today)


def verified(command: str, file: Path) -> str:
    """What the verifier says of a file, run by the command that the site gives; it begins with `python3` and ends with the keys."""
    _, tool, _, *known = command.split()
    assert tool == "verify_evidence.py"
    assert known
    run = [sys.executable, str(TOOL), str(file), *known]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout


def nothing_of(person: Person, *statuses: str) -> None:
    """Complaints of a browser about statuses that the test wants."""
    person.complaints = [each for each in person.complaints if not any(status in each for status in statuses)]


def test_a_file_is_checked_then_sent_once_however_often_the_button_is_pressed(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter, tmp_path: Path
) -> None:
    dwp, la = sites
    name, content = claim(21)
    person = enter(dwp, "op1")
    person.see("/send")
    assert person.violations() == []
    assert person.overflow() == 0
    choose(person, "claim", name, content)
    assert "Nothing is wrong with it" in person.text(), person.text()
    assert person.violations() == []
    assert person.overflow() == 0
    assert [row for row in dwp.site.rows() if row["name"] == name] == [], "nothing is sent before the second press"
    checked = person.page.url
    second = person.context.new_page()
    second.goto(checked)
    press(person, "Send")
    second.get_by_role("button", name="Send", exact=True).click()
    second.wait_for_load_state()
    second.close()
    reload_until(person, "Done")
    assert person.violations() == []
    sent = dwp.site.wait_for(name, "receipted")
    assert len([row for row in dwp.site.rows() if row["name"] == name]) == 1
    story = dwp.site.json("show", sent["id"])
    admitted = next(each for each in story["events"] if each["event"] == "transfer.admitted")
    assert admitted["detail"]["actor"] == "op1"
    made = dwp.site.gateway("evidence", sent["id"], "--out", tmp_path / "sent.zip")
    command = made.stderr.rpartition("checks it with: ")[2].replace("\n", " ")
    assert "HOLDS" in verified(command, tmp_path / "sent.zip")
    wait_until(lambda: list(dwp.site.home.uploads.iterdir()) == [], 30, "the end of the upload")
    assert (la.site.home.inbound / "claim" / "DWP" / name).read_bytes() == content
    person.see(checked.removeprefix(person.base))
    assert "not here any more" in person.text()
    (nino,) = set(re.findall(rb"<Claimant>\s*<Nino>([A-Z0-9 ]+)</Nino>", content))
    home = dwp.site.home
    kept = (home.vault, home.uploads, home.shown)  # plaintext may lie there, and in the spool
    for path in [*home.state.rglob("*"), *home.landing.rglob("*"), dwp.site.log]:
        if path.is_file() and not any(path.is_relative_to(place) for place in kept):
            assert nino not in path.read_bytes(), path


def test_a_file_with_faults_shows_them_and_can_be_removed(sites: tuple[ConsoleSite, ConsoleSite], enter: Enter) -> None:
    dwp = sites[0]
    name, content = claim(22, defect="date")
    person = enter(dwp, "op1")
    choose(person, "claim", name, content)
    assert "It would come back" in person.text()
    assert "[date]" in person.text()
    assert person.violations() == []
    press(person, "Remove")
    assert list(dwp.site.home.uploads.iterdir()) == []
    assert [row for row in dwp.site.rows() if row["name"] == name] == []


@pytest.mark.parametrize("flow", ["claim", "laid"])
def test_what_is_no_file_or_too_large_is_said_on_the_form(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter, flow: str
) -> None:
    dwp = sites[0]
    person = enter(dwp, "op1")
    person.see("/send")
    press(person, "Upload and check")
    assert "Choose a file." in person.text()
    assert person.violations() == []
    if flow == "laid":
        choose(person, flow, "large.pdf", b"%PDF" + bytes(17 << 20))
        assert "larger than" in person.text()
    else:
        choose(person, flow, "empty.xml", b"")
        assert "empty" in person.text()
    assert list(dwp.site.home.uploads.iterdir()) == []
    nothing_of(person, "422")


def test_a_form_of_another_session_or_without_one_leaves_nothing(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    for user, status in (("aud1", 403), ("op1", 403)):
        person = enter(dwp, user)
        answer = person.context.request.post(
            "/send",
            multipart={
                "csrf": "0" * 64,
                "flow": "claim",
                "partner": LA,
                "file": {"name": "a.xml", "mimeType": "text/xml", "buffer": b"x" * 200_000},
            },
            headers={"origin": dwp.base},
            max_redirects=0,
        )
        assert answer.status == status
    assert list(dwp.site.home.uploads.iterdir()) == []


def test_a_claim_is_looked_at_as_a_form_and_that_is_recorded_with_the_reason(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    la = sites[1]
    name, content = claim(23)
    sites[0].site.drop("claim", LA, name, content)
    sites[0].site.wait_for(name, "receipted")
    row = la.site.wait_for(name, "delivered", direction="in")
    person = enter(la, "op1")
    person.see(f"/transfers/{row['id']}/payload")
    press(person, "Look")
    assert "3 to 300 characters" in person.text(), "no reason, nothing to see"
    nothing_of(person, "422")
    assert person.violations() == []
    look(person, row["id"])
    text = person.text()
    assert "Date of birth" in text
    assert "Claim 1 of 1" in text
    assert "<" not in person.page.inner_text(".console-form")
    assert person.violations() == []
    assert person.overflow() == 0
    answer = person.context.request.get(person.page.url)
    assert answer.headers["cache-control"] == "no-store"
    others_page = person.page.url
    person.see("/access-log")
    log = [line for line in person.text().splitlines() if "the claimant has called" in line]
    assert len(log) == 1, "once, however often it is loaded"
    assert "op1" in log[0]
    others = enter(la, "op2")
    assert others.context.request.get(others_page).status == 404, "what one opens is for that one alone"


def test_a_laid_is_looked_at_page_by_page_as_pictures(sites: tuple[ConsoleSite, ConsoleSite], enter: Enter) -> None:
    dwp, la = sites
    sample = sampled("laid", "DWP", LA)
    dwp.site.drop("laid", LA, sample.name, sample.content)
    dwp.site.wait_for(sample.name, "receipted")
    row = la.site.wait_for(sample.name, "delivered", direction="in")
    person = enter(la, "sup1")
    look(person, row["id"])
    assert person.violations() == []
    assert person.overflow() == 0
    drawn = person.page.evaluate("document.querySelector('.console-picture').naturalWidth")
    assert drawn > 500
    picture = person.page.url.partition("?")[0] + "/1.png"
    answer = person.context.request.get(picture)
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/png", "no-store")
    assert answer.body()[:8] == b"\x89PNG\r\n\x1a\n"
    assert person.context.request.get(picture.replace("/1.png", "/99.png")).status == 404


def test_an_extract_is_looked_at_as_a_table_with_the_names_of_its_fields(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp, la = sites
    sample = sampled("extract", LA, "DWP")
    la.site.drop("extract", "DWP", sample.name, sample.content)
    row = wait_until(lambda: next((r for r in la.site.rows() if r["name"] == sample.name), None), 30, "its row")
    person = enter(la, "chk1")
    look(person, row["id"])
    if "nothing to show" in person.text():  # it was receipted meanwhile, and has left custody
        person = enter(dwp, "chk1")
        received = wait_until(lambda: next((r for r in dwp.site.rows() if r["name"] == sample.name), None), 30, "it")
        dwp.site.wait_for(sample.name, "delivered", direction="in")
        look(person, received["id"])
    assert "claimant's date of birth (8)" in person.text(), person.text()
    assert person.violations() == []
    assert person.overflow() == 0


@pytest.mark.parametrize("user", ["aud1", "adm1", "prt1"])
def test_who_may_not_open_payloads_is_refused(sites: tuple[ConsoleSite, ConsoleSite], enter: Enter, user: str) -> None:
    la = sites[1]
    person = enter(la, user)
    one = uuid7()
    assert person.see(f"/transfers/{one}/payload") == 403
    assert person.see(f"/transfers/{one}/payload/{one}") == 403
    assert person.see(f"/transfers/{one}/payload/{one}/1.png") == 403
    assert person.see("/send") == 403
    nothing_of(person, "403")


def test_what_is_gone_is_said_to_be_gone(sites: tuple[ConsoleSite, ConsoleSite], enter: Enter) -> None:
    dwp = sites[0]
    name, content = claim(24)
    dwp.site.drop("claim", LA, name, content)
    row = dwp.site.wait_for(name, "receipted")
    person = enter(dwp, "op1")
    look(person, row["id"])
    assert "There is nothing to show" in person.text()
    assert person.violations() == []


def test_an_auditor_verifies_the_site_and_takes_evidence_away_with_a_script_and_without(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    name, content = claim(29)
    dwp.site.drop("claim", LA, name, content)
    transfer = dwp.site.wait_for(name, "receipted")["id"]
    person = enter(dwp, "aud1")
    for path in ("/audit", "/audit/heads", "/audit/heads?which=theirs", "/audit/statements"):
        assert person.see(path) == 200
        assert person.violations() == []
        assert person.overflow() == 0
    person.see("/audit")
    press(person, "Verify now")
    # No reload: the page renews itself.
    wait_until(lambda: "asked for a verification" not in person.text(), 60, "the verification")
    assert person.page.locator("td:text-is('none')").count() == 1, person.text()
    assert person.violations() == []
    assert person.overflow() == 0
    person.see(f"/transfers/{transfer}")
    person.page.get_by_role("link", name="Evidence of this transfer").click()
    person.page.wait_for_load_state()
    press(person, "Make it")
    assert "There is a problem" in person.text(), "it takes a reason"
    assert person.violations() == []
    fill_reason(person, "court order 12 of 2026")
    press(person, "Make it")
    wait_until(lambda: "Take the evidence away" in person.text(), 60, "the evidence")
    assert person.violations() == []
    assert person.overflow() == 0
    with person.page.expect_download() as download:
        person.page.get_by_role("button", name="Take the evidence away").click()
    assert download.value.suggested_filename == f"evidence-{transfer}.zip"
    assert "HOLDS" in verified(person.text(".console-command"), download.value.path())
    with zipfile.ZipFile(download.value.path()) as taken:
        assert "story.pdf" in taken.namelist()
    nothing_of(person, "422")
    browser = person.context.browser
    assert browser is not None
    plain = browser.new_context(base_url=person.base, java_script_enabled=False)
    try:
        plain.add_cookies(dwp.jars["aud1"])
        page = plain.new_page()
        page.goto("/audit")
        page.get_by_role("button", name="Verify now").click()
        page.wait_for_load_state()
        wait_until(lambda: page.locator("td:text-is('none')").count() == 2, 60, "the second verification")
    finally:
        plain.close()
