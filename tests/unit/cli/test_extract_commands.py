"""`gateway extract`, and what `transfers`, `show`, `calendar` and `validate` say of exceptions and of whose an extract is."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest

from gateway.sample.extract import ExtractSampler
from gateway.settings.resources import resource
from tests.fakes.two_ledgers import Pair, odd
from tests.unit.cli.conftest import Run

LA, OLDHAM = "E09000030", "E08000004"
NAME = f"hb{LA}_SHBE_555086k November 2026.csv"
ROW = {"row": 7, "field": "8", "code": "extract-date", "message": "Not a date."}


def write_extract(directory: Path, sender: str, defect: str | None = None) -> Path:
    made = ExtractSampler(resource("schemas")).make(
        sender=sender, recipient="DWP", index=1, random=random.Random(1), today=date(2026, 11, 21), defect=defect
    )
    (directory / made.name).write_bytes(made.content)
    return directory / made.name


def test_list_is_shown_at_both_ends_as_table_json_and_csv(pair: Pair, run: Run) -> None:
    identity = pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work()
    for bench in (pair.la, pair.dwp):
        assert run(bench, "extract", "exceptions", identity[:30], "--json").data == [ROW]
        assert run(bench, "extract", "exceptions", identity, "--csv").out.splitlines() == [
            "row,field,code,message",
            "7,8,extract-date,Not a date.",
        ]
        table = run(bench, "extract", "exceptions", identity)
        assert "extract-date" in table.out
        assert "1 exception" in table.err
        (row,) = run(bench, "transfers", "--json").data
        assert row["exceptions"] == {"count": 1, "records": 1}
        assert f"gateway extract exceptions {identity}" in run(bench, "show", identity).out
    assert "with 1 exception in 1 record" in run(pair.dwp, "show", identity).out


def test_file_without_exceptions_has_an_empty_list_and_a_lost_one_is_said(pair: Pair, run: Run) -> None:
    good = pair.la.submit(NAME, b'facts {"records": "400"}', "extract")
    lost = pair.la.submit(NAME.replace("k", "l"), odd([7], 400), "extract")
    pair.work()
    assert run(pair.la, "extract", "exceptions", good, "--json").data == []
    assert run(pair.la, "transfers", "--json").data[0]["exceptions"] is None
    for path in (pair.la.home.exceptions / "out" / "DWP").iterdir():
        path.unlink()
    said = run(pair.la, "extract", "exceptions", lost)
    assert (said.status, "The list" in said.err) == (65, True)


def test_calendar_has_the_exceptions_of_the_extract_that_counts(pair: Pair, run: Run) -> None:
    identity = pair.la.submit(f"hb{LA} 2026-10.csv", odd([7, 7], 400), "extract")
    pair.work()
    (entry,) = run(pair.dwp, "calendar", "--month", "2026-10", "--json").data
    assert (entry["counts"]["transfer"], entry["counts"]["exceptions"]) == (identity, {"count": 2, "records": 1})
    assert entry["of_other_authorities"] == []


def test_validate_says_what_would_travel_with_exceptions_and_of_which_authority(run: Run, tmp_path: Path) -> None:
    path = write_extract(tmp_path, "4220", "amount")
    said = run(None, "validate", "extract", path)
    assert (said.status, "fine with 1 exception in 1 record of " in said.out, "of authority 4220" in said.out) == (
        0,
        True,
        True,
    )
    (data,) = run(None, "validate", "extract", path, "--json").data
    assert (data["valid"], data["exceptions"], data["total"]) == (True, {"count": 1, "records": 1}, 1)
    assert data["facts"]["authority"] == "4220"
    assert data["findings"][0]["code"] == "extract-integer"
    broken = run(None, "validate", "extract", write_extract(tmp_path, "4220", "header"), "--json")
    assert (broken.status, broken.data[0]["valid"], broken.data[0]["exceptions"]) == (65, False, None)


def test_validate_goes_by_the_site_s_own_setting(pair: Pair, run: Run, tmp_path: Path) -> None:
    path = write_extract(tmp_path, LA, "amount")
    assert run(pair.la, "validate", "extract", path).status == 0
    with pair.la.home.gateway_toml.open("a", encoding="utf-8") as file:
        file.write('\n[flows.extract]\nexceptions = "refuse"\n')
    assert run(pair.la, "validate", "extract", path).status == 65


@pytest.mark.parametrize(("sender", "status"), [(LA, 0), ("5900", 0), (OLDHAM, 65), ("4220", 65), ("9991", 65)])
def test_validate_holds_the_name_against_the_site(
    pair: Pair, run: Run, tmp_path: Path, sender: str, status: int
) -> None:
    path = write_extract(tmp_path, sender)
    for bench in (pair.la, pair.dwp):
        said = run(bench, "validate", "extract", path, "--json")
        assert said.status == status
        assert [each["code"] for each in said.data[0]["findings"]] == (["extract-authority"] if status else [])
    assert run(None, "validate", "extract", path).status == 0


def test_summary_says_authority_and_month_by_the_name(run: Run, tmp_path: Path) -> None:
    data = run(None, "extract", "summary", write_extract(tmp_path, OLDHAM), "--json").data
    assert (data["authority"], data["authorities"]) == (OLDHAM, [{"code": OLDHAM, "name": "Oldham"}])
    path = write_extract(tmp_path, "4220").rename(tmp_path / "shbe.csv")
    said = run(None, "extract", "summary", path)
    assert "authority none" in said.err
