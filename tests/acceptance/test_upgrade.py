"""A site of the previous release is upgraded by docs/operators/upgrading.md, with files underway, before its partner is.

`previous_release.tar.zst` is the program that was released before, so that a checkout without its history can be tested too. It makes the sites and
their first traffic; nothing of this program has touched them until the upgrade.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.integrity import SCHEMA_VERSION
from tests.acceptance.promises import Book
from tests.acceptance.reading import rows, transfer_states
from tests.acceptance.sites import ENVIRONMENT, ROOT, Site, claim, free_port, wait_until

PREVIOUS = Path(__file__).with_name("previous_release.tar.zst")
PAGE = (ROOT / "docs" / "operators" / "upgrading.md").read_text("utf-8")
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"^ *```\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SEVERAL = """
import io, json, sys
from contextlib import redirect_stdout
from gateway.cli import main
for arguments in json.load(sys.stdin):
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as said:
        status = main(arguments)
    said.flush()
    print(json.dumps([status, said.buffer.getvalue().decode()]))
"""


class Previous:
    """The program of the previous release, unpacked."""

    def __init__(self, directory: Path, archive: Path = PREVIOUS) -> None:
        self.environment = {**ENVIRONMENT, "PYTHONPATH": str(directory)}
        directory.mkdir()
        subprocess.run(["tar", "--extract", "--zstd", "--file", archive, "--directory", directory], check=True)

    def commands(self, *orders: Sequence[str | Path]) -> list[str]:
        """Run commands of it one after another, in one process; what they print."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", SEVERAL],
            input=json.dumps(orders, default=str),
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [status for status, _ in answers] == [0] * len(orders), done.stderr
        return [said for _, said in answers]

    def start(self, site: Site) -> None:
        """Let it run a site."""
        command = [sys.executable, "-P", "-m", "gateway", "--home", str(site.home.root), "run"]
        with site.log.open("ab") as log:
            site.daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )
        wait_until(lambda: all(map(site.role, ("inspect", "vault", "link"))), 60, "the start of the roles")


@pytest.fixture
def previous(tmp_path: Path) -> Previous:
    return Previous(tmp_path / "program")


@pytest.fixture
def pair(previous: Previous, tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """DWP and an authority that the previous release created and introduced to each other."""
    sites = [Site(tmp_path / code, code, free_port()) for code in ("DWP", "E09000030")]
    made: list[Sequence[str | Path]] = []
    for site in sites:
        made += [("init", site.home.root, "--site", site.code, "--sftp", f"127.0.0.1:{site.port}")]
        made += [("--home", site.home.root, "card")]
    _, first, _, second = previous.commands(*made)
    introduced: list[Sequence[str | Path]] = []
    for site, card in zip(sites, (second, first), strict=True):
        path = tmp_path / f"for-{site.code}.json"
        path.write_text(card, "utf-8")
        told = ("partner", "add", path, "--fingerprint", json.loads(card)["fingerprint"])
        introduced.append(("--home", site.home.root, *told))
        site.edit_config("daemon", workers=1)
    previous.commands(*introduced)
    yield sites[0], sites[1]
    for site in sites:
        site.stop()


def upgrade(site: Site, tmp_path: Path) -> None:
    """The desk aid's commands on a stopped site, and its start. That release could not take copies, so one is taken afterwards."""
    (version, *_), (backup, _), check, migrate, status, audit = COMMANDS
    assert site.gateway(version).stdout != ""
    if ledger_version(site) != SCHEMA_VERSION:
        assert site.gateway("run", check=False).returncode == 70
    site.gateway(*check)
    site.gateway(*migrate)
    assert ledger_version(site) == SCHEMA_VERSION
    assert site.home.triage.is_dir()  # new since then: no role of a split installation could make it
    site.start()
    assert site.gateway(*status, check=False).returncode == (69 if site.transfers(state="held") else 0)
    assert site.json(*audit)["faults"] == []
    site.gateway(backup, tmp_path / "copies")


def ledger_version(site: Site) -> str:
    (row,) = rows(site, "SELECT version_num FROM alembic_version")
    return str(row["version_num"])


def receipted(site: Site, *names: str) -> None:
    wait_until(lambda: all(transfer_states(site).get(name) == "receipted" for name in names), 60, f"{names} receipted")


def kill(site: Site) -> None:
    site.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(site.role, ("gateway", "inspect", "vault", "link"))), 30, "the end of all roles")


def story(site: Site) -> list[dict[str, Any]]:
    return rows(site, "SELECT id, name, direction, size, sha256, created FROM transfers ORDER BY id")


def test_site_of_the_previous_release_is_upgraded_with_files_underway_before_its_partner_is(
    previous: Previous, pair: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair
    book = Book(pair)
    ended, twin, underway = claim(0), ("again.xml", claim(0)[1]), claim(1)
    late, wrong = claim(2), claim(3, defect="nino-letter")
    previous.start(la)
    previous.start(dwp)
    book.drop(dwp, "claim", la.code, *ended)
    receipted(dwp, ended[0])
    la.stop()
    # In every state that waits: sealed, held, returned.
    book.drop(dwp, "claim", la.code, *underway)
    book.drop(dwp, "claim", la.code, *twin)
    book.drop(dwp, "claim", la.code, *wrong)
    waiting = {underway[0]: "sealed", twin[0]: "held", wrong[0]: "rejected"}
    wait_until(lambda: waiting.items() <= transfer_states(dwp).items(), 60, f"{waiting}")
    kill(dwp)
    before = story(dwp)

    upgrade(dwp, tmp_path)
    assert story(dwp) == before
    previous.start(la)  # the partner has not upgraded yet
    receipted(dwp, underway[0])
    (held,) = dwp.transfers(state="held")
    dwp.gateway("release", held["id"], "--reason", "it is meant to go twice")
    receipted(dwp, twin[0])
    la.stop()
    book.drop(dwp, "claim", la.code, *late)
    wait_until(lambda: transfer_states(dwp).get(late[0]) == "sealed", 60, "sealed by this program")
    upgrade(la, tmp_path)
    receipted(dwp, late[0])
    known = tmp_path / "heads.json"
    known.write_text(la.gateway("audit", "heads", "DWP", "--json").stdout, "utf-8")
    assert dwp.json("audit", "verify", "--deep", "--heads", known)["faults"] == []
    book.assert_promises()


def test_the_previous_release_is_a_program_of_its_own(previous: Previous) -> None:
    where = [sys.executable, "-P", "-c", "import gateway; print(gateway.__file__)"]
    said = subprocess.run(where, env=previous.environment, capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{previous.environment['PYTHONPATH']}/gateway/__init__.py"


def test_a_card_with_several_addresses_is_taken_by_the_previous_release_which_uses_the_first(
    previous: Previous, tmp_path: Path
) -> None:
    la = Site(tmp_path / "LA", "E09000030", free_port())
    la.gateway("init", la.home.root, "--site", la.code, "--sftp", f"127.0.0.1:{la.port}")
    la.edit_config("sftp_server", addresses=["north.example:22", "south.example:2222"])
    card, path = la.gateway("card").stdout, tmp_path / "card.json"
    path.write_text(card, "utf-8")
    home = tmp_path / "DWP"
    told = ("partner", "add", path, "--fingerprint", json.loads(card)["fingerprint"])
    previous.commands(("init", home, "--site", "DWP"), ("--home", home, *told))
    text = (home / "config" / "partners.d" / f"{la.code}.toml").read_text("utf-8")
    assert 'host = "north.example"' in text
    assert "south.example" not in re.sub(r"(?m)^#.*", "", text)
