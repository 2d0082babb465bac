"""Evidence of real sites, checked by a verifier that knows nothing of the gateway; and what it says of forged evidence."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.identity import new_id
from tests.acceptance.evidence_forgery import MANIFEST, Members, members_of, mutated, packed, signed_again
from tests.acceptance.reading import rows
from tests.acceptance.sites import ROOT, Site, claim, introduce, make_site, two_sites, wait_until
from tests.conftest import Tally

TOOL = ROOT / "tools" / "verify_evidence.py"
THIRD = "E08000004"


@pytest.fixture(scope="module")
def tool() -> Any:
    """The verifier as a module: a thousand files are checked in one process."""
    spec = importlib.util.spec_from_file_location("verify_evidence", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Played:
    """Two sites after a day's work, at rest: units by what became of them, as the site and the id."""

    dwp: Site
    la: Site
    out: Path
    units: dict[str, tuple[Site, str]] = field(default_factory=dict)

    @cached_property
    def known(self) -> dict[str, str]:
        """The sites' fingerprints, as from a telephone call."""
        cards = {site.code: json.loads(site.gateway("card").stdout) for site in (self.dwp, self.la)}
        return {code: card["fingerprint"] for code, card in cards.items()}

    @cached_property
    def pins(self) -> set[str]:
        return {f"{code}={fingerprint}" for code, fingerprint in self.known.items()}

    def bundle(self, unit: str, *arguments: str) -> Path:
        """Evidence of a unit, made once."""
        site, identity = self.units[unit]
        path = self.out / f"{unit}{len(arguments)}.zip"
        if not path.exists():
            site.gateway("evidence", identity, "--out", path, *arguments)
        return path

    @cached_property
    def export(self) -> Path:
        path = self.out / "export.zip"
        self.dwp.gateway("audit", "export", "--from", "2020-01-01", "--to", "2099-12-31", "--out", path)
        return path


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    root = tmp_path_factory.mktemp("evidence")
    with two_sites(root) as (dwp, la):
        introduce(la, make_site(root, THIRD))
        done = Played(dwp, la, tmp_path_factory.mktemp("out"))
        for site in (dwp, la):
            site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
        locked = la.home.landing_in("DWP") / f"{new_id(1.0, bytes(10))}.pgp"
        locked.write_bytes(b"no message")
        for site in (dwp, la):
            site.start()
        for name in ("sent", "redirected", "sent last"):
            file, content = claim(len(done.units))
            dwp.drop("claim", la.code, file, content)
            identity = dwp.wait_for(file, "receipted")["id"]
            done.units |= {name: (dwp, identity), f"{name}, received": (la, identity)}
        file, content = claim(8)
        dwp.drop("claim", la.code, file, content[:-20])
        done.units["rejected"] = (dwp, dwp.wait_for(file, "rejected")["id"])
        la.gateway("sample", "outcome", "--from", la.code, "--to", "DWP", "--count", "1", "--out", root / "outcome")
        (answer,) = (root / "outcome").iterdir()
        la.drop("outcome", "DWP", answer.name, answer.read_bytes())
        done.units["answered"] = (la, la.wait_for(answer.name, "receipted")["id"])
        wait_until(lambda: not locked.exists() and la.json("quarantine", "list"), 30, "the quarantine")
        done.units["quarantined"] = (la, locked.stem)
        for site in (dwp, la):
            site.stop()
        file, content = claim(9)
        (root / file).write_bytes(content)
        (held,) = dwp.json("submit", "claim", la.code, root / file)
        dwp.gateway("hold", held["id"], "--reason", "waits for the manager")
        done.units["held"] = (dwp, held["id"])
        made = la.json("redirect", done.units["redirected, received"][1], "--to", THIRD, "--reason", "moved", "--opened", "no")
        done.units["passed on"] = (la, made["redirect"])
        yield done


def verified(file: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(TOOL), str(file), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


UNITS = (
    *("sent", "redirected", "sent last", "sent, received", "redirected, received", "rejected", "answered"),
    *("quarantined", "held", "passed on"),
)


@pytest.mark.parametrize("unit", UNITS)
def test_a_true_bundle_is_accepted(played: Played, unit: str) -> None:
    file = played.bundle(unit)
    done = verified(file, *(f"--known={pin}" for pin in sorted(played.pins)))
    assert done.returncode == 0, done.stdout
    assert f"It is about {played.units[unit][1]}" in done.stdout
    names = zipfile.ZipFile(file).namelist()
    assert {"story.txt", "story.pdf", "rows/00001.jsonl", "events/00001.jsonl", MANIFEST} <= set(names)
    print(done.stdout, zipfile.ZipFile(file).read("story.txt").decode())
