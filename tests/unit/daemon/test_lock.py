"""Locks that root takes in a site that is another account's: nothing of root's is harmed, and nothing of root's stays in the way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.daemon.lock import held
from gateway.daemon.wake_ups import WakeUp
from gateway.errors import DiskFailed


@pytest.mark.parametrize("second", ["symlink_to", "hardlink_to"])
def test_lock_whose_name_leads_elsewhere_changes_nothing_there(tmp_path: Path, second: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("as it was", "ascii")
    getattr(tmp_path / "backup.lock", second)(precious)
    with pytest.raises(DiskFailed), held(tmp_path, "backup"):
        pass
    assert precious.read_text("ascii") == "as it was"


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_lock_that_root_made_is_the_sites_account_s(tmp_path: Path) -> None:
    os.chown(tmp_path, 65533, 65533)
    with held(tmp_path, "backup"):
        pass
    about = (tmp_path / "backup.lock").stat()
    assert (about.st_uid, about.st_gid) == (65533, 65533)


@pytest.mark.parametrize(("directory", "made"), [(0o700, 0o600), (0o770, 0o660)])
def test_locks_and_pipes_are_the_groups_only_where_their_directory_is(
    tmp_path: Path, directory: int, made: int
) -> None:
    tmp_path.chmod(directory)
    before = os.umask(0)
    try:
        with held(tmp_path, "any"), WakeUp(tmp_path, "any"):
            pass
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {made}
