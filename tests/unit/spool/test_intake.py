"""Taking in what operators drop."""

import hashlib
import mmap
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pytest

from gateway.domain.identity import new_id
from gateway.errors import (
    DiskFull,
    FileEmpty,
    FileNameRefused,
    FileTooLarge,
    FileUnsafe,
    FlowNotPermitted,
    GatewayError,
    PartnerUnknown,
    StillBeingWritten,
)
from gateway.spool.drops import Drop, Refusal, Rule, Taken
from gateway.spool.intake import Intake
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Readiness, Stability
from gateway.storage.directory_walk import names
from gateway.storage.durable import DISK, Disk
from gateway.storage.file_group import Group
from gateway.storage.writers import Writers, writers_of

LIMIT = 1000
RULES = {"claim": Rule(0.0, LIMIT, {"E09000030"}), "laid": Rule(3600.0, LIMIT, {"E09000030"})}
TRANSFER = new_id(1_800_000_000, b"0123456789")


class Site:
    """A spool and an intake over it, as the inspect role holds them."""

    def __init__(self, root: Path) -> None:
        self.outbound = root / "outbound"
        self.directory = self.outbound / "claim" / "E09000030"
        self.directory.mkdir(parents=True)
        self.custody = root / "custody"
        self.custody.mkdir()
        self.stability = Stability(time.monotonic)
        self.aside = SetAside(self.outbound, {}, 60.0, time.monotonic)
        self.intake = self.open()

    def open(self, disk: Disk = DISK, writers: Callable[[int], Writers] = writers_of) -> Intake:
        return Intake(
            self.outbound, RULES, {"E09000030", "E08000004"}, self.stability, self.aside, disk=disk, writers=writers
        )

    def drop(self, name: str = "a.xml", content: bytes = b"<claim/>") -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def found(self) -> Drop:
        (only,) = self.intake.scan()
        assert isinstance(only, Drop)
        return only

    def refused(self) -> Refusal:
        (only,) = self.intake.scan()
        assert isinstance(only, Refusal)
        return only

    def take(self, drop: Drop) -> Taken:
        with Group(self.custody) as group:
            taken = self.intake.take(drop, self.custody, TRANSFER, LIMIT, group)
            group.commit()
        return taken


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.intake.close()


def test_a_dropped_file_is_found_taken_and_released(site: Site) -> None:
    path = site.drop()
    drop = site.found()
    assert (drop.flow, drop.partner, drop.name, drop.size) == ("claim", "E09000030", "a.xml", 8)
    mask = os.umask(0o077)  # the roles'
    try:
        taken = site.take(drop)
    finally:
        os.umask(mask)
    assert taken.path.read_bytes() == b"<claim/>"
    assert taken.path.stat().st_mode & 0o777 == 0o600
    assert taken.sha256 == hashlib.sha256(b"<claim/>").hexdigest()
    assert path.exists()
    assert site.intake.release(drop, TRANSFER, taken.sha256)
    assert not path.exists()
    assert site.intake.release(drop, TRANSFER, taken.sha256)


def test_a_fingerprint_is_the_same_on_a_disk_that_has_another_number_since_the_restart(site: Site) -> None:
    site.drop()
    drop = site.found()
    assert replace(drop, device=drop.device + 1).fingerprint == drop.fingerprint
    assert replace(drop, inode=drop.inode + 1).fingerprint != drop.fingerprint


def test_what_was_released_is_made_durable_once_for_each_directory(site: Site) -> None:
    synced: list[tuple[int, int]] = []

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((status.st_dev, status.st_ino))

    paths = [site.drop("a.xml"), site.drop("b.xml")]
    with site.open(Disk(fsync=fsync)) as intake:
        drops = [drop for drop in intake.scan() if isinstance(drop, Drop)]
        for number, drop in enumerate(drops):
            assert intake.release(drop, new_id(number, b"0123456789"), "")
        assert not any(path.exists() for path in paths)
        intake.keep_released(drops)
        about = site.directory.stat()
        assert synced == [(about.st_dev, about.st_ino)]
        shutil.rmtree(site.directory)
        intake.keep_released(drops)  # and who has removed the directory has removed the files


def test_unfinished_names_and_explanations_are_passed_over(site: Site) -> None:
    for name in (".a.xml.Xq", "a.xml.part", "a.xml.filepart", "a.tmp", "a.xml~", "a.ready"):
        site.drop(name)
    (site.outbound / "README.md").write_text("how to use this", encoding="utf-8")
    assert list(site.intake.scan()) == []


