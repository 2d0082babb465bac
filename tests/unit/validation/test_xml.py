"""The validator of XML documents on whole claims and referrals: what it finds, where it says it is, what it never says."""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import ConfigurationInvalid, DiskFailed
from gateway.sample.claim import claim_sampler
from gateway.sample.referral import referral_sampler
from gateway.settings.resources import resource
from gateway.validation.contract import Report
from gateway.validation.government_types import rules
from gateway.validation.nino_prefixes import load_prefixes
from gateway.validation.xml.catalog import find_versions
from gateway.validation.xml.codes import XmlCode, XmlLimits
from gateway.validation.xml.rules import read_rules
from gateway.validation.xml.validator import XmlValidator
from tests.examples import examples

TODAY = date(2026, 11, 21)
SCHEMAS = resource("schemas")
CANARY = "Xylophone7Canary"
FLOWS = ("claim", "referral")


def validator(flow: str, limits: XmlLimits | None = None, root: Path = SCHEMAS) -> XmlValidator:
    return XmlValidator(root, flow, limits or XmlLimits(), allow_test_numbers=True, today=lambda: TODAY)


VALIDATORS = {flow: validator(flow) for flow in FLOWS}
KNOWN_CODES = {str(code) for code in XmlCode}


def document(flow: str, seed: int = 3) -> bytes:
    sampler = claim_sampler() if flow == "claim" else referral_sampler()
    return sampler.make(sender="DWP", recipient="4220", index=seed, random=Random(seed), today=TODAY).content


def many_claims(count: int) -> bytes:
    """One document of many claims, its counts and totals right."""
    text = document("claim", 1).decode()
    claim = re.search(r" <Claim>.*?</Claim>\n", text, re.DOTALL)
    assert claim is not None

    def multiply(found: re.Match[str]) -> str:
        value = found[2]
        product = str(int(value) * count) if "." not in value else f"{int(value.replace('.', '')) * count:03d}"
        return f"<{found[1]}>{product if '.' not in value else product[:-2] + '.' + product[-2:]}<"

    numbers = r"<((?:Part|Claim|Child|NonDependant|Income)Count|(?:Rent|Income|Capital)Total)>([0-9.]+)<"
    return re.sub(numbers, multiply, text).replace(claim[0], claim[0] * count).encode()


def assert_says_nothing_of(report: Report, secret: str) -> None:
    for finding in report.findings:
        assert secret.lower() not in f"{finding.code} {finding.where} {finding.message}".lower()
        assert finding.code in KNOWN_CODES


# -- never a value


@pytest.mark.parametrize("flow", FLOWS)
def test_no_text_of_any_element_is_ever_repeated_in_a_finding(flow: str) -> None:
    content = document(flow)
    leaves = len(re.findall(rb">[^<\s][^<]*<", content))
    for number in range(leaves):
        places = iter(range(leaves))
        spoilt = re.sub(
            rb">[^<\s][^<]*<",
            lambda found: f">{CANARY}<".encode() if next(places) == number else found[0],  # noqa: B023 - used at once
            content,
        )
        report = VALIDATORS[flow].validate_bytes(spoilt)
        assert_says_nothing_of(report, CANARY)


@pytest.mark.parametrize("flow", FLOWS)
def test_no_name_that_the_schema_lacks_is_ever_repeated_in_a_finding(flow: str) -> None:
    names = sorted(set(re.findall(r"<([A-Z][A-Za-z0-9]*)>", document(flow).decode())))
    for name in names:
        text = document(flow).decode()
        spoilt = text.replace(f"<{name}>", f"<{CANARY}>").replace(f"</{name}>", f"</{CANARY}>")
        report = VALIDATORS[flow].validate_bytes(spoilt.encode())
        assert not report.valid
        assert_says_nothing_of(report, CANARY)


@pytest.mark.parametrize(
    "markup",
    [
        f'<Trailer {CANARY}="1">',
        f'<Trailer xmlns:c="urn:{CANARY}" c:a="{CANARY}">',
        f"{CANARY}<Trailer>",
        f'<x xmlns="urn:{CANARY}">{CANARY}</x><Trailer>',
        f"<Trailer><ClaimCount>{CANARY}</ClaimCount>",
        f"<Trailer>&{CANARY};",
        f"<Trailer><{CANARY}:a/>",
        f"<!--{CANARY}--><?{CANARY}?><Trailer>",
        f"<!DOCTYPE {CANARY}><Trailer>",
        f"<Trailer></{CANARY}>",
    ],
)
def test_no_other_part_of_a_document_is_repeated_in_a_finding(markup: str) -> None:
    report = VALIDATORS["claim"].validate_bytes(document("claim").replace(b"<Trailer>", markup.encode()))
    assert not report.valid
    assert_says_nothing_of(report, CANARY)


@given(st.binary(max_size=400))
@examples(200)
def test_whatever_bytes_a_file_holds_the_answer_is_a_finding(content: bytes) -> None:
    report = VALIDATORS["claim"].validate_bytes(content)
    assert not report.valid
    assert report.facts == {}


@given(st.integers(min_value=0, max_value=2000), st.binary(min_size=1, max_size=4))
@examples(150)
def test_damaged_document_raises_nothing(position: int, noise: bytes) -> None:
    content = document("referral")
    report = VALIDATORS["referral"].validate_bytes(content[:position] + noise + content[position + len(noise) :])
    assert report.total >= len(report.findings)


# -- where and what


def test_finding_names_line_record_path_and_rule() -> None:
    content = many_claims(3)
    second = content.index(b"<Claimant>", content.index(b"<Claimant>") + 1)
    at = content.index(b"<DateOfBirth>", second)
    spoilt = content[:at] + b"<DateOfBirth>1961-02-30" + content[content.index(b"</DateOfBirth>", at) :]
    report = VALIDATORS["claim"].validate_bytes(spoilt)
    line = content[:at].count(b"\n") + 1
    assert [(f.code, f.where, f.message) for f in report.findings] == [
        ("date", f"line {line}, Claim[2]/Claimant/DateOfBirth", "DateOfBirth: not a date that exists."),
    ]


def test_record_number_is_right_though_earlier_records_were_cut_away() -> None:
    content = many_claims(40)
    parts = content.split(b"<ClaimReason>")
    parts[37] = (
        parts[37].split(b"\n", 1)[0].replace(parts[37].split(b"</", 1)[0], b"") + b"\n" + parts[37].split(b"\n", 1)[1]
    )
    spoilt = b"<ClaimReason>".join(parts).replace(b"</Declaration>", b"<Extra/></Declaration>", 1)
    report = VALIDATORS["claim"].validate_bytes(spoilt)
    assert {f.where.split(", ")[1].split("/")[0] for f in report.findings} == {"Claim[1]", "Claim[37]"}


def test_missing_element_is_named() -> None:
    spoilt = re.sub(rb" *<DateOfClaim>[^<]*</DateOfClaim>\n", b"", document("claim"))
    report = VALIDATORS["claim"].validate_bytes(spoilt)
    assert [f.code for f in report.findings] == ["xml-element-missing"]
    assert report.findings[0].message == "LinkedBenefit: DateOfClaim is missing before it."


def test_element_in_the_wrong_place_is_not_called_missing() -> None:
    spoilt = re.sub(
        rb"( *<DateOfClaim>[^<]*</DateOfClaim>\n)( *<LinkedBenefit>[^<]*</LinkedBenefit>\n)",
        rb"\2\1",
        document("claim"),
    )
    report = VALIDATORS["claim"].validate_bytes(spoilt)
    assert report.findings[0].code == "xml-element-unexpected"
    assert report.findings[0].message == "LinkedBenefit: not allowed before DateOfClaim."


def test_explanation_quotes_the_schema() -> None:
    spoilt = re.sub(rb"<OfficeCode>[^<]*<", b"<OfficeCode>?<", document("claim"))
    report = VALIDATORS["claim"].validate_bytes(spoilt)
    assert "It should be: An office of the Department, digits and capitals" in report.findings[0].message


def test_findings_stop_at_the_limit_and_the_total_does_not() -> None:
    content = many_claims(400)
    spoilt = re.sub(rb"<Nino>QQ", b"<Nino>BG", content)
    report = VALIDATORS["claim"].validate_bytes(spoilt)
    assert len(report.findings) == 50
    assert report.total == spoilt.count(b"<Nino>BG")


def test_total_counts_the_schema_failures_of_every_record() -> None:
    spoilt = re.sub(rb"<Band>[A-I]<", b"<Sort>A<", many_claims(120)).replace(b"</Band>", b"</Sort>")
    report = VALIDATORS["claim"].validate_bytes(spoilt)
    assert len(report.findings) == 50
    assert report.total == 120
    assert {f.code for f in report.findings} == {"xml-element-unexpected"}


def test_findings_come_in_the_order_of_the_document() -> None:
    spoilt = document("claim").replace(b"<Band>", b"<Bnd>").replace(b"</Band>", b"</Bnd>")
    spoilt = re.sub(rb"<(ClaimCount|DateOfClaim)>[^<]*<", rb"<\1>x<", spoilt)
    lines = [
        int(f.where.split(",")[0].removeprefix("line ")) for f in VALIDATORS["claim"].validate_bytes(spoilt).findings
    ]
    assert len(lines) >= 3
    assert lines == sorted(lines)


def test_element_that_is_wrong_twice_over_is_found_once() -> None:
    spoilt = re.sub(rb"<Nino>[^<]*<", b"<Nino>x<", document("claim"), count=1)
    assert VALIDATORS["claim"].validate_bytes(spoilt).total == 1


# -- what a site decides


def test_test_numbers_are_refused_unless_the_site_allows_them() -> None:
    strict = XmlValidator(SCHEMAS, "claim", today=lambda: TODAY)
    assert {finding.code for finding in strict.validate_bytes(document("claim")).findings} == {"nino"}


def test_day_passes_and_the_checks_with_it() -> None:
    days = iter([date(2026, 11, 1), TODAY])
    moving = XmlValidator(SCHEMAS, "claim", allow_test_numbers=True, today=lambda: next(days))
    assert "date" in {finding.code for finding in moving.validate_bytes(document("claim")).findings}
    assert moving.validate_bytes(document("claim")).valid


# -- limits, in time


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (XmlLimits(size=1000), "xml-too-large"),
        (XmlLimits(nodes=10), "xml-too-many-nodes"),
        (XmlLimits(depth=2), "xml-too-deep"),
        (XmlLimits(text=5), "xml-text-too-long"),
        (XmlLimits(run=20), "xml-text-too-long"),
    ],
)
def test_each_limit_holds(limits: XmlLimits, code: str) -> None:
    assert [f.code for f in validator("claim", limits).validate_bytes(document("claim")).findings] == [code]


EXHAUSTING: Final[dict[str, Callable[[], bytes]]] = {
    "attributes": lambda: b"<a" + b"".join(b' a%d=""' % n for n in range(200_000)) + b"/>",
    "nodes": lambda: b'<Claims xmlns="urn:gateway:claim:1.0">' + b"<Header/>" + b"<Claim/>" * 900_000 + b"</Claims>",
    "records": lambda: b'<Claims xmlns="urn:gateway:claim:1.0"><Header/>' + b"<Claim/>" * 450_000 + b"</Claims>",
    "wrong-values": lambda: (
        b'<Claims xmlns="urn:gateway:claim:1.0"><Header/>' + b"<Claim><Nino>x</Nino></Claim>" * 200_000 + b"</Claims>"
    ),
    "children": lambda: (
        b'<Claims xmlns="urn:gateway:claim:1.0"><Claim>' + b"<Income/>" * 300_000 + b"</Claim></Claims>"
    ),
    "values": lambda: b'<Claims xmlns="urn:gateway:claim:1.0">' + b"<Nino/>" * 300_000 + b"</Claims>",
    "depth": lambda: b"<a>" * 1_000_000,
    "references": lambda: b"<a>" + b"&amp;" * 1_000_000,
    "sections": lambda: b"<a>" + b"<![CDATA[x]]>" * 500_000 + b"</a>",
}
"""Each is made when it is tried: together they are larger than all the rest of the tests' memory."""


@pytest.mark.parametrize("made", EXHAUSTING.values(), ids=EXHAUSTING)
def test_document_made_to_exhaust_costs_no_more_than_an_honest_one_by_the_byte(made: Callable[[], bytes]) -> None:
    """The dearest of these takes 6 to 9 times as long a byte; what grows faster than the document would take thousands."""

    def seconds_a_byte(document: bytes, *, valid: bool) -> float:
        start = time.process_time()
        assert VALIDATORS["claim"].validate_bytes(document).valid is valid
        return (time.process_time() - start) / len(document)

    assert seconds_a_byte(made(), valid=False) < 20 * seconds_a_byte(many_claims(300), valid=True)


def test_nothing_is_fetched_and_no_other_file_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    location = (
        b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd" '
    )
    content = document("claim").replace(b'xmlns="', location + b'xmlns="', 1)
    assert VALIDATORS["claim"].validate_bytes(content).valid
    assert not VALIDATORS["claim"].validate_bytes(content.replace(b"<Band>", b"<Bond>")).valid


def test_large_document_is_checked_whole_part_by_part() -> None:
    content = many_claims(300)
    assert VALIDATORS["claim"].validate_bytes(content).facts["records"] == "300"
    last = content.rindex(b"<Band>")
    report = VALIDATORS["claim"].validate_bytes(content[:last] + content[last:].replace(b"Band>", b"Bond>"))
    assert [f.where.split(", ")[1].split("/")[0] for f in report.findings] == ["Claim[300]"]


def test_fault_outside_the_records_is_told_once_though_every_part_has_it() -> None:
    report = VALIDATORS["claim"].validate_bytes(many_claims(300).replace(b"<Source>", b"<Bond/><Source>"))
    assert [f.code for f in report.findings] == ["xml-element-unexpected"]
    assert report.total == 1


