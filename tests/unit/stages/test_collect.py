"""Taking out of the landing what partners are still writing to."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.stages.collect import Collect
from tests.fakes.two_ledgers import two_ledgers


def test_upload_that_gets_its_name_while_we_look_defers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rename comes between the listing and the look: the landing waited for the next rescan then, ten seconds."""
    with two_ledgers(tmp_path) as pair:
        pair.dwp.submit("a.xml", b"a claim")
        pair.work_alone(pair.dwp)
        (final,) = pair.la.home.landing_in("DWP").iterdir()
        final.rename(final.with_name(f"{final.name}.part"))
        look = Path.lstat

        def too_late(path: Path) -> os.stat_result:
            if path.name.endswith(".part"):
                path.rename(final)
            return look(path)

        said: list[str] = []
        collect = Collect(replace(pair.la.place, log=lambda event, **_keys: said.append(event)))
        with monkeypatch.context() as patched:
            patched.setattr(Path, "lstat", too_late)
            assert collect.step().done == 0
        assert said == []
        assert collect.step().done == 1
