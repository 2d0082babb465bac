"""The page about the interface for programs at work: its own commands and its own back office, at the consoles of two sites that run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import ROOT, Site, claim, free_port, wait_until

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="takes curl, which the page uses")

PAGE: Final = (ROOT / "docs" / "formats" / "api.md").read_text("utf-8")
BLOCKS: Final = [block.splitlines() for block in re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGE)]
(PROGRAM,) = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Site, Site, dict[str, str]]]:
    """DWP and an authority, and where the console of each answers, by its code."""
    with copied_pair(tmp_path / "sites") as (dwp, la):
        bases = {}
        for site in (dwp, la):
            listen = f"127.0.0.1:{free_port()}"
            site.edit_config("console", listen=listen)
            bases[site.code] = f"http://{listen}"
            site.start()
        for site in (dwp, la):
            wait_until(partial(site.role, "console"), 30, "the start of the console")
        yield dwp, la, bases


def run(command: str | list[str], directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-c", command] if isinstance(command, str) else command
    return subprocess.run(
        words, cwd=directory, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


def asked(command: str, directory: Path, **environment: str) -> Any:
    done = run(command, directory, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_page_does_what_it_says(pair: tuple[Site, Site, dict[str, str]], tmp_path: Path) -> None:
    dwp, la, bases = pair
    base = bases[la.code]
    making, ending, curls, (submitting,) = BLOCKS
    owner, token = (shlex.split(line)[1:] for line in making)
    la.gateway(*owner)
    secret = la.gateway(*token).stdout.strip()
    (tmp_path / "header.txt").write_text(f"Authorization: Bearer {secret}\n")
    listing, showing, feed, fetching, answering = curls

    # By hand.
    name, content = claim(1)
    dwp.drop("claim", la.code, name, content)
    dwp.wait_for(name, "receipted")
    (found,) = asked(listing, tmp_path, GATEWAY=base)["transfers"]
    here = {"GATEWAY": base, "TRANSFER": found["id"]}
    assert (found["name"], asked(showing, tmp_path, **here)["kind"]) == (name, "transfer")
    assert len(asked(feed, tmp_path, **here)["events"]) == 5
    assert run(fetching, tmp_path, **here).returncode == 0
    assert (tmp_path / "claim.xml").read_bytes() == content
    given = asked(answering, tmp_path, **here)
    assert given["state"] in ("asked", "done")
    dwp.wait_for(name, "ingested")
    assert asked(answering, tmp_path, **here)["id"] == given["id"], "the same key"
    assert run(listing.replace("header.txt", os.devnull), tmp_path, GATEWAY=base).returncode == 22, "without a token"

    # The back office of the page: two more files, one of which it does not take.
    small, large = claim(2, seed=2), claim(3, seed=3)
    for made in (small, large):
        dwp.drop("claim", la.code, *made)
        dwp.wait_for(made[0], "receipted")
    program = PROGRAM.replace("wait=30", "wait=1")
    program = program.replace('transfer["size"] < 1_000_000', f'transfer["name"] != {large[0]!r}')
    (tmp_path / "back_office.py").write_text(program)
    for _ in range(2):
        done = run([sys.executable, "back_office.py", "--once"], tmp_path, GATEWAY=base)
        assert done.returncode == 0, done.stderr
    dwp.wait_for(small[0], "ingested")
    refused = wait_until(lambda: [row for row in dwp.rows() if row["code"] == "refused-by-back-office"])
    assert [(row["name"], row["reason"]) for row in refused] == [
        (large[0], "The file is larger than this system takes.")
    ]

    assert all(path.stat().st_size for path in tmp_path.glob("*.xml"))

    # A file is handed over: at the authority refused before a byte is taken, at DWP sent, once.
    other, more = claim(4, seed=4)
    (tmp_path / other).write_bytes(more)
    said = run(submitting, tmp_path, GATEWAY=base, FILE=other, PARTNER=dwp.code)
    assert (said.returncode, json.loads(said.stdout)["code"]) == (22, "flow-not-permitted")
    dwp.gateway(*owner)
    (tmp_path / "header.txt").write_text(f"Authorization: Bearer {dwp.gateway(*token).stdout.strip()}\n")
    there = {"GATEWAY": bases[dwp.code], "FILE": other, "PARTNER": la.code}
    first = asked(submitting, tmp_path, **there)
    assert dwp.wait_for(other, "receipted")["id"] == first["transfer"]
    assert asked(submitting, tmp_path, **there) | {"updated": ""} == first | {"state": "done", "updated": ""}
    (tmp_path / "header.txt").write_text(f"Authorization: Bearer {secret}\n")

    # What there is of it: in the chain, and in no secret's place.
    listed, revoked = (shlex.split(line)[1:] for line in ending)
    (view,) = la.json(*listed, "--json")
    assert (view["owner"], view["state"]) == ("bo-owner", "active")
    assert view["used"] is not None
    la.gateway(*revoked)
    assert run(listing, tmp_path, GATEWAY=base).returncode == 22
    assert la.json("audit", "verify", "--json")["faults"] == []
    kept = b"".join(path.read_bytes() for path in la.home.state.rglob("*") if path.is_file())
    assert secret.encode() not in kept + la.log_text().encode()