def test_a_file_that_has_not_settled_is_not_found(site: Site) -> None:
    directory = site.outbound / "laid" / "E09000030"
    directory.mkdir(parents=True)
    (directory / "a.pdf").write_bytes(b"%PDF")
    assert list(site.intake.scan()) == []


def test_a_marker_lets_a_file_in_at_once_and_goes_with_it(site: Site) -> None:
    directory = site.outbound / "laid" / "E09000030"
    directory.mkdir(parents=True)
    (directory / "a.pdf").write_bytes(b"%PDF")
    (directory / "a.pdf.ready").touch()
    drop = site.found()
    assert drop.readiness is Readiness.WHOLE
    taken = site.take(drop)
    site.intake.release(drop, TRANSFER, taken.sha256)
    assert site.aside.look(ending=True) == []
    assert [path for path in directory.rglob("*") if path.is_file()] == []


def test_a_rename_into_place_lets_a_file_in_at_once(site: Site) -> None:
    directory = site.outbound / "laid" / "E09000030"
    directory.mkdir(parents=True)
    (directory / "a.pdf").write_bytes(b"%PDF")
    site.stability.note_moved(directory / "a.pdf")
    assert site.found().readiness is Readiness.WHOLE


def test_symlinks_are_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (site.directory / "a.xml").symlink_to(tmp_path / "secret")
    assert isinstance(site.refused().error, FileUnsafe)


def test_hard_links_are_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    os.link(tmp_path / "secret", site.directory / "a.xml")
    assert isinstance(site.refused().error, FileUnsafe)


def test_pipes_sockets_and_folders_are_refused(site: Site) -> None:
    os.mkfifo(site.directory / "pipe")
    (site.directory / "folder").mkdir()
    directory = os.open(site.directory, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"/proc/self/fd/{directory}/sock")  # a socket's path may have 107 bytes only
    os.close(directory)
    found = list(site.intake.scan())
    assert [type(item.error) for item in found if isinstance(item, Refusal)] == [FileUnsafe] * 3


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.xml", b"", FileEmpty),
        ("a.xml", b"x" * (LIMIT + 1), FileTooLarge),
        ("a\nb.xml", b"x", FileNameRefused),
        ("\u202ea.xml", b"x", FileNameRefused),
        ("a\udcff.xml", b"x", FileNameRefused),
    ],
)
def test_what_cannot_be_carried_is_refused(name: str, content: bytes, error: type[GatewayError], site: Site) -> None:
    site.drop(name, content)
    refusal = site.refused()
    assert isinstance(refusal.error, error)
    assert refusal.name == name


@pytest.mark.parametrize(
    ("directory", "error"),
    [
        ("claim/E08000004", FlowNotPermitted),
        ("claim/W06000024", PartnerUnknown),
        ("unheard/E09000030", FlowNotPermitted),
    ],
)
def test_a_file_for_nobody_is_refused(
    directory: str, error: type[GatewayError], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.spool.intake.STRAY_SETTLE_SECONDS", 0.0)
    (site.outbound / directory).mkdir(parents=True)
    (site.outbound / directory / "a.xml").write_bytes(b"x")
    refusal = site.refused()
    assert isinstance(refusal.error, error)
    assert f"{refusal.flow}/{refusal.partner}" == directory


def test_a_file_above_the_partners_directories_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.spool.intake.STRAY_SETTLE_SECONDS", 0.0)
    (site.outbound / "claim" / "a.xml").write_bytes(b"x")
    refusal = site.refused()
    assert (refusal.flow, refusal.partner, refusal.name) == ("claim", "", "a.xml")
    assert isinstance(refusal.error, FlowNotPermitted)


def test_a_partner_directory_that_is_a_link_is_not_followed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.spool.intake.STRAY_SETTLE_SECONDS", 0.0)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.xml").write_bytes(b"x")
    site.directory.rmdir()
    site.directory.symlink_to(tmp_path / "elsewhere")
    refusal = site.refused()
    assert refusal.name == "E09000030"
    assert isinstance(refusal.error, FileUnsafe)


def test_a_file_swapped_for_a_link_after_the_look_is_not_followed(site: Site, tmp_path: Path) -> None:
    path = site.drop()
    drop = site.found()
    (tmp_path / "secret").write_bytes(b"<claim/>")
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(FileUnsafe):
        site.take(drop)
    assert list(site.custody.iterdir()) == []


