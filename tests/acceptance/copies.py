"""Pairs of sites that were founded once, through the command line, and are copied for each test: founding takes seconds.

A copy is a whole site of its own: another directory, another port, the same keys. `quicken` lowers every patience of a
site, so that a test waits for what happens and not for a timetable.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance import sites
from tests.acceptance.sites import Site, free_port, two_sites

LA = "E09000030"
CODES = ("DWP", LA)

_NOT_COPIED = shutil.ignore_patterns("S.*", "*.lock", "*.bell", "agent.*")


def founded_pair(factory: pytest.TempPathFactory) -> Path:
    """Where DWP and an authority lie that know each other and have never run: made by whichever worker comes first."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    root = base / "founded-pair"
    with (base / "founded-pair.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            with two_sites(root, LA):
                pass
            (root / "complete").touch()
    return root


@contextmanager
def copied_pair(founded: Path, root: Path) -> Iterator[tuple[Site, Site]]:
    """A copy of the pair below `root`, made impatient; not started, and stopped at the end if it runs."""
    pair = [Site(root / code, code, free_port()) for code in CODES]
    ports = {_port_of(founded / site.code): site.port for site in pair}
    for site in pair:
        shutil.copytree(founded / site.code, site.home.root, symlinks=True, ignore=_NOT_COPIED)
        for path in (site.home.gateway_toml, *site.home.partners_d.glob("*.toml")):
            _move_ports(path, ports)
        quicken(site)
    temporary = root / "temporary"
    temporary.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        # What any process of these sites leaves in the system's temporary directory lies where the promises look.
        patch.setitem(sites.ENVIRONMENT, "TMPDIR", str(temporary))
        try:
            yield pair[0], pair[1]
        finally:
            for site in pair:
                site.stop()


def quicken(site: Site) -> None:
    """Short waits everywhere."""
    site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
    site.edit_config("daemon", rescan_seconds=1.0, workers=1)
    for flow in ("claim", "laid", "extract"):
        site.edit_config(f"flows.{flow}", settle_seconds=1.0)


def set_port(site: Site, partner: str, port: int) -> None:
    """Let a site reach its partner at another port of this machine."""
    path = site.home.partners_d / f"{partner}.toml"
    text = re.sub(r"(?m)^port = \d+", f"port = {port}", path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def _port_of(root: Path) -> int:
    found = re.search(r"(?m)^port = (\d+)", (root / "config" / "gateway.toml").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1])


def _move_ports(path: Path, ports: dict[int, int]) -> None:
    text = path.read_text(encoding="utf-8")
    for before, after in ports.items():
        text = re.sub(rf"(?m)^port = {before}\b", f"port = {after}", text)
    path.write_text(text, encoding="utf-8")
