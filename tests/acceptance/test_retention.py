"""The desk aid on retention, by its own commands, on real sites with real gpg; the time has moved on fifteen months."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.cli import main
from tests.acceptance.sites import ROOT, claim, two_sites
from tests.fakes.verifier import TOOL

PAGE = ROOT / "docs" / "operators" / "retention.md"
MONTH = 31 * 86_400.0


def commands() -> list[list[str]]:
    """What the page has people type: the arguments of each command of the gateway in a block of its own, in order."""
    blocks = re.findall(r"(?ms)^ *```\n(.*?)^ *```$", PAGE.read_text("utf-8"))
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [[part.strip('"') for part in re.findall(r'"[^"]*"|\S+', line)][1:] for line in lines]


def test_the_desk_aid_does_what_it_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look, ahead, dispose, hold, hold_partner, release = commands()
    monkeypatch.delenv("GATEWAY_HOME", raising=False)
    with two_sites(tmp_path) as (dwp, la):
        for site in (dwp, la):
            site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
            site.start()
        sent = {}
        for number in range(3):
            file, content = claim(number)
            dwp.drop("claim", la.code, file, content)
            sent[file] = dwp.wait_for(file, "receipted")["id"]
        for site in (dwp, la):
            site.stop()
        kept, *others = sent.values()
        names = {identity: file for file, identity in sent.items()}

        def run(*arguments: str, home: Path = la.home.root) -> str:
            capfd.readouterr()
            status = main(["--home", str(home), *arguments])
            out, err = capfd.readouterr()
            assert status == 0, err
            return out + err

        def named() -> dict[str, str]:
            return {row["id"]: row["name"] for row in json.loads(run("transfers", "--json"))}

        # Nothing is due today; in thirteen months only those that nobody has answered.
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 13 * MONTH))
        assert "Nothing would go." in run(*look)
        assert {
            line["kind"] for line in json.loads(run(*[day if part == "2027-12-31" else part for part in ahead]))["due"]
        } == {"delivered files without an answer"}
        later = time.time() + 15 * MONTH
        monkeypatch.setattr("gateway.cli.retention.clock", lambda: later)
        run(*[kept if part == "019ab5f0" else part for part in hold])
        assert "legal hold" in run("show", kept)
        planned = json.loads(run(*look, "--json"))
        assert [(line["kind"], line["count"], line["held"]) for line in planned["due"]] == [
            ("delivered files without an answer", 2, 1),
            ("transfers", 2, 1),
        ]
        run(*dispose)
        assert named() == {kept: names[kept]} | dict.fromkeys(others, "")
        assert set(la.inbound("claim", "DWP")) == {names[kept]}
        assert "its name, references, facts and reasons were erased" in run("show", others[0])
        assert "agree" in run("audit", "verify", "--deep")
        (certificate,) = la.home.disposals.iterdir()
        card = tmp_path / "la.asc"
        card.write_text(json.loads(run("card"))["openpgp"])
        ring = tmp_path / "ring"
        ring.mkdir(mode=0o700)
        for words in (("--import", str(card)), ("--verify", str(certificate))):
            subprocess.run(["gpg", "--homedir", ring, "--batch", *words], check=True, capture_output=True)
        told = certificate.read_text("ascii")
        assert not any(name in told for name in sent)

        # Everything of a partner is kept, and nothing goes; the holds end, and the rest goes.
        run(*[("DWP" if part == "E09000030" else part) for part in hold_partner])
        run(*[kept if part == "019ab5f0" else part for part in release])
        run(*dispose)
        assert named()[kept] == names[kept]
        run("release-retention", "--partner", "DWP", "--reason", "the audit is over")
        run(*dispose)
        assert named()[kept] == ""
        assert "agree" in run("audit", "verify")

        # The sender's: evidence of an erased transfer holds, and names no file.
        run(*dispose, home=dwp.home.root)
        made = tmp_path / "evidence.zip"
        run("evidence", others[0], "--out", str(made), home=dwp.home.root)
        assert not any(name.encode() in made.read_bytes() for name in sent)
        done = subprocess.run([sys.executable, TOOL, made], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert f"It is about {others[0]} of transfers: receipted." in done.stdout
