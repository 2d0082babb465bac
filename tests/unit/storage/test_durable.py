"""Durable files, one at a time and in groups."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import DiskFailed, DiskFull
from gateway.storage.durable import (
    DISK,
    Disk,
    make_directory,
    move_over,
    move_own,
    name_own,
    write_file,
    write_new_file,
)
from gateway.storage.file_group import Group, write_files


class Recording:
    """A disk that counts, and can fail."""

    def __init__(self, *, as_one: bool, unwritten: int = 0, failure: int = 0) -> None:
        self.calls: list[str] = []
        self.failure = failure
        self.disk = Disk(
            fsync=self.fsync,
            start_writeback=lambda _: self.calls.append("start"),
            sync_file_system=self.sync,
            reports_errors=lambda _: as_one,
            unwritten_bytes=lambda: unwritten,
        )

    def fsync(self, descriptor: int) -> None:
        self.calls.append("fsync")
        if self.failure:
            raise OSError(self.failure, os.strerror(self.failure))
        os.fsync(descriptor)

    def sync(self, _: int) -> None:
        self.calls.append("sync")
        if self.failure:
            raise OSError(self.failure, os.strerror(self.failure))


def fill(group: Group, directory: Path, count: int) -> None:
    for number in range(count):
        descriptor = os.open(directory / f"{number}", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, b"bytes")
        group.add_file(descriptor)
    group.add_directory(directory)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_is_written_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a"
    write_file(target, b"old")
    write_file(target, b"new", mode=0o640)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_many_files_take_their_names_only_after_all_contents_are_durable(tmp_path: Path) -> None:
    recording = Recording(as_one=True)

    def rename(source: Path, target: Path) -> None:
        recording.calls.append("rename")
        source.rename(target)

    files = {tmp_path / f"{number}": f"{number}".encode() for number in range(100)}
    (tmp_path / "7").write_bytes(b"old")
    write_files(files, mode=0o640, disk=replace(recording.disk, rename=rename))
    assert recording.calls == ["sync"] + ["rename"] * 100 + ["fsync"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert (tmp_path / "7").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("count", [1, 100])
def test_many_files_on_a_failing_disk_leave_what_was_there(count: int, tmp_path: Path) -> None:
    before = open_descriptors()
    (tmp_path / "0").write_bytes(b"old")
    files = {tmp_path / f"{number}": b"new" for number in range(count)}
    with pytest.raises(DiskFull):
        write_files(files, disk=Recording(as_one=True, failure=errno.ENOSPC).disk)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("0", b"old")]
    assert open_descriptors() == before


def test_a_new_file_never_overwrites(tmp_path: Path) -> None:
    target = tmp_path / "a"
    assert write_new_file(target, b"first")
    assert not write_new_file(target, b"second")
    assert target.read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_name_of_full_length_can_be_written(tmp_path: Path) -> None:
    write_file(tmp_path / ("x" * 255), b"bytes")


@pytest.mark.parametrize(
    ("code", "error"), [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, DiskFailed)]
)
def test_a_failing_disk_leaves_the_old_file_and_no_other(code: int, error: type[Exception], tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")
    with pytest.raises(error):
        write_file(tmp_path / "a", b"new", disk=Recording(as_one=False, failure=code).disk)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_short_writes_are_continued(tmp_path: Path) -> None:
    disk = replace(DISK, write=lambda descriptor, data: os.write(descriptor, bytes(data)[:3]))
    write_file(tmp_path / "a", b"0123456789", disk=disk)
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_directories_are_made_once_and_made_durable(tmp_path: Path) -> None:
    recording = Recording(as_one=False)
    make_directory(tmp_path / "a" / "b", disk=recording.disk)
    make_directory(tmp_path / "a" / "b", disk=recording.disk)
    assert (tmp_path / "a" / "b").is_dir()
    assert recording.calls == ["fsync", "fsync"]


def test_many_files_are_committed_as_one_where_the_file_system_reports_errors(tmp_path: Path) -> None:
    recording = Recording(as_one=True)
    with Group(tmp_path, recording.disk) as group:
        fill(group, tmp_path, 100)
        group.commit()
    assert recording.calls == ["sync"]


@pytest.mark.parametrize(
    ("count", "as_one", "unwritten"), [(100, False, 0), (5, True, 0), (100, True, 1 << 30)], ids=["old", "few", "busy"]
)
def test_otherwise_each_file_and_each_directory_is_synced(
    count: int, *, as_one: bool, unwritten: int, tmp_path: Path
) -> None:
    recording = Recording(as_one=as_one, unwritten=unwritten)
    with Group(tmp_path, recording.disk) as group:
        fill(group, tmp_path, count)
        group.commit()
    assert recording.calls == ["start"] * count + ["fsync"] * (count + 1)


def test_the_real_disk_commits_hundreds_of_files_and_keeps_none_open(tmp_path: Path) -> None:
    before = open_descriptors()
    with Group(tmp_path) as group:
        fill(group, tmp_path, 600)
        assert open_descriptors() < before + 300
        group.commit()
    assert open_descriptors() == before


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("as_one", [True, False])
def test_a_failed_commit_is_never_taken_for_a_success(count: int, *, as_one: bool, tmp_path: Path) -> None:
    before = open_descriptors()
    recording = Recording(as_one=as_one, failure=errno.EIO)
    with Group(tmp_path, recording.disk) as group:
        fill(group, tmp_path, count)
        with pytest.raises(DiskFailed):
            group.commit()
        recording.failure = 0
        with pytest.raises(DiskFailed):
            group.commit()
    assert open_descriptors() == before


def test_what_is_not_committed_is_let_go(tmp_path: Path) -> None:
    before = open_descriptors()
    with Group(tmp_path, Recording(as_one=True).disk) as group:
        fill(group, tmp_path, 10)
    assert open_descriptors() == before


def test_a_group_on_nothing_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed):
        Group(tmp_path / "absent")


@pytest.mark.parametrize("move", [move_over, move_own])
@pytest.mark.parametrize("before", ["nothing", "another file", "a second name of the source"])
def test_what_is_moved_over_something_leaves_no_name_behind(
    before: str, move: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"receipt")
    if before == "another file":
        target.write_bytes(b"older")
    elif before == "a second name of the source":
        target.hardlink_to(source)  # rename(2) would do nothing, and say that it has
    move(source, target)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("target", b"receipt")]


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of another account, which this one may remove."""
    source = tmp_path / "source"
    source.write_bytes(b"receipt" * 400_000)
    source.chmod(0o666)
    owner = os.geteuid() + 1
    monkeypatch.setattr("gateway.storage.durable.os.geteuid", lambda: owner)
    return source


