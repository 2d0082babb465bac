"""No cell of a list is a formula to a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest

from gateway.console.files import csv_file


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_is_a_formula_and_numbers_stay_numbers(start: str) -> None:
    async def whole() -> str:
        made = csv_file("list", ["a", "b"], [(f"{start}1+cmd", -3)])
        return "".join([str(part) async for part in made.body_iterator])  # type: ignore[attr-defined]

    rows = list(csv.reader(io.StringIO(asyncio.run(whole()), newline="")))
    assert rows == [["a", "b"], [f"'{start}1+cmd", "-3"]]
