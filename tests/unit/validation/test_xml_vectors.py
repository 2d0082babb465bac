from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest

from gateway.settings.resources import resource
from gateway.validation.xml.validator import XmlValidator

HERE = Path(__file__).resolve().parents[2] / "vectors"
VECTORS = [path for directory in ("xml", "etd") for path in sorted((HERE / directory).glob("*--*.xml"))]
VALIDATORS = {
    directory: XmlValidator(resource("schemas"), flow, allow_test_numbers=True, today=lambda: date(2026, 11, 21))
    for directory, flow in (("xml", "referral"), ("etd", "etd"))
}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_vector_gets_the_finding_that_it_names_and_quickly(vector: Path) -> None:
    expected = vector.name.split("--", 1)[0]
    start = time.process_time()
    report = VALIDATORS[vector.parent.name].validate(vector)
    assert time.process_time() - start < 2.0
    codes = {finding.code for finding in report.findings}
    assert expected in (codes or {"none"})
    assert report.valid == (expected == "none")


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 100