def test_a_directory_swapped_for_a_link_after_the_look_is_not_followed(site: Site, tmp_path: Path) -> None:
    site.drop()
    drop = site.found()
    site.directory.rename(tmp_path / "moved")
    site.directory.symlink_to(tmp_path / "moved")
    with pytest.raises(GatewayError):
        site.take(drop)
    assert list(site.custody.iterdir()) == []


def test_a_file_swapped_for_a_pipe_does_not_stop_the_reader(site: Site) -> None:
    path = site.drop()
    drop = site.found()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileUnsafe):
        site.take(drop)


@pytest.mark.parametrize("content", [b"<claim/>\n", b"<claim", b"<CLAIM/>"])
def test_a_file_that_changed_since_the_look_is_left_for_later(content: bytes, site: Site) -> None:
    path = site.drop()
    drop = site.found()
    path.write_bytes(content)
    os.utime(path, ns=(0, drop.mtime_ns + 1))
    with pytest.raises(StillBeingWritten):
        site.take(drop)
    assert list(site.custody.iterdir()) == []


@pytest.mark.parametrize("content", [b"<claim/>...", b"<claim/>"])
def test_a_file_written_to_while_it_is_copied_is_left_for_later(content: bytes, site: Site) -> None:
    path = site.drop()
    drop = site.found()

    def write(descriptor: int, data: bytes) -> int:
        path.write_bytes(content)
        os.utime(path, ns=(0, drop.mtime_ns + 1))
        return os.write(descriptor, data)

    with (
        site.open(replace(DISK, write=write)) as intake,
        Group(site.custody) as group,
        pytest.raises(StillBeingWritten),
    ):
        intake.take(drop, site.custody, TRANSFER, LIMIT, group)
    assert list(site.custody.iterdir()) == []


def test_bytes_altered_under_an_unchanged_date_are_found(site: Site) -> None:
    path = site.drop()
    drop = site.found()

    def write(descriptor: int, data: bytes) -> int:
        path.write_bytes(b"<CLAIM/>")
        os.utime(path, ns=(0, drop.mtime_ns))
        return os.write(descriptor, data)

    with (
        site.open(replace(DISK, write=write)) as intake,
        Group(site.custody) as group,
        pytest.raises(StillBeingWritten),
    ):
        intake.take(drop, site.custody, TRANSFER, LIMIT, group)


def test_where_writers_cannot_be_told_bytes_altered_under_all_the_same_times_are_found_by_the_second_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.drop()
    before = site.found()
    monkeypatch.setattr("gateway.spool.intake._is_same", lambda *_: True)  # as a server's coarse clock would have it

    def write(descriptor: int, data: bytes) -> int:
        path.write_bytes(b"<CLAIM/>")
        return os.write(descriptor, data)

    with (
        site.open(replace(DISK, write=write), writers=lambda _: Writers.UNKNOWN) as intake,
        Group(site.custody) as group,
        pytest.raises(StillBeingWritten),
    ):
        intake.take(before, site.custody, TRANSFER, LIMIT, group)


@pytest.mark.parametrize("mode", ["ab", "r+b"])
@pytest.mark.parametrize("marked", [True, False])
def test_a_file_that_somebody_has_open_for_writing_is_not_taken(mode: str, *, marked: bool, site: Site) -> None:
    path = site.drop()
    if marked:
        (site.directory / "a.xml.ready").touch()
    with path.open(mode):
        assert list(site.intake.scan()) == []
        assert site.intake.unsettled == 1
        assert list(site.intake.held_open) == [("claim", "E09000030", "a.xml")]
    assert site.found().name == "a.xml"
    assert site.intake.held_open == {}


def test_a_file_that_is_renamed_into_place_by_a_writer_who_keeps_it_open_is_not_taken(site: Site) -> None:
    path = site.directory / "a.xml.part"
    with path.open("wb") as file:
        file.write(b"<cla")
        file.flush()
        path.rename(site.directory / "a.xml")
        site.stability.note_moved(site.directory / "a.xml")
        assert list(site.intake.scan()) == []


def test_a_file_that_is_mapped_for_writing_is_not_taken_though_its_descriptor_is_closed(site: Site) -> None:
    path = site.drop(content=b"<claim/>" * 100)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    with mapped:
        assert list(site.intake.scan()) == []
    assert site.found().size == 800


def test_an_empty_file_that_somebody_is_about_to_write_is_not_given_back(site: Site) -> None:
    path = site.directory / "a.xml"
    with path.open("wb"):
        assert list(site.intake.scan()) == []
    assert isinstance(site.refused().error, FileEmpty)


