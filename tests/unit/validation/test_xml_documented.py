"""The pages about XML formats say what is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from lxml import etree

from gateway.sample.claim import claim_sampler
from gateway.sample.contract import Sampler
from gateway.sample.referral import referral_sampler
from gateway.settings.resources import resource
from gateway.validation.xml import rules
from gateway.validation.xml.catalog import XSD, find_versions
from gateway.validation.xml.validator import XmlValidator

FORMATS = Path(__file__).resolve().parents[3] / "docs" / "formats"


@pytest.mark.parametrize("flow", ["claim", "referral"])
def test_example_is_valid(flow: str) -> None:
    example = re.search(r"```xml\n(.*?)```", (FORMATS / f"{flow}.md").read_text("utf-8"), re.DOTALL)
    assert example is not None
    validator = XmlValidator(resource("schemas"), flow, allow_test_numbers=True, today=lambda: date(2026, 11, 21))
    assert validator.validate_bytes(example[1].encode()).findings == ()


@pytest.mark.parametrize("sampler", [claim_sampler(), referral_sampler()])
def test_every_code_that_a_defect_gets_is_listed(sampler: Sampler) -> None:
    page = (FORMATS / "claim.md").read_text("utf-8")
    assert not [code for code in sampler.defects.values() if f"`{code}`" not in page]


def test_every_rule_that_a_schema_may_have_is_named() -> None:
    known = set(re.findall(r"<rule:([a-z-]+)", rules.__doc__ or ""))
    used = {
        etree.QName(rule).localname
        for path in resource("schemas").glob("*/*/*.xsd")
        for rule in etree.parse(str(path)).iter("{urn:gateway:rules:1.0}*")
    }
    named = set(re.findall(r"<rule:([a-z-]+)", (FORMATS / "claim.md").read_text("utf-8")))
    assert used <= known == named


def _words(root: etree._Element) -> Iterator[str]:
    """The names of a schema's elements, and its codes."""
    yield from (element.get("name", "") for element in root.iter(f"{XSD}element"))
    yield from (code.get("value", "") for code in root.iter(f"{XSD}enumeration"))


def test_whatever_a_later_version_of_notices_adds_is_on_the_page() -> None:
    versions = {source.name: set(_words(source.root)) for source in find_versions(resource("schemas"), "etd").values()}
    page = (FORMATS / "etd.md").read_text("utf-8")
    added = versions["etd/1.1"] - versions["etd/1.0"]
    assert len(added) > 60
    assert sorted(word for word in added if f"`{word}`" not in page) == []
    assert versions["etd/1.0"] <= versions["etd/1.1"]


def test_page_of_notices_says_of_each_rule_whose_it_is() -> None:
    section = (
        (FORMATS / "etd.md").read_text("utf-8").split("## The rules, and whose they are", 1)[1].partition("\n## ")[0]
    )
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"\bours\b|\bpublished\b", row[-2])] == []
