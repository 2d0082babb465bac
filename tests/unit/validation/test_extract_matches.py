"""What an extract tells of the referrals that it resolves: numbers, rules and dates, and nothing that somebody typed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from random import Random

import pytest

from gateway.sample.extract import ExtractSampler
from gateway.settings.resources import resource
from gateway.validation.contract import Report
from gateway.validation.extract.matches import MOST_LISTED, Matches
from gateway.validation.extract.validator import ExtractValidator

SCHEMAS = resource("schemas")


def extract(seed: int) -> bytes:
    sampler = ExtractSampler(SCHEMAS)
    made = sampler.make(sender="4220", recipient="DWP", index=1, random=Random(seed), today=date(2026, 11, 21))
    return made.content


def report_on(content: bytes, path: Path) -> Report:
    (path / "extract.csv").write_bytes(content)
    return ExtractValidator(SCHEMAS, allow_test_numbers=True).validate(path / "extract.csv")


def resolved(content: bytes) -> list[dict[str, str]]:
    """The same by hand."""
    header, *rows = [line.split(",") for line in content.decode().split("\r\n") if line]
    columns = {number: header.index(str(number)) for number in (316, 317, 318)}
    found = []
    for row in rows:
        if row[0] == "R" and row[columns[316]]:
            day, month, year = row[columns[318]].split("/")
            found.append({"rms": row[columns[316]], "rule": row[columns[317]], "matched": f"{year}-{month}-{day}"})
    return found


@pytest.mark.parametrize("quoted", [False, True])
def test_extract_lists_what_its_r_records_resolve(tmp_path: Path, quoted: bool) -> None:  # noqa: FBT001 - a parameter
    content = next(each for each in map(extract, range(50)) if len(resolved(each)) > 1)
    expected = resolved(content)
    if quoted:
        lines = [b",".join(b'"%b"' % field for field in line.split(b",")) for line in content.split(b"\r\n")[1:-1]]
        content = b"\r\n".join([content.split(b"\r\n")[0], *lines, b""])
    facts = report_on(content, tmp_path).facts
    assert json.loads(facts["rms"]) == expected
    assert facts["rms_total"] == str(len(expected))
    assert facts["rms_other"] == "0"


def test_text_that_is_no_number_is_counted_and_never_told(tmp_path: Path) -> None:
    content = next(each for each in map(extract, range(50)) if len(resolved(each)) > 1)
    first = resolved(content)[0]["rms"].encode()
    for typed in (b"see letter to Mrs Quayle", b"QQ123456A", b"QQ123456"):
        facts = report_on(content.replace(first, typed, 1), tmp_path).facts
        assert typed.decode() not in repr(facts)
        assert (facts["rms_total"], facts["rms_other"]) == (str(len(resolved(content)) - 1), "1")


def test_extract_that_is_wrong_tells_nothing_of_its_matches(tmp_path: Path) -> None:
    content = next(each for each in map(extract, range(50)) if resolved(each))
    report = report_on(content.replace(b"\r\nR,", b"\r\nR", 1), tmp_path)
    assert "rms" not in report.facts


def test_list_is_cut_and_the_total_is_not() -> None:
    matches = Matches()
    for number in range(MOST_LISTED + 5):
        matches.add(f"RMS{number:07d}", "HBTC003 ", "")
    facts = matches.facts()
    assert len(json.loads(facts["rms"])) == MOST_LISTED
    assert json.loads(facts["rms"])[0] == {"rms": "RMS0000000", "rule": "HBTC003", "matched": ""}
    assert facts["rms_total"] == str(MOST_LISTED + 5)


def test_rule_of_another_form_is_left_out_of_the_list() -> None:
    matches = Matches()
    matches.add("123456", "as agreed with Mr Byrne", "01/02/2026")
    assert json.loads(matches.facts()["rms"]) == [{"rms": "123456", "rule": "", "matched": "2026-02-01"}]


def test_extract_without_matches_has_no_such_facts() -> None:
    matches = Matches()
    matches.add(" ", "", "")
    assert matches.facts() == {}