def test_a_file_that_is_opened_for_writing_while_it_is_copied_is_left_for_later(site: Site) -> None:
    path = site.drop()
    drop = site.found()
    opened: list[BinaryIO] = []

    def write(descriptor: int, data: bytes) -> int:
        opened.append(path.open("ab"))
        return os.write(descriptor, data)

    with (
        site.open(replace(DISK, write=write)) as intake,
        Group(site.custody) as group,
        pytest.raises(StillBeingWritten),
    ):
        intake.take(drop, site.custody, TRANSFER, LIMIT, group)
    opened[0].close()
    assert list(site.custody.iterdir()) == []


def test_a_file_taken_away_before_the_copy_is_left_for_later(site: Site) -> None:
    path = site.drop()
    drop = site.found()
    path.unlink()
    with pytest.raises(StillBeingWritten):
        site.take(drop)


def test_a_full_disk_leaves_the_file_in_the_spool_and_nothing_in_custody(site: Site) -> None:
    path = site.drop()
    drop = site.found()

    def write(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with (
        site.open(replace(DISK, write=write)) as intake,
        Group(site.custody) as group,
        pytest.raises(DiskFull),
    ):
        intake.take(drop, site.custody, TRANSFER, LIMIT, group)
    assert path.exists()
    assert list(site.custody.iterdir()) == []


def test_a_new_file_of_the_same_name_is_not_removed_with_the_old_one(site: Site) -> None:
    path = site.drop()
    drop = site.found()
    taken = site.take(drop)
    (site.directory / ".new").write_bytes(b"<claim>new</claim>")
    (site.directory / ".new").rename(path)
    assert not site.intake.release(drop, TRANSFER, taken.sha256)
    assert path.read_bytes() == b"<claim>new</claim>"


@pytest.mark.parametrize(
    "change",
    [lambda path: path.chmod(0o640), lambda path: os.utime(path, (1.0, 2.0)), lambda path: os.chown(path, -1, -1)],
)
def test_a_file_whose_attributes_were_changed_meanwhile_is_the_one_that_was_taken(
    site: Site, change: Callable[[Path], None]
) -> None:
    path = site.drop()
    drop = site.found()
    taken = site.take(drop)
    change(path)
    assert site.intake.release(drop, TRANSFER, taken.sha256)
    assert not path.exists()


def test_other_bytes_under_the_same_attributes_are_another_file(site: Site) -> None:
    path = site.drop()
    before = path.stat()
    drop = site.found()
    taken = site.take(drop)
    path.write_bytes(b"<CLAIM/>")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not site.intake.release(drop, TRANSFER, taken.sha256)
    assert path.read_bytes() == b"<CLAIM/>"


def test_a_thousand_files_are_all_found(site: Site) -> None:
    for number in range(1000):
        site.drop(f"{number}.xml")
    assert len(list(site.intake.scan())) == 1000


def test_a_scan_goes_on_where_the_last_one_had_enough_and_then_looks_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings: list[int] = []

    def counted(directory: int) -> list[str]:
        found = names(directory)
        listings.append(len(found))
        return found

    monkeypatch.setattr("gateway.spool.intake.names", counted)
    for number in range(9):
        site.drop(f"{number}.xml")
    first = [found.name for found in islice(site.intake.scan(), 3)]
    site.drop("00.xml")  # sorts before what is left
    (site.directory / "4.xml").unlink()
    second = [found.name for found in islice(site.intake.scan(), 3)]
    assert (first, second, listings) == (["0.xml", "1.xml", "2.xml"], ["3.xml", "5.xml", "6.xml"], [9])
    # Nothing was taken so far: the third scan comes to the end of that listing, and finds by another what came since.
    assert [found.name for found in site.intake.scan()] == [
        *("7.xml", "8.xml"),
        *("0.xml", "00.xml", "1.xml", "2.xml", "3.xml", "5.xml", "6.xml"),
    ]
    assert listings == [9, 9]


def test_a_marker_that_is_taken_back_while_others_are_taken_counts_no_more(site: Site) -> None:
    directory = site.outbound / "laid" / "E09000030"
    directory.mkdir(parents=True)
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        (directory / name).write_bytes(b"%PDF-")
        (directory / f"{name}.ready").touch()
    assert [found.name for found in islice(site.intake.scan(), 1)] == ["a.pdf"]
    (directory / "b.pdf.ready").unlink()
    assert [found.name for found in site.intake.scan()] == ["c.pdf", "a.pdf"]
    assert site.intake.unsettled == 1
