"""The pages about XML formats say what is so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from gateway.sample.claim import ClaimSampler
from gateway.sample.contract import Sampler
from gateway.sample.referral import ReferralSampler
from gateway.settings.resources import resource
from gateway.validation.xml import XmlValidator

FORMATS = Path(__file__).resolve().parents[3] / "docs" / "formats"


@pytest.mark.parametrize("flow", ["claim", "referral"])
def test_example_is_valid(flow: str) -> None:
    example = re.search(r"```xml\n(.*?)```", (FORMATS / f"{flow}.md").read_text("utf-8"), re.DOTALL)
    assert example is not None
    validator = XmlValidator(resource("schemas"), flow, allow_test_numbers=True, today=lambda: date(2026, 11, 21))
    assert validator.validate_bytes(example[1].encode()).findings == ()


@pytest.mark.parametrize("sampler", [ClaimSampler(), ReferralSampler()])
def test_every_code_that_a_defect_gets_is_listed(sampler: Sampler) -> None:
    page = (FORMATS / "claim.md").read_text("utf-8")
    assert not [code for code in sampler.defects.values() if f"`{code}`" not in page]
