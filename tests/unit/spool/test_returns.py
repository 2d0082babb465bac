"""What operators get back."""

import os
from pathlib import Path

import pytest

from gateway.spool.names import second_name
from gateway.spool.returns import LETTERS, return_file, tell

TAG = "0192aaaa-0000-7000-8000-000000000001"


@pytest.fixture
def dropped(tmp_path: Path) -> Path:
    source = tmp_path / "dropped.xml"
    source.write_bytes(b"<claim/>")
    return source


def test_a_file_comes_back_with_its_reason(dropped: Path, tmp_path: Path) -> None:
    directory = tmp_path / "returned" / "claim" / "DWP"
    returned = return_file(dropped, directory, "a.xml", "Line 3: the date is wrong.\n", tag=TAG)
    assert returned == directory / "a.xml"
    assert returned.read_bytes() == b"<claim/>"
    assert (directory / "a.xml.why.txt").read_text(encoding="utf-8") == "Line 3: the date is wrong.\n"
    assert not dropped.exists()


def test_nothing_returned_before_is_overwritten(dropped: Path, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"first")
    (tmp_path / "a.xml.why.txt").write_bytes(b"first reason")
    returned = return_file(dropped, tmp_path, "a.xml", "second reason", tag=TAG)
    assert returned.name == f"a~{TAG}.xml"
    assert (tmp_path / "a.xml").read_bytes() == b"first"
    assert (tmp_path / "a.xml.why.txt").read_bytes() == b"first reason"
    assert (tmp_path / f"a~{TAG}.xml.why.txt").read_bytes() == b"second reason"


def test_a_returned_file_whose_name_looks_like_a_reason_is_not_overwritten(dropped: Path, tmp_path: Path) -> None:
    (tmp_path / "a.xml.why.txt").write_bytes(b"an operator's own file")
    assert return_file(dropped, tmp_path, "a.xml", "reason", tag=TAG).name == f"a~{TAG}.xml"
    assert (tmp_path / "a.xml.why.txt").read_bytes() == b"an operator's own file"


def test_returning_again_changes_nothing(dropped: Path, tmp_path: Path) -> None:
    first = return_file(dropped, tmp_path / "returned", "a.xml", "reason", tag=TAG)
    before = sorted(entry.name for entry in (tmp_path / "returned").iterdir())
    assert return_file(dropped, tmp_path / "returned", "a.xml", "reason", tag=TAG) == first
    assert sorted(entry.name for entry in (tmp_path / "returned").iterdir()) == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\nb", "\u202egnp.exe", "", "\udcff"])
def test_a_hostile_name_comes_back_as_a_harmless_one(name: str, dropped: Path, tmp_path: Path) -> None:
    directory = tmp_path / "returned"
    returned = return_file(dropped, directory, name, "reason", tag=TAG)
    assert returned.parent == directory
    assert returned.name.isprintable()
    assert len(list(directory.iterdir())) == 2


@pytest.mark.parametrize("name", ["x" * 240, "x" * 251 + ".xml", "ŵ" * 125 + ".xml", "a." + "x" * 250])
@pytest.mark.parametrize("letter", LETTERS)
def test_a_name_without_room_for_the_letter_is_cut_and_told_twice_is_there_once(
    name: str, letter: str, dropped: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "returned"
    returned = return_file(dropped, directory, name, "reason", tag=TAG, letter=letter)
    assert returned == directory / second_name(name, TAG)
    assert return_file(dropped, directory, name, "reason", tag=TAG, letter=letter) == returned
    assert sorted(directory.iterdir()) == sorted([returned, returned.with_name(returned.name + letter)])
    told = tell(directory, name, "another reason", tag="other")
    assert tell(directory, name, "another reason", tag="other") == told
    assert told.read_bytes() == b"another reason"


def test_links_pipes_and_folders_come_back_unopened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    secret.chmod(0o600)
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_bytes(b"bytes")
    directory = tmp_path / "returned"
    for name in ("link", "pipe", "folder"):
        return_file(tmp_path / name, directory, name, "reason", tag=TAG)
    assert (directory / "link").is_symlink()
    assert (directory / "pipe").is_fifo()
    assert (directory / "folder" / "inside").read_bytes() == b"bytes"
    assert secret.stat().st_mode & 0o777 == 0o600
