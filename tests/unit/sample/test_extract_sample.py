"""Sample extracts: valid in both variants, with every record type, the same for the same seed, each defect found."""

from __future__ import annotations

import io
import random
import re
from datetime import date
from pathlib import Path

import pytest

from gateway.sample.contract import Sample, Sampler
from gateway.sample.extract import LEAST_ROWS, ExtractSampler, reference_date
from gateway.validation.contract import Report
from gateway.validation.extract.layout import RECORD_TYPES
from gateway.validation.extract.validator import ExtractValidator

SCHEMAS = Path(__file__).parents[3] / "schemas"
TODAY = date(2026, 11, 21)
SAMPLER = ExtractSampler(SCHEMAS)
VALIDATOR = ExtractValidator(SCHEMAS, allow_test_numbers=True)


def make(seed: int, defect: str | None = None, sampler: Sampler = SAMPLER) -> Sample:
    return sampler.make(
        sender="E09000030", recipient="DWP", index=3, random=random.Random(seed), today=TODAY, defect=defect
    )


def checked(content: bytes, tmp_path: Path) -> Report:
    path = tmp_path / "extract.csv"
    path.write_bytes(content)
    return VALIDATOR.validate(path)


@pytest.mark.parametrize("columns", [314, 316])
@pytest.mark.parametrize("rows", [LEAST_ROWS, 300])
def test_extract_is_valid_and_has_every_record_type(columns: int, rows: int, tmp_path: Path) -> None:
    for seed in range(8):
        sample = make(seed, sampler=ExtractSampler(SCHEMAS, rows, columns))
        report = checked(sample.content, tmp_path)
        assert report.valid, report
        assert rows * 2 // 3 <= int(report.facts["records"]) <= rows * 4 // 3
        lines = sample.content.splitlines()
        assert {line[:1].decode() for line in lines[1:]} == set(RECORD_TYPES)
        assert {line.count(b",") for line in lines} == {columns - 1}


def test_only_specimen_numbers_and_placeholders_name_people() -> None:
    numbers = {line.split(b",")[3] for line in make(1).content.splitlines()[1:]}
    assert all(re.fullmatch(rb"QQ[0-9]{6}[A-D]|XX999[0-9]{3}A|", number) for number in numbers)


@pytest.mark.parametrize("columns", [314, 316])
@pytest.mark.parametrize("defect", sorted(SAMPLER.defects))
def test_defect_is_found_by_its_code(defect: str, columns: int, tmp_path: Path) -> None:
    for seed in range(3):
        sample = make(seed, defect, ExtractSampler(SCHEMAS, columns=columns))
        assert SAMPLER.defects[defect] in {finding.code for finding in checked(sample.content, tmp_path).findings}


def test_same_seed_makes_the_same_bytes() -> None:
    assert make(7) == make(7)
    assert make(7).content != make(8).content


def test_name_is_as_such_files_are_seen_to_have() -> None:
    assert re.fullmatch(r"hbE09000030_SHBE_[0-9]{6}[a-k] November 2026\.csv", make(1).name)


def test_streamed_extract_has_exactly_the_rows_asked_for(tmp_path: Path) -> None:
    out = io.BytesIO()
    size = SAMPLER.write(out, 5_000, random=random.Random(1), today=TODAY)
    report = checked(out.getvalue(), tmp_path)
    assert (report.valid, report.facts["records"], size) == (True, "5000", len(out.getvalue()))


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        ExtractSampler(SCHEMAS, rows=5)


def test_unlisted_defect_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        make(1, "unheard-of")


@pytest.mark.parametrize(
    ("today", "second_thursday"),
    [
        (date(2013, 5, 1), date(2013, 5, 9)),
        (date(2026, 11, 30), date(2026, 11, 12)),
        (date(2026, 10, 1), date(2026, 10, 8)),
    ],
)
def test_reference_date_is_the_second_thursday(today: date, second_thursday: date) -> None:
    assert reference_date(today) == second_thursday
