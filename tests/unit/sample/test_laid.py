"""Sample LAIDs: valid, of a lifelike size, the same for the same seed, and each defect found by its code."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest

from gateway.sample.contract import Sample, Sampler
from gateway.sample.laid import LaidSampler
from gateway.validation.pdf.validator import PdfValidator

SAMPLER = LaidSampler()


def make(seed: int, defect: str | None = None, index: int = 0) -> Sample:
    sampler: Sampler = SAMPLER
    today = date(2026, 11, 21)
    return sampler.make(
        sender="DWP", recipient="E09000030", index=index, random=random.Random(seed), today=today, defect=defect
    )


def test_documents_are_valid_and_of_lifelike_size(tmp_path: Path) -> None:
    for seed in range(25):
        sample = make(seed)
        path = tmp_path / sample.name
        path.write_bytes(sample.content)
        report = PdfValidator().validate(path)
        assert report.valid, report
        assert 4 <= int(report.facts["records"]) <= 8
        assert 20_000 <= len(sample.content) <= 200_000


@pytest.mark.parametrize("defect", sorted(SAMPLER.defects))
def test_defect_is_found_by_its_code(defect: str, tmp_path: Path) -> None:
    for seed in range(3):
        sample = make(seed, defect)
        path = tmp_path / sample.name
        path.write_bytes(sample.content)
        assert SAMPLER.defects[defect] in {finding.code for finding in PdfValidator().validate(path).findings}
        assert sample.defect == defect


@pytest.mark.parametrize("defect", [None, *sorted(SAMPLER.defects)])
def test_same_seed_makes_the_same_bytes(defect: str | None) -> None:
    assert make(7, defect) == make(7, defect)


def test_other_seed_makes_another_document() -> None:
    assert make(1).content != make(2).content


def test_unlisted_defect_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        make(1, "unheard-of")
