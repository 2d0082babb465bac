"""Lists of exceptions as files."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.spool.exception_lists import HEADER, ExceptionLists, Listed, ListKey, from_csv, to_csv
from gateway.storage.payloads import OneMachine

KEY = ListKey("in", "E09000030", "01a200dc-da13-796e-bc6d-46b6dcbaebcf")
TEXT = st.text(st.characters(exclude_categories=["C"]), max_size=40)


@given(st.lists(st.builds(Listed, st.integers(1, 10**7), TEXT, TEXT, TEXT), max_size=5))
def test_list_is_read_back_as_it_was_written(listed: list[Listed]) -> None:
    assert from_csv(to_csv(listed)) == listed


def test_list_is_csv_as_rfc_4180_has_it() -> None:
    content = to_csv([Listed(7, "43", "extract-integer", 'Not "a" number, nor a sum.')])
    assert content == b'row,field,code,message\r\n7,43,extract-integer,"Not ""a"" number, nor a sum."\r\n'
    assert next(csv.reader(content.decode().splitlines())) == list(HEADER)


def test_kept_list_is_found_by_its_transfer_alone_and_keeping_it_again_changes_nothing(tmp_path: Path) -> None:
    lists = ExceptionLists(tmp_path / "exceptions", OneMachine())
    listed = [Listed(2, "8", "extract-date", "Not a date.")]
    for _ in range(2):
        lists.keep({KEY: listed})
        assert lists.read(KEY) == to_csv(listed)
    for other in (KEY._replace(direction="out"), KEY._replace(partner="4220")):
        assert lists.read(other) is None
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_no_name_from_outside_becomes_a_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="id"):
        ExceptionLists(tmp_path, OneMachine()).read(KEY._replace(transfer="../../etc/passwd"))
