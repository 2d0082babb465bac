"""A file that the gateway may not read stops nothing else; only a plain user can find one."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.sites import Site, claim


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_file_without_read_permission_comes_back_and_the_next_is_taken(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    name, content = claim(1)
    unreadable = dwp.drop("claim", la.code, "closed.xml", content + b" ")
    unreadable.chmod(0)
    dwp.drop("claim", la.code, name, content)
    dwp.run_until_idle()
    assert [row["name"] for row in dwp.rows()] == [name]
    assert (dwp.home.returned / "claim" / la.code / "closed.xml.why.txt").exists()
