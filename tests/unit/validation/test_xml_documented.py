"""The pages about XML formats say what is so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from gateway.settings.resources import resource
from gateway.validation.xml import XmlValidator
from gateway.validation.xml_codes import XmlCode

FORMATS = Path(__file__).resolve().parents[3] / "docs" / "formats"


@pytest.mark.parametrize("flow", ["claim", "referral"])
def test_example_is_valid(flow: str) -> None:
    example = re.search(r"```xml\n(.*?)```", (FORMATS / f"{flow}.md").read_text("utf-8"), re.DOTALL)
    assert example is not None
    validator = XmlValidator(resource("schemas"), flow, allow_test_numbers=True, today=lambda: date(2026, 11, 21))
    assert validator.validate_bytes(example[1].encode()).findings == ()


def test_every_code_is_listed() -> None:
    page = (FORMATS / "claim.md").read_text("utf-8")
    assert not [code for code in XmlCode if f"`{code}`" not in page]
