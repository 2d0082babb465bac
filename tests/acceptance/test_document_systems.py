"""The desk aid on document systems, followed on a running pair: its own commands, its own script, and DWP hears what became of LAIDs."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.sample.laid import LaidSampler
from tests.acceptance.copies import copied_pair
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, wait_until

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operators" / "document-systems.md"
TEXT: Final = PAGE.read_text("utf-8")
SECONDS: Final = 60.0
COMMANDS: Final[list[str]] = re.findall(r"(?m)^(?:mkdir -p config/index && )?gateway (index [^>\n]*)", TEXT)
(SCRIPT,) = re.findall(r"(?s)```sh\n(.+?)```", TEXT)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """Two sites that run; the authority has what the desk aid begins with."""
    with copied_pair(tmp_path_factory.mktemp("indexing")) as (dwp, la):
        assert '`[flows.laid]` of `config/gateway.toml`,\n   `inbound_name = "{transfer}{ext}"`' in TEXT
        la.edit_config("flows.laid", inbound_name="{transfer}{ext}")
        dwp.start()
        la.start()
        yield dwp, la


def send(dwp: Site, la: Site, *numbers: int) -> list[str]:
    """Send these LAIDs, and wait for the receipts; their ids."""
    names = []
    for number in numbers:
        drawn = random.Random(f"laid/{number}")
        sample = LaidSampler().make(
            sender="DWP", recipient=la.code, index=number, random=drawn, today=date(2026, 11, 22), defect=None
        )
        dwp.drop("laid", la.code, f"{number:04d}_HB-{number}.pdf", sample.content)
        names.append(f"{number:04d}_HB-{number}.pdf")
    return [dwp.wait_for(name, "receipted", SECONDS)["id"] for name in names]


def sent(dwp: Site, identity: str) -> dict[str, Any]:
    (row,) = rows(dwp, "SELECT * FROM transfers WHERE direction = 'out' AND id = ?", identity)
    return row


def batches(la: Site) -> list[Path]:
    return sorted((la.home.batches / "laid").glob("laid-*"))


def imported(la: Site, into: Path) -> None:
    """What the importer does: the desk aid's own script."""
    into.mkdir(exist_ok=True)
    done = subprocess.run(  # noqa: S602  # the page's own words
        SCRIPT,
        shell=True,
        cwd=la.home.root,
        env={**os.environ, "IMPORT": str(into)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_laids_become_a_batch_by_the_desk_aid_and_dwp_hears_that_they_are_imported(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair
    example, dry_run, once, _ = (command.split() for command in COMMANDS)
    la.home.index.mkdir(exist_ok=True)
    (la.home.index / "laid.toml").write_text(la.gateway(*example).stdout)
    la.gateway("config", "check")
    known = send(dwp, la, 1, 2, 3)
    assert "3 documents would be in 1 batch." in la.gateway(*dry_run).stderr
    assert batches(la) == []
    assert "3 documents in 1 batch." in la.gateway(*once).stderr
    (batch,) = batches(la)
    assert re.fullmatch(r"laid-\d{8}T\d{6}Z-\d{6}", batch.name)
    manifest = json.loads((batch / "manifest.json").read_text())
    assert sorted(each["transfer"] for each in manifest["documents"]) == sorted(known)
    for each in manifest["documents"]:
        assert each["sha256"] == sent(dwp, each["transfer"])["sha256"]
        (cells,) = csv.DictReader(io.StringIO((batch / each["index"]).read_text()))
        assert (cells["Transfer"], cells["Office"], cells["File"]) == (each["transfer"], "DWP", each["file"])
        assert "HB-" not in (batch / each["index"]).read_text(), "the sender's name for it is in no index"
    imported(la, tmp_path / "import")
    assert {path.name for path in (tmp_path / "import").iterdir()} == {f"{identity}.pdf" for identity in known}
    assert batches(la) == []
    for identity in known:
        wait_until(lambda identity=identity: sent(dwp, identity)["state"] == "ingested", SECONDS, "the answer")  # type: ignore[misc]


def test_with_the_role_on_documents_are_batched_as_they_come_and_the_references_part_takes_an_approval(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair
    approve = COMMANDS[3].split()
    assert "table `[index]`: `enabled = true`. `gateway config check`, then `gateway reload`" in TEXT
    la.home.index.mkdir(exist_ok=True)
    text = la.gateway("index", "example", "xml").stdout
    text = re.sub(r"(?m)^# (?=\[|\w+ = )", "", text).replace("wait_seconds = 1800", "wait_seconds = 0")
    (la.home.index / "laid.toml").write_text(text)
    la.edit_config("index", enabled=True)
    la.gateway("config", "check")
    la.gateway("reload")
    (identity,) = send(dwp, la, 7)
    wait_until(
        lambda: any(line["code"] == "index-not-approved" for line in la.events("role.halted")), SECONDS, "a refusal"
    )
    assert batches(la) == []
    la.gateway(*approve)
    (batch,) = wait_until(lambda: batches(la), SECONDS, "a batch")
    assert f"<TransferId>{identity}</TransferId>" in (batch / "index.xml").read_text()
    assert "<Office>0007</Office>" in (batch / "index.xml").read_text()
    la.kill("index")
    imported(la, tmp_path / "import")
    send(dwp, la, 8)
    wait_until(lambda: batches(la), SECONDS, "another batch")
    imported(la, tmp_path / "import")
    assert "index.approved" in {each["event"] for each in rows(la, "SELECT event FROM events")}
    la.edit_config("index", enabled=False)
    la.gateway("reload")
    wait_until(lambda: la.role("index") is None, SECONDS, "the end of the index role")
