"""A file of evidence is whole or not there, never replaces another, and has one form."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from gateway.administration.evidence import container as containers
from gateway.administration.evidence.container import container
from gateway.errors import DiskFailed, UsageWrong


def written(target: Path) -> bytes:
    with container(target) as out:
        out.add("story.txt", [b"what ", b"happened"], "a page")
        out.add_lines("rows", ({"n": number} for number in range(3)), "rows")
        out.add_lines("events", (), "none")
        out.seal({"format": 1}, lambda manifest: manifest[:4])
    return target.read_bytes()


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a.zip") == written(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_members_are_stored_one_after_the_other_and_the_manifest_comes_last(tmp_path: Path) -> None:
    written(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["story.txt", "rows/00001.jsonl", "manifest.json", "manifest.json.sig"]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("rows/00001.jsonl") == b'{"n":0}\n{"n":1}\n{"n":2}\n'


def test_long_lists_are_cut_into_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "LINES", 8)
    written(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist()[1:4] == ["rows/00001.jsonl", "rows/00002.jsonl", "rows/00003.jsonl"]


def test_a_taken_name_is_refused_also_when_it_was_taken_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    with pytest.raises(UsageWrong, match="is there already"), container(target):
        target.write_bytes(b"mine")
    with pytest.raises(UsageWrong, match="is there already"), container(target):
        raise AssertionError("no work is done for it")
    assert target.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def failing(target: Path) -> None:
    with container(target) as out:
        out.add("story.txt", [b"half"], "a page")
        raise KeyError


def test_after_a_failure_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        failing(tmp_path / "a.zip")
    with pytest.raises(DiskFailed, match="the evidence cannot be written"):
        failing(tmp_path / "none" / "a.zip")
    assert list(tmp_path.iterdir()) == []


def too_much(target: Path) -> None:
    with container(target) as out:
        for number in range(3):
            out.add(f"{number}", [b"12345678"], "a member")


def test_more_than_a_file_can_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MOST_MEMBERS", 2)
    with pytest.raises(UsageWrong, match="shorter period"):
        too_much(tmp_path / "a.zip")
    monkeypatch.setattr(containers, "MOST_MEMBERS", 10)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 20)
    with pytest.raises(UsageWrong, match="shorter period"):
        too_much(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []
