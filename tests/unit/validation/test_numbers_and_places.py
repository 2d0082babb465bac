"""Numbers and places in XML: what passes in which flow, and that what is written otherwise is told once, in words."""

from __future__ import annotations

import random
import re
from datetime import date
from pathlib import Path

import pytest

from gateway.sample.catalog import samplers
from gateway.validation.xml.validator import XmlValidator

SCHEMAS = Path(__file__).parents[3] / "schemas"
TODAY = date(2026, 11, 21)
FLOWS = ("claim", "etd", "referral", "scan", "outcome")
DOCUMENTS = {
    sampler.flow: sampler.make(
        sender="E09000030" if sampler.flow == "outcome" else "DWP",
        recipient="DWP" if sampler.flow == "outcome" else "E09000030",
        index=1,
        random=random.Random(5),
        today=TODAY,
    ).content.decode()
    for sampler in samplers().values()
    if sampler.flow in FLOWS
}
VALIDATORS = {flow: XmlValidator(SCHEMAS, flow, allow_test_numbers=True, today=lambda: TODAY) for flow in FLOWS}


def found(flow: str, element: str, value: str) -> list[str]:
    """The codes of what is found when the first such element of a right document holds `value`."""
    document, times = re.subn(f"(<{element}>)[^<]*", lambda match: match[1] + value, DOCUMENTS[flow], count=1)
    assert times == 1
    report = VALIDATORS[flow].validate_bytes(document.encode())
    assert report.total == len(report.findings)
    assert all(element in finding.where for finding in report.findings)
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("AB123456C", []),
        ("AB123456 ", []),
        ("PP123456A", []),
        ("AB123456", ["nino-no-suffix"]),
        ("MW123456A", ["nino-administrative"]),
        ("PZ123456", ["nino-administrative"]),
        ("KN123456A", ["nino"]),
        ("PP999999P", ["nino"]),
        ("ab123456c", ["nino"]),
    ],
)
def test_number_is_judged_alike_in_every_flow(flow: str, number: str, expected: list[str]) -> None:
    assert found(flow, "Nino", number) == expected


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        ("claim", []),
        ("etd", []),
        ("referral", ["nino-temporary"]),
        ("scan", ["nino-temporary"]),
        ("outcome", ["nino-temporary"]),
    ],
)
def test_temporary_number_of_tax_credits_passes_where_benefits_use_it(flow: str, expected: list[str]) -> None:
    assert found(flow, "Nino", "OO123456A") == expected


@pytest.mark.parametrize(
    ("postcode", "expected"),
    [
        ("SW1A 1AA", []),
        ("ZZ99 3VZ", []),
        ("ZZ99 6CZ", []),
        ("BFPO 15", []),
        ("BF1 0AA", []),
        ("SW1A1AA", ["postcode-space"]),
        ("SW1A  1AA", ["postcode-space"]),
        ("BFPO15", ["postcode-space"]),
        ("sw1a 1aa", ["postcode-case"]),
        ("sw1a1aa", ["postcode-space"]),
        ("SW1A 1AV", ["postcode"]),
        ("BFPO 012", ["postcode"]),
        ("SW1A\u00a01AA", ["postcode"]),
    ],
)
def test_postcode_is_known_or_told_once_as_what_it_is(postcode: str, expected: list[str]) -> None:
    assert found("claim", "Postcode", postcode) == expected


def test_schema_itself_takes_what_is_right_and_nothing_that_is_written_otherwise() -> None:
    """The schemas stay strict: what the gateway lets travel as an exception still fails them at whoever checks again."""
    pattern = re.compile(
        "|".join(
            re.findall(
                r'pattern value="([^"]+)"',
                (SCHEMAS / "types/1.0/govtalk-types.xsd")
                .read_text("utf-8")
                .partition('name="PostcodeType"')[2]
                .partition("</xs:simpleType>")[0],
            )
        )
    )
    for right in ("SW1A 1AA", "ZZ99 3VZ", "BFPO 15"):
        assert pattern.fullmatch(right)
    for otherwise in ("SW1A1AA", "sw1a 1aa", "BFPO15", "SW1A  1AA"):
        assert not pattern.fullmatch(otherwise)