def test_another_accounts_file_is_written_anew_and_durable_before_its_first_name_goes(another: Path) -> None:
    content, target, done = another.read_bytes(), another.with_name("target"), []
    target.write_bytes(b"older")

    def noting(name: str) -> Callable[..., Any]:
        def act(*given: Any) -> Any:
            done.append(name)
            return getattr(DISK, name)(*given)

        return act

    first = another.stat().st_ino
    move_own(another, target, replace(DISK, **{name: noting(name) for name in ("fsync", "rename", "unlink")}))
    assert done == ["fsync", "rename", "fsync", "unlink"]
    assert [path.name for path in another.parent.iterdir()] == ["target"]
    assert target.read_bytes() == content
    assert (target.stat().st_ino == first, stat.S_IMODE(target.stat().st_mode)) == (False, 0o600)


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_another_accounts_file_stays_where_it_cannot_be_written_anew(step: str, another: Path) -> None:
    def fails(*_: Any) -> Any:
        raise OSError(errno.EIO, "it failed")

    with pytest.raises(OSError, match="it failed"):
        move_own(another, another.with_name("target"), replace(DISK, **{step: fails}))
    assert [path.name for path in another.parent.iterdir()] == ["source"]


def test_what_another_account_put_there_is_not_followed(another: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    another.rename(secret)
    another.symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        move_own(another, tmp_path / "target")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "source"]


@pytest.mark.parametrize("make", [name_own, move_own])
def test_a_file_of_this_account_s_own_is_taken_from_the_group_that_could_read_it(
    tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    shared = tmp_path / "shared"
    shared.write_bytes(b"receipt")
    shared.chmod(0o660)
    make(shared, tmp_path / "own")
    assert (tmp_path / "own").read_bytes() == b"receipt"
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o600
