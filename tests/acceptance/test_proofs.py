"""Proof from the console, over HTTP, at real sites: verifying now, heads, statements, and evidence that a third party checks."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, claim, free_port, wait_until
from tests.acceptance.test_console import Console
from tests.browser.browsing import add_people
from tests.fakes.verifier import TOOL

REASON = "court order 12 of 2026"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Console, Site, str]]:
    """DWP's console while both sites work, the authority's site, and a transfer whose receipt has come."""
    with copied_pair(tmp_path_factory.mktemp("proofs")) as (dwp, la):
        listen = f"127.0.0.1:{free_port()}"
        dwp.edit_config("console", listen=listen, address=f"http://{listen}")
        console = Console(dwp, f"http://{listen}", add_people(dwp))
        for site in (dwp, la):
            site.start()
        wait_until(lambda: dwp.role("console"), 60, "the start of the console")
        name, content = claim(1)
        dwp.drop("claim", la.code, name, content)
        yield console, la, str(dwp.wait_for(name, "receipted")["id"])
        for site in (dwp, la):
            site.stop()


@pytest.fixture(scope="module")
def auditor(played: tuple[Console, Site, str]) -> requests.Session:
    return played[0].sign_in("aud1")


def press(console: Console, client: requests.Session, path: str, **fields: str) -> requests.Response:
    return console.post(client, path, {"csrf": console.csrf(client, path), **fields})


def verified(console: Console, client: requests.Session) -> str:
    """The audit page, after what was asked for there has its answer."""
    answer = press(console, client, "/audit")
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    wait_until(lambda: "asked for a verification" not in console.get(client, path).text, 60, "the verification")
    return console.get(client, path).text


def evidence(console: Console, client: requests.Session, transfer: str) -> str:
    """The address of evidence that was asked for and made."""
    answer = press(console, client, f"/transfers/{transfer}/evidence", reason=REASON)
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    wait_until(lambda: "Making the evidence" not in console.get(client, path).text, 60, "the evidence")
    assert "Take the evidence away" in console.get(client, path).text
    return path


def told(console: Console, event: str) -> list[dict[str, object]]:
    with closing(sqlite3.connect(console.site.home.ledger)) as ledger:
        rows = ledger.execute("SELECT kind, subject, detail FROM events WHERE event = ? ORDER BY sequence", (event,))
        return [{"kind": kind, "subject": subject, **json.loads(detail)} for kind, subject, detail in rows]


def test_evidence_is_asked_made_taken_and_checked_by_somebody_else(
    played: tuple[Console, Site, str], auditor: requests.Session, tmp_path: Path
) -> None:
    console, la, transfer = played
    page = console.get(auditor, f"/transfers/{transfer}").text
    assert f"/transfers/{transfer}/evidence" in page
    assert press(console, auditor, f"/transfers/{transfer}/evidence", reason=" ").status_code == 422
    path = evidence(console, auditor, transfer)
    given = console.get(auditor, f"{path}/file.zip")
    assert given.status_code == 200
    assert given.headers["content-type"] == "application/zip"
    assert given.headers["cache-control"] == "no-store"
    request = path.rpartition("/")[2]
    (made,) = [each for each in told(console, "evidence.made") if each["subject"] == request]
    (taken,) = [each for each in told(console, "evidence.taken") if each["subject"] == request]
    assert (made["actor"], made["transfer"], made["kind"]) == ("aud1", transfer, "request")
    assert (taken["actor"], taken["subject"]) == ("aud1", made["subject"])
    out = tmp_path / "case.zip"
    out.write_bytes(given.content)
    assert made["bytes"] == len(given.content)
    cards = {site.code: json.loads(site.gateway("card").stdout) for site in (console.site, la)}
    pins = [f"--known={code}={card['fingerprint']}" for code, card in cards.items()]
    shutil.copy(TOOL, tmp_path / "verify.py")
    checked = subprocess.run(
        [sys.executable, tmp_path / "verify.py", out, *pins], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert "DOES NOT HOLD" not in checked.stdout
    assert "HOLDS" in checked.stdout
    ours = tmp_path / "cli.zip"
    console.site.gateway("evidence", transfer, "--out", ours)
    with zipfile.ZipFile(out) as one, zipfile.ZipFile(ours) as other:
        assert {name.split("/")[0] for name in one.namelist()} == {name.split("/")[0] for name in other.namelist()}
        assert one.read("rows/00001.jsonl") == other.read("rows/00001.jsonl")
    assert "evidence" not in console.site.gateway("show", transfer).stdout, "who took evidence is no part of the story"
    assert REASON not in console.site.log_text().replace(f'"reason":"{REASON}"', ""), "but as the reason of an event"


def test_evidence_is_for_whoever_asked_and_nobody_else(
    played: tuple[Console, Site, str], auditor: requests.Session
) -> None:
    console, _, transfer = played
    path = evidence(console, auditor, transfer)
    request = path.rpartition("/")[2]
    other = console.sign_in("sup1")
    for address in (path, f"{path}/file.zip"):
        assert console.get(other, address).status_code == 404, "has the right, and asked for nothing"
    assert console.get(other, f"/requests/{request}").status_code == 404
    assert request not in console.get(other, "/requests").text
    for user in ("op1", "adm1", "chk1"):
        client = console.sign_in(user)
        for address in (f"/transfers/{transfer}/evidence", path, f"{path}/file.zip", "/audit", "/audit/statements"):
            assert console.get(client, address).status_code == 403, (user, address)
        if user != "op1":
            continue
        csrf = console.csrf(client, "/send")
        for address in (f"/transfers/{transfer}/evidence", "/audit", "/audit/statements"):
            assert console.post(client, address, {"csrf": csrf, "reason": REASON}).status_code == 403, address
    forged = [
        f"/transfers/{transfer}/evidence/{'0' * 36}/file.zip",
        f"/transfers/{transfer}/evidence/..%2f..%2fledger%2fledger.sqlite3/file.zip",
        f"/transfers/{request}/evidence/{request}/file.zip",
        f"/transfers/{transfer[:8]}/evidence/{request}/file.zip",
        "/audit/statements/..%2fx.asc",
        "/audit/statements/1.asc",
        "/audit/statements/99999999999999999999.asc",
        "/audit/statements/1.tsr",
    ]
    for address in forged:
        assert console.get(auditor, address).status_code == 404, address
    before = len(told(console, "evidence.taken"))
    again = press(console, auditor, f"/transfers/{transfer}/evidence", reason=REASON)
    assert again.headers["location"] != path, "each asking is one of its own"
    assert len(told(console, "evidence.taken")) == before, "nothing was taken by any of these"
    at_op = requests.Session()
    at_op.cookies.update(other.cookies)
    assert console.post(at_op, f"/transfers/{transfer}/evidence", {"reason": REASON}).status_code == 403, "no token"


def test_heads_that_partners_confirmed_are_those_of_the_chain(
    played: tuple[Console, Site, str], auditor: requests.Session
) -> None:
    console, la, _ = played
    confirmed = console.get(auditor, "/audit/heads").text
    assert "Our chain has it" in confirmed
    assert ">yes</td>" in re.sub(r"\s+", "", confirmed)
    for which in ("published", "theirs", "receipts"):
        assert la.code in console.get(auditor, f"/audit/heads?which={which}&partner={la.code}").text
    theirs = console.get(auditor, "/audit/heads?which=receipts").text
    for head in console.site.json("audit", "heads", la.code):
        if head["source"].startswith("receipt"):
            assert head["sha256"] in theirs
    for odd in ("?which=x", "?after=-1", "?after=1", "?partner='", f"?after={'9' * 15}"):
        assert console.get(auditor, f"/audit/heads{odd}").status_code == 200, odd


def test_a_statement_is_not_made_twice_and_those_there_are_can_be_downloaded(
    played: tuple[Console, Site, str], auditor: requests.Session
) -> None:
    console, _, _ = played
    answer = press(console, auditor, "/audit/statements")
    path = answer.headers["location"]
    wait_until(lambda: "Refused" in console.get(auditor, path).text, 30, "the answer")
    assert "nothing had happened by then" in console.get(auditor, path).text


def test_an_altered_row_is_found_by_verify_now_and_told_on_the_page(
    played: tuple[Console, Site, str], auditor: requests.Session
) -> None:
    console, _, transfer = played
    page = verified(console, auditor)
    assert ">none<" in re.sub(r"\s+", "", page), page
    (event,) = told(console, "verification.passed")
    assert (event["actor"], event["findings"], event["first"], event["unseen"]) == ("aud1", 0, [], [])
    with closing(sqlite3.connect(console.site.home.ledger)) as ledger, ledger:
        (size,) = ledger.execute("SELECT size FROM transfers WHERE id = ?", (transfer,)).fetchone()
        ledger.execute("UPDATE transfers SET size = size + 1 WHERE id = ?", (transfer,))
    try:
        page = verified(console, auditor)
    finally:
        with closing(sqlite3.connect(console.site.home.ledger)) as ledger, ledger:
            ledger.execute("UPDATE transfers SET size = ? WHERE id = ?", (size, transfer))
    assert "1 fault" in page
    assert f"row transfer {transfer}: it is not what the chain committed to last" in page
    (faulted,) = told(console, "verification.failed")
    assert faulted["findings"] == 1
    assert console.site.json("audit", "verify")["ok"], "it was put back, and the verifications agree with the chain"
