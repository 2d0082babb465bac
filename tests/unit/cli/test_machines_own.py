"""The one site of a machine: what commands take where nobody names another, and what `gateway init` makes there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.settings import home
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run


def own(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr("gateway.cli.site.MACHINES_OWN", path)
    monkeypatch.setattr(home, "MACHINES_OWN", path)


def test_commands_take_the_machines_own_site_where_no_other_is_named(
    pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own(monkeypatch, tmp_path / "none")
    assert run(None, "status").status == 78
    own(monkeypatch, pair.dwp.home.root)
    assert run(None, "card", "--json").status == run(pair.dwp, "card", "--json").status
    assert run(None, "transfers", "--json").data == []
    pair.dwp.submit("a.xml", b"claim a")
    assert [row["name"] for row in run(None, "transfers", "--json").data] == ["a.xml"]
    assert run(pair.la, "transfers", "--json").data == [], "a site that is named comes first"


def test_a_fresh_package_has_no_site_and_says_what_makes_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own(monkeypatch, tmp_path)
    told = run(None, "status")
    assert (told.status, "`gateway init HOME --site CODE`" in told.err) == (78, True)
    assert run(None, "authorities", "tower hamlets").status == 0, "the table needs no site"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory away, which takes root")
def test_root_does_not_make_a_site_that_the_account_which_waits_for_it_cannot_use(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own(monkeypatch, tmp_path)
    os.chown(tmp_path, 65534, 65534)
    told = run(None, "init", "--site", "E09000030")
    assert (told.status, "belongs to another account" in told.err) == (64, True)
    assert not list(tmp_path.iterdir())
