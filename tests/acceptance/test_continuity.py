"""The desk aids on business continuity and on carrying files by hand, by their own commands: real gpg, real sshd, and no link."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from gateway.administration.access import reading
from gateway.administration.site.settings import load
from gateway.ledger.queries import events
from tests.acceptance.sites import ROOT, Site, claim, two_sites, wait_until
from tests.deciding import MEDIA
from tests.fakes.verifier import TOOL

PAGES = ROOT / "docs" / "operators"


def commands(page: str) -> list[list[str]]:
    """What the page has people type: the arguments of each command of the gateway in a block of its own, in order."""
    blocks = re.findall(r"(?ms)^ *```(\w*)\n(.*?)^ *```$", (PAGES / page).read_text("utf-8"))
    lines = [line.strip() for language, block in blocks if not language for line in block.splitlines()]
    return [[part.strip('"') for part in re.findall(r'"[^"]*"|\S+', line)][1:] for line in lines]


def decided(site: Site, name: str) -> list[tuple[dict[str, object], str]]:
    """What the events of that name say, and why."""
    with reading(load(site.home)) as connection:
        found = [entry for entry in events.chain(connection) if entry.event == name]
        reasons = events.reasons_of(connection, found)
    return [(json.loads(entry.detail), reasons[entry.sequence]) for entry in found]


def opened(site: Site) -> list[int]:
    """The numbers of the consignments that were opened, in the order in which they were."""
    with reading(load(site.home)) as connection:
        chain = [entry for entry in events.chain(connection) if entry.event == "consignment.opened"]
    return [json.loads(entry.detail)["sequence"] for entry in chain]


def test_the_desk_aids_do_what_they_say(tmp_path: Path) -> None:
    invoke, tell, update, end, reconcile, as_csv = commands("continuity.md")
    look, write, check, take, back, take_back, lost = commands("carrying-by-hand.md")
    stick = tmp_path / "stick"
    stick.mkdir()
    by_hand = tmp_path / "by-hand.csv"
    by_hand.write_text("reference,name\nHB/1,\n,never-sent.xml\n")

    with two_sites(tmp_path) as (dwp, la):

        def run(site: Site, words: list[str], **put: str) -> str:
            given = {
                "/media/stick/monday": stick / "monday",
                "/media/stick/back": stick / "back",
                "by-hand.csv": by_hand,
            }
            said = site.gateway(*[put.get(word, given.get(word, word)) for word in words])
            return said.stdout + said.stderr

        text = dwp.home.gateway_toml.read_text("utf-8")
        list_of = re.search(r"(?m)^tell = .*$", (PAGES / "continuity.md").read_text("utf-8"))
        assert list_of is not None
        dwp.home.gateway_toml.write_text(text.replace("# tell = []", list_of[0]), "utf-8")
        for site in (dwp, la):
            site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
            site.edit_config("sftp_server", managed=False)  # nobody answers at either end
            site.start()
        assert "1  Duty manager, 020 7946 0001" in run(dwp, invoke)
        run(dwp, tell)
        run(dwp, update)

        # Two files there, and their receipts back, by hand.
        first = [claim(number) for number in range(2)]
        for number, (name, content) in enumerate(first):
            path = tmp_path / name
            path.write_bytes(content)
            dwp.gateway("submit", "claim", la.code, path, "--reference", f"HB/{number + 1}")
            dwp.wait_for(name, "sealed")
        assert "2 consignments with 2 files" in run(dwp, look)
        assert "2 consignments with 2 files" in run(dwp, write)
        assert sorted(path.suffix for path in (stick / "monday").iterdir()) == [".asc", ".pgp", ".pgp"]
        assert not any(content in path.read_bytes() for _, content in first for path in (stick / "monday").iterdir())
        assert "taken" in run(la, check)
        assert la.transfers() == []
        run(la, take)
        for name, _ in first:
            la.wait_for(name, "delivered", direction="in")
        assert la.inbound("claim", "DWP") == dict(first)
        # Nobody answers at the other end, which status may have noticed by now: its exit status is not asked.
        status = json.loads(la.gateway("status", "--json", check=False).stdout)["continuity"]
        assert [each["partner"] for each in status["partners"]] == ["DWP"], "the notice came by hand too"
        wait_until(lambda: "0 consignments with 0 files, 2 receipts" in la.gateway("export", "DWP", "--dry-run").stdout)
        run(la, back)
        run(dwp, take_back)
        for name, _ in first:
            dwp.wait_for(name, "receipted")

        # What is told and proved of a carried file is what is of any other.
        (carried,) = {row["id"] for row in dwp.transfers(name=first[0][0])}
        assert "consignment written to a medium, for carriage by hand" in dwp.gateway("show", carried).stdout
        dwp.gateway("evidence", carried, "--out", tmp_path / "evidence.zip")
        checked = subprocess.run(
            [sys.executable, TOOL, tmp_path / "evidence.zip"], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout
        assert "of transfers: receipted." in checked.stdout

        # Another medium is lost; more files wait; then the link is back.
        second = [claim(number) for number in range(2, 5)]
        name, content = second[0]
        dwp.drop("claim", la.code, name, content)
        dwp.wait_for(name, "sealed")
        number = json.loads(dwp.gateway("export", la.code, "--to", stick / "lost", "--json").stdout)["waybill"]
        assert number in dwp.gateway("status", check=False).stdout
        for name, content in second[1:]:
            dwp.drop("claim", la.code, name, content)
            dwp.wait_for(name, "sealed")
        run(dwp, lost, **{"019ab5f0": number[:13]})
        for site in (dwp, la):
            site.stop()
            site.edit_config("sftp_server", managed=True)
            site.start()
        for name, _ in second:
            dwp.wait_for(name, "receipted")
        run(dwp, end)

        assert la.inbound("claim", "DWP") == dict([*first, *second])
        assert opened(la) == [1, 2, 3, 4, 5], "in the order in which they were packed"
        assert la.events("consignment.repeated") == []
        assert len(dwp.events("consignment.sent")) == 3, "what was carried and answered is not sent"

        # The lost medium turns up, after all.
        la.gateway("import", stick / "lost")
        wait_until(lambda: la.events("consignment.repeated"), what="the duplicate")
        assert la.inbound("claim", "DWP") == dict([*first, *second])

        rows = {
            row["reference"] or row["name"]: row["carried"]
            for row in dwp.json(*[by_hand if w == "by-hand.csv" else w for w in reconcile])
        }
        assert rows == {"HB/1": "both", "never-sent.xml": "hand"}
        assert "2,HB/1,,both," in run(dwp, as_csv)
        for site, said in ((dwp, ["export", "import"]), (la, ["import", "export"])):
            for command in said:
                detail, why = decided(site, MEDIA[command])[0]
                assert detail["actor"]
                assert why == "carried by hand, since the link is down"
            site.stop()
            site.gateway("audit", "verify", "--deep")
