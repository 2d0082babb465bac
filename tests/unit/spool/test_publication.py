"""Publishing: whole, never over another file, at most once."""

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import CustodyLost, DiskFailed
from gateway.linux import file_calls
from gateway.spool.publication import Moment, Placement, publish
from gateway.storage.durable import DISK, Disk

TAG = "0192aaaa-0000-7000-8000-000000000001"


def place(root: Path, content: bytes = b"claim", name: str = "a.xml", tag: str = TAG) -> Placement:
    for directory in ("vault", "inbound"):
        (root / directory).mkdir(exist_ok=True)
    source = root / "vault" / tag
    source.write_bytes(content)
    return Placement(source, root / "inbound", name, tag, hashlib.sha256(content).hexdigest())


def names(root: Path) -> list[str]:
    return sorted(entry.name for entry in (root / "inbound").iterdir())


def refusing(code: int) -> Disk:
    """A disk whose first renames are refused, as between file systems or on NFS; those within a directory work."""

    def rename_new(source: Path, target: Path) -> None:
        if source.parent != target.parent or code != errno.EXDEV:
            raise OSError(code, os.strerror(code))
        file_calls.rename_new(source, target)

    return replace(DISK, rename_new=rename_new)


DISKS = [
    pytest.param(DISK, id="rename"),
    pytest.param(refusing(errno.EXDEV), id="copy"),
    pytest.param(refusing(errno.EINVAL), id="link"),
]


@pytest.mark.parametrize("disk", DISKS)
def test_a_file_moves_with_its_bytes_and_becomes_readable(disk: Disk, tmp_path: Path) -> None:
    placement = place(tmp_path)
    published = publish([placement], disk)
    assert published[0].path == tmp_path / "inbound" / "a.xml"
    assert published[0].moment is Moment.NOW
    assert published[0].path.read_bytes() == b"claim"
    assert published[0].path.stat().st_mode & 0o777 == 0o640
    assert not placement.source.exists()
    assert names(tmp_path) == ["a.xml"]


@pytest.mark.parametrize("disk", DISKS)
def test_a_second_file_of_the_name_stands_beside_the_first(disk: Disk, tmp_path: Path) -> None:
    placement = place(tmp_path, b"second")
    (tmp_path / "inbound" / "a.xml").write_bytes(b"first")
    assert publish([placement], disk)[0].path.name == f"a~{TAG}.xml"
    assert (tmp_path / "inbound" / "a.xml").read_bytes() == b"first"
    assert (tmp_path / "inbound" / f"a~{TAG}.xml").read_bytes() == b"second"


@pytest.mark.parametrize("disk", DISKS)
def test_a_second_file_of_the_same_bytes_is_still_a_second_file(disk: Disk, tmp_path: Path) -> None:
    placement = place(tmp_path, b"same")
    (tmp_path / "inbound" / "a.xml").write_bytes(b"same")
    assert publish([placement], disk)[0].path.name == f"a~{TAG}.xml"


@pytest.mark.parametrize("disk", DISKS)
def test_publishing_again_finds_what_was_published(disk: Disk, tmp_path: Path) -> None:
    placement = place(tmp_path)
    first = publish([placement], disk)[0].path
    again = publish([placement], disk)[0]
    assert again.path == first
    assert again.moment is Moment.EARLIER


@pytest.mark.parametrize("disk", DISKS)
def test_publishing_again_finds_the_second_name(disk: Disk, tmp_path: Path) -> None:
    placement = place(tmp_path)
    (tmp_path / "inbound" / "a.xml").write_bytes(b"first")
    publish([placement], disk)
    again = publish([placement], disk)[0]
    assert (again.path.name, again.moment) == (f"a~{TAG}.xml", Moment.EARLIER)


@pytest.mark.parametrize("disk", DISKS)
def test_what_the_reader_took_is_not_published_again(disk: Disk, tmp_path: Path) -> None:
    placement = place(tmp_path)
    publish([placement], disk)[0].path.unlink()
    assert publish([placement], disk)[0].moment is Moment.COLLECTED
    assert names(tmp_path) == []


def test_a_crash_between_link_and_unlink_leaves_one_publication(tmp_path: Path) -> None:
    placement = place(tmp_path)
    os.link(placement.source, tmp_path / "inbound" / "a.xml")
    published = publish([placement], refusing(errno.EINVAL))[0]
    assert (published.path.name, published.moment) == ("a.xml", Moment.EARLIER)
    assert not placement.source.exists()
    assert names(tmp_path) == ["a.xml"]


def test_a_copy_that_shows_other_bytes_is_not_published(tmp_path: Path) -> None:
    placement = replace(place(tmp_path), sha256="0" * 64)
    with pytest.raises(CustodyLost):
        publish([placement], refusing(errno.EXDEV))
    assert names(tmp_path) == []
    assert placement.source.exists()


def test_a_file_is_kept_where_both_names_are_taken(tmp_path: Path) -> None:
    placement = place(tmp_path)
    for name in ("a.xml", f"a~{TAG}.xml"):
        (tmp_path / "inbound" / name).write_bytes(b"other")
    with pytest.raises(DiskFailed):
        publish([placement])
    assert placement.source.read_bytes() == b"claim"


def test_a_directory_that_is_missing_is_a_disk_error_and_loses_nothing(tmp_path: Path) -> None:
    placement = replace(place(tmp_path), directory=tmp_path / "absent")
    with pytest.raises(DiskFailed):
        publish([placement])
    assert placement.source.exists()


@pytest.mark.parametrize("disk", DISKS)
def test_hundreds_are_published_in_order(disk: Disk, tmp_path: Path) -> None:
    wanted = [
        place(tmp_path, b"%d" % number, f"{number}.xml", f"0192aaaa-0000-7000-8000-{number:012d}")
        for number in range(100)
    ]
    published = publish(wanted, disk)
    assert [item.path.name for item in published] == [f"{number}.xml" for number in range(100)]
    assert all(item.path.read_bytes() == b"%d" % number for number, item in enumerate(published))
    assert list((tmp_path / "vault").iterdir()) == []


def test_nothing_to_publish_is_nothing_done() -> None:
    assert publish([]) == []
