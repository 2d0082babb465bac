"""Taking out of the landing what partners are still writing to."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.ledger import queries
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


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ID.pgp.filepart",
            "ID.pgp.partial",
            "ID.pgp.1a2b3c4d.partial",
            "ID.pgp.tmp",
            "ID.pgp~",
            ".ID.pgp.Xy12",
            ".in.ID.pgp.",
        ),
        *("ID.pgp.lftp-pget-status", ".fuse_hidden0000001", ".nfs0000000001", "Thumbs.db", ".DS_Store", "._ID.pgp"),
    ],
)
def test_unfinished_upload_and_debris_in_the_landing_are_left_to_their_writer_for_a_day(
    tmp_path: Path, name: str
) -> None:
    with two_ledgers(tmp_path) as pair:
        pair.dwp.submit("a.xml", b"a claim")
        pair.work_alone(pair.dwp)
        landing, collect = pair.la.home.landing_in("DWP"), Collect(pair.la.place)
        (final,) = landing.iterdir()
        part = final.rename(landing / name.replace("ID.pgp", final.name))
        os.utime(part, (pair.la.now, pair.la.now))
        assert collect.step().done == 0
        assert list(landing.iterdir()) == [part]
        part.rename(final)
        assert collect.step().done == 1
        (landing / name).write_bytes(b"left behind")
        os.utime(landing / name, (pair.la.now - 90_000, pair.la.now - 90_000))
        assert collect.step().done == 0
        assert list(landing.iterdir()) == []
        with pair.la.ledger.read() as connection:
            assert queries.quarantined(connection) == []


def test_directory_that_is_debris_stays_and_a_link_of_such_a_name_is_locked_away(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        landing, collect = pair.la.home.landing_in("DWP"), Collect(pair.la.place)
        (landing / "@eaDir").mkdir()
        assert collect.step().done == 0
        (landing / "Thumbs.db").symlink_to(pair.la.home.ledger)
        assert collect.step().done == 1
        assert [path.name for path in landing.iterdir()] == ["@eaDir"]
        with pair.la.ledger.read() as connection:
            assert [row.code for row in queries.quarantined(connection)] == ["landing-unexpected"]
