"""A file of evidence is whole or not there, never replaces another, and has one form."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway.administration.evidence import container as containers
from gateway.administration.evidence.container import container
from gateway.errors import DiskFailed, UsageWrong


def written(target: Path) -> bytes:
    with container(target) as out:
        out.add("story.txt", [b"what ", b"happened"])
        out.add_lines("rows", ({"n": number} for number in range(3)))
        out.add_lines("events", ())
        out.seal({"format": 1}, lambda message: b"signature of " + message)
    return target.read_bytes()


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a.zip") == written(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_the_comment_signs_every_byte_before_it_but_for_its_length(tmp_path: Path) -> None:
    content = written(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        comment = archive.comment
    assert content.endswith(len(comment).to_bytes(2, "little") + comment)
    digest = hashlib.sha256(content[: -2 - len(comment)]).hexdigest()
    assert comment == f"signature of evidence {digest}".encode()


def test_the_page_says_what_is_signed(tmp_path: Path) -> None:
    content = written(tmp_path / "a.zip")
    page = (Path(__file__).parents[4] / "docs" / "audit.md").read_text("utf-8")
    program = page.partition("tests/unit/administration/evidence/test_container.py -->\n```python\n")[2].partition(
        "```"
    )[0]
    subprocess.run([sys.executable, "-I", "-c", program, "a.zip"], cwd=tmp_path, check=True)
    signed = b"signature of " + (tmp_path / "text").read_bytes()
    assert (tmp_path / "signature").read_bytes() == signed
    assert content.endswith(signed)


def test_members_are_stored_one_after_the_other_and_the_manifest_comes_last(tmp_path: Path) -> None:
    written(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["story.txt", "rows/00001.jsonl", "manifest.json"]
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
        out.add("story.txt", [b"half"])
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
            out.add(f"{number}", [b"12345678"])


def test_more_than_a_file_can_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MOST_MEMBERS", 2)
    with pytest.raises(UsageWrong, match="shorter period"):
        too_much(tmp_path / "a.zip")
    monkeypatch.setattr(containers, "MOST_MEMBERS", 10)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 20)
    with pytest.raises(UsageWrong, match="shorter period"):
        too_much(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []
