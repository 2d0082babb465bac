"""Tables on terminals: what is cut, what never is, and what is coloured."""

from __future__ import annotations

import re

import pytest

from gateway.cli import tables
from gateway.cli.tables import Column

COLUMNS = (
    Column("ID"),
    Column("NAME", gives_way=True),
    Column("SIZE", right=True),
    Column("STATE"),
    Column("MORE", wide=True),
)
ROW = ("019ab5f0-1c2d", "a long name of a file.xml", "12 B", "held", "x")


def shown(capsys: pytest.CaptureFixture[str], *rows: tuple[str, ...]) -> list[str]:
    tables.show(COLUMNS, rows)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]


def test_what_is_no_terminal_gets_every_column_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, ROW) == [
        "ID             NAME                       SIZE  STATE  MORE",
        "019ab5f0-1c2d  a long name of a file.xml  12 B  held   x",
    ]


def test_narrow_terminal_cuts_the_column_that_gives_way_and_no_identifier(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_room", lambda: 40)
    assert shown(capsys, ROW) == [
        "ID             NAME          SIZE  STATE",
        "019ab5f0-1c2d  a long name…  12 B  held",
    ]
    monkeypatch.setattr(tables, "_room", lambda: 10)
    assert shown(capsys, ROW)[1] == "019ab5f0-1c2d  a long …  12 B  held"


def test_wide_terminal_shows_the_columns_that_need_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_room", lambda: 150)
    assert shown(capsys, ROW)[0].endswith("MORE")


def test_wide_and_combining_letters_keep_the_columns_in_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, han, welsh = shown(capsys, ("1", "戸籍", "1 B", "held", ""), ("2", "Sia\u0302n", "1 B", "held", ""))
    assert han == "1   戸籍   1 B  held"
    assert welsh == "2   Sia\u0302n   1 B  held"


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show((Column("NAME"),), [("a\x1b[31mb\nc",)])
    out = capsys.readouterr().out
    assert "\x1b[31m" not in out
    assert len(out.splitlines()) == 2
