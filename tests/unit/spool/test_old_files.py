"""Old files in the spool: only plain files, by the time that the system keeps, and never one that has changed meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path

from gateway.spool.old_files import listed, remove


def test_only_plain_files_count_and_their_own_times_do_not(tmp_path: Path) -> None:
    directory = tmp_path / "claim" / "DWP"
    directory.mkdir(parents=True)
    (directory / "a.xml").write_bytes(b"abc")
    os.utime(directory / "a.xml", (1.0, 1.0))  # anybody may set that
    (directory / "link.xml").symlink_to(directory / "a.xml")
    (directory / "twice.xml").write_bytes(b"")
    (directory / "again.xml").hardlink_to(directory / "twice.xml")
    (directory / "folder").mkdir()
    (tmp_path / "stray").write_bytes(b"")
    (tmp_path / "claim" / "E09000030").symlink_to(directory)
    assert list(listed(tmp_path, time.time() - 60)) == []
    (found,) = listed(tmp_path, time.time() + 60)
    assert (found.flow, found.partner, found.name, found.size) == ("claim", "DWP", "a.xml", 3)
    (directory / "a.xml").write_bytes(b"new")
    remove(tmp_path, "claim", "DWP", [found])
    assert (directory / "a.xml").exists()
    remove(tmp_path, "claim", "DWP", listed(tmp_path, time.time() + 60))
    assert not (directory / "a.xml").exists()
    remove(tmp_path, "claim", "nobody", [found])
