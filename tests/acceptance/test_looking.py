"""docs/operators/looking.md at work: its own commands, on a real site with real transfers; and Ctrl-C on a terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import ENVIRONMENT, ROOT, Site, claim

PAGE = (ROOT / "docs" / "operators" / "looking.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
SECONDS = 60.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """DWP's claim is at the authority, whose gateway has answered."""
    with copied_pair(tmp_path_factory.mktemp("looking")) as (dwp, la):
        la.start()
        dwp.start()
        _, content = claim(1)
        dwp.home.root.joinpath("letter.pdf").write_bytes(content)
        submitted = dwp.home.root / "claims-1.xml"
        submitted.write_bytes(content)
        dwp.gateway("submit", "claim", "E09000030", submitted, "--reference", "REF-2026-118", "--wait")
        assert la.stop() == 0
        assert dwp.stop() == 0
        yield dwp, la


def on_terminal(site: Site, *arguments: str, until: str) -> tuple[int, str]:
    """Run a command on a terminal, and press Ctrl-C once it has said something; its exit status, and all it said."""
    master, slave = pty.openpty()
    command = [sys.executable, "-P", "-m", "gateway", "--home", str(site.home.root), *arguments]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT, start_new_session=True
    ) as process:
        os.close(slave)
        said, deadline = b"", time.monotonic() + SECONDS
        with suppress(OSError):  # the terminal's end, once nobody has its other side
            while time.monotonic() < deadline:
                said += os.read(master, 65536)
                if until.encode() in said and process.poll() is None:
                    time.sleep(0.2)  # until it sleeps between two pictures
                    process.send_signal(signal.SIGINT)
                    until = "\0"
        os.close(master)
        return process.wait(SECONDS), said.decode()


def test_the_desk_aid_has_the_commands_that_this_file_runs() -> None:
    words = [line.split()[1] for line in COMMANDS]
    assert {"show", "find", "tail", "transfers", "status", "quarantine"} == set(words)
    assert len(COMMANDS) > 12


@pytest.mark.timeout(300)
@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_desk_aid_does_what_the_page_says(
    pair: tuple[Site, Site], line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dwp, _ = pair
    (sent,) = dwp.transfers(direction="out")
    monkeypatch.chdir(dwp.home.root)
    words = shlex.split(line.replace("019ab5f0-1c2d", sent["id"][:13]))[1:]
    if "--watch" in words or (words[0] == "tail" and "--once" not in words):
        status, said = on_terminal(dwp, *words, until="receipt" if words[0] == "tail" else "Ctrl-C")
        assert status == 0, said
        assert "Traceback" not in said
        return
    target = words.pop() if len(words) > 2 and words[-2] == ">" else None
    words = [word for word in words if word != ">"]
    done = dwp.gateway(*words, check=False)
    assert done.returncode == 0, done.stderr
    if target is not None:
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert done.stdout.startswith(("id,", "kind,"))
        assert [row["id"] for row in rows] == ([] if "quarantine" in words else [sent["id"]])
    elif words[0] == "find":
        assert sent["id"] in done.stdout
        assert "the partner has it" in done.stdout
    elif "--json" in words and words[0] == "tail":
        told = [json.loads(each) for each in done.stdout.splitlines()]
        assert {"transfer.admitted", "consignment.sent", "transfer.receipted"} <= {each["event"] for each in told}
        assert "claims-1" not in done.stdout
    elif "--direction" in words or "held" in words or "sent" in words:
        assert sent["id"] not in done.stdout


def test_the_bytes_of_a_file_are_known_at_both_ends_and_changed_ones_at_none(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair
    (sent,) = dwp.transfers(direction="out")
    (delivered,) = (la.home.spool / "inbound" / "claim" / "DWP").glob("*.xml")
    here, there = (json.loads(site.gateway("find", "--file", delivered, "--json").stdout) for site in pair)
    assert [each["id"] for each in (*here, *there)] == [sent["id"]] * 2
    assert [each["direction"] for each in (*here, *there)] == ["out", "in"]
    assert here[0]["said"][-1].endswith("says of these very bytes: delivered")
    changed = tmp_path / delivered.name
    changed.write_bytes(delivered.read_bytes() + b"\n")
    nothing = dwp.gateway("find", "--file", changed, check=False)
    assert (nothing.returncode, nothing.stdout.count("\n")) == (1, 1)
