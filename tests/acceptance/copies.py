"""Copies of a created pair that are impatient: `quicken` lowers every timeout of a site.

So a test waits for what happens and not for a timetable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance import sites
from tests.acceptance.moulds import copy_sites
from tests.acceptance.sites import Site, created_pair, free_port

LA = "E09000030"
CODES = ("DWP", LA)


@contextmanager
def copied_pair(root: Path) -> Iterator[tuple[Site, Site]]:
    """A copy of DWP and the authority that know each other, below `root`, made impatient; not started, and stopped at the end if it runs."""
    pair = [Site(root / code, code, free_port()) for code in CODES]
    copy_sites(created_pair(), root, {site.code: site.port for site in pair})
    for site in pair:
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