def test_records_on_both_sides_of_another_element_are_found() -> None:
    content = many_claims(300)
    trailer = re.search(rb" <Trailer>.*</Trailer>\n", content, re.DOTALL)
    assert trailer is not None
    at = content.rindex(b" <Claim>")
    moved = content.replace(trailer[0], b"")
    report = VALIDATORS["claim"].validate_bytes(moved[:at] + trailer[0] + moved[at:])
    assert [f.code for f in report.findings] == ["xml-element-unexpected"]


def test_unreadable_file_is_this_sites_fault(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed):
        VALIDATORS["claim"].validate(tmp_path / "absent.xml")


# -- schemas


@pytest.mark.parametrize("flow", FLOWS)
def test_schema_in_one_piece_says_the_same_as_the_schema_with_its_include(flow: str) -> None:
    plain = etree.XMLSchema(file=str(SCHEMAS / flow / "1.0" / f"{flow}.xsd"))
    for seed in range(20):
        content = document(flow, seed)
        assert plain.validate(etree.fromstring(content))
        for name in (b"Gender", b"FamilyName", b"Line"):
            spoilt = content.replace(b"<%b>" % name, b"<%b> " % name + b"x" * 80, 1)
            assert plain.validate(etree.fromstring(spoilt)) == VALIDATORS[flow].validate_bytes(spoilt).valid


@pytest.mark.parametrize("flow", FLOWS)
def test_every_element_and_type_is_documented(flow: str) -> None:
    xsd = "{http://www.w3.org/2001/XMLSchema}"
    source = next(iter(find_versions(SCHEMAS, flow).values()))
    for kind in ("element", "complexType", "simpleType", "group"):
        for node in source.root.iter(f"{xsd}{kind}"):
            if node.get("name"):
                assert (node.findtext(f"{xsd}annotation/{xsd}documentation") or "").strip(), node.get("name")


@pytest.mark.parametrize("flow", FLOWS)
def test_every_government_type_in_use_is_checked_in_python_too(flow: str) -> None:
    ruleset = read_rules(next(iter(find_versions(SCHEMAS, flow).values())))
    checks = ruleset.bind(rules(today=TODAY, prefixes=load_prefixes(SCHEMAS).in_flow(flow, allow_test_numbers=True)))
    for tag, simple_type in ruleset.types.items():
        if re.search("Nino|Date|Money|Postcode|Timestamp|AuthorityCode", simple_type) or simple_type in ruleset.codes:
            assert tag in checks


def test_two_versions_of_a_flow_stand_side_by_side(tmp_path: Path) -> None:
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    later = tmp_path / "schemas" / "claim" / "2.0" / "claim.xsd"
    later.parent.mkdir()
    text = (SCHEMAS / "claim" / "1.0" / "claim.xsd").read_text("utf-8")
    later.write_text(
        text.replace("urn:gateway:claim:1.0", "urn:gateway:claim:2.0").replace("PartCount", "Parts"), "utf-8"
    )
    both = validator("claim", root=tmp_path / "schemas")
    first = document("claim")
    second = first.replace(b"claim:1.0", b"claim:2.0").replace(b"PartCount", b"Parts")
    assert both.validate_bytes(first).schema == "claim/1.0"
    assert both.validate_bytes(first).valid
    assert both.validate_bytes(second).schema == "claim/2.0"
    assert both.validate_bytes(second).valid
    assert not both.validate_bytes(first.replace(b"claim:1.0", b"claim:2.0")).valid


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("../../types/1.0/govtalk-types.xsd", "../../../../elsewhere.xsd"),
        ("../../types/1.0/govtalk-types.xsd", "absent.xsd"),
        ("../../types/1.0/govtalk-types.xsd", "http://127.0.0.1:9/types.xsd"),
        ('targetNamespace="urn:gateway:claim:1.0"', ""),
        ('targetNamespace="urn:gateway:claim:1.0"', 'targetNamespace="urn:other"'),
        ('type="MoneyType"', 'type="NoSuchType"'),
        ('rule:sums element="RentAmount"', 'rule:sums element="NoSuchElement"'),
        ("<rule:record/>", "<rule:unheard-of/>"),
        ("</xs:schema>", ""),
        ('name="ClaimCount" type="CountType"', 'name="Band" type="CountType"'),
    ],
)
def test_schema_that_cannot_be_used_is_a_fault_of_the_site(tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    (tmp_path / "elsewhere.xsd").write_text("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'/>")
    path = tmp_path / "schemas" / "claim" / "1.0" / "claim.xsd"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationInvalid):
        validator("claim", root=tmp_path / "schemas")


def test_flow_without_a_schema_is_a_fault_of_the_site(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        validator("claim", root=tmp_path)
