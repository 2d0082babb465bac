"""Scan results, outcomes, award notices and redirects: rules that go beyond the schema, versions, pages, time."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import cast

import pytest
from lxml import etree

from gateway.domain.characters import called
from gateway.domain.redirect import Holding
from gateway.errors import ConfigurationInvalid
from gateway.sample.catalog import samplers
from gateway.sample.contract import Sample
from gateway.sample.redirect import wrap
from gateway.settings.resources import resource
from gateway.spool.names import check_name
from gateway.validation.factory import build
from gateway.validation.government_types import rules
from gateway.validation.nino_prefixes import load_prefixes
from gateway.validation.pdf.validator import PdfValidator
from gateway.validation.plan import redirect_plan, with_authorities, xml_plan
from gateway.validation.redirect import LIMITS, RedirectValidator, unwrap
from gateway.validation.xml.agreement import MOST_LISTED
from gateway.validation.xml.catalog import find_versions
from gateway.validation.xml.codes import XmlLimits
from gateway.validation.xml.rules import read_rules
from gateway.validation.xml.validator import XmlValidator

TODAY = date(2026, 11, 21)
SCHEMAS = resource("schemas")
FORMATS = Path(__file__).resolve().parents[3] / "docs" / "formats"
FLOWS = ("scan", "outcome", "etd", "redirect", "enquiry", "reply", "faults")
SAMPLERS = samplers()
CANARY = "Xylophone7Canary"
FIRST, SECOND = "019aa049-7c00-7d02-8a5e-3b1f0c9d2e71", "019aa049-7c00-7d02-8a5e-3b1f0c9d2e72"
HOLDER, RIGHT, SUCCESSOR = "E07000223", "E09000030", "E08000004"


def xml(flow: str, limits: XmlLimits = LIMITS) -> XmlValidator:
    return XmlValidator(SCHEMAS, flow, limits, allow_test_numbers=True, today=lambda: TODAY)


VALIDATORS = {flow: xml(flow) for flow in (*FLOWS, "referral")}
REDIRECTS = RedirectValidator(
    VALIDATORS["redirect"], lambda flow: PdfValidator() if flow == "laid" else VALIDATORS.get(flow) or xml(flow)
)


def document(flow: str, seed: int = 3) -> bytes:
    sender, recipient = {"outcome": (HOLDER, "DWP"), "redirect": (HOLDER, RIGHT)}.get(flow, ("DWP", RIGHT))
    made = SAMPLERS[flow].make(sender=sender, recipient=recipient, index=1, random=Random(seed), today=TODAY)
    return made.content


def codes(flow: str, content: bytes) -> list[str]:
    return [finding.code for finding in VALIDATORS[flow].validate_bytes(content).findings]


# -- never a value, everything documented, every type checked


@pytest.mark.parametrize("flow", ["scan", "outcome", "etd", "enquiry", "reply", "faults"])
def test_no_text_of_any_element_is_ever_repeated_in_a_finding(flow: str) -> None:
    content = min((document(flow, seed) for seed in range(40)), key=len)
    leaves = list(re.finditer(rb">[^<\s][^<]*<", content))
    for leaf in leaves[:200]:
        spoilt = content[: leaf.start()] + f">{CANARY}<".encode() + content[leaf.end() :]
        report = VALIDATORS[flow].validate_bytes(spoilt)
        assert CANARY not in repr(report.findings)


def test_no_text_of_a_redirect_is_ever_repeated_in_a_finding() -> None:
    content = redirect()
    for leaf in re.finditer(rb">[^<\s][^<]*<", content):
        report = REDIRECTS.validate_bytes(content[: leaf.start()] + f">{CANARY}<".encode() + content[leaf.end() :])
        assert CANARY not in repr(report.findings)


@pytest.mark.parametrize("flow", FLOWS)
def test_every_element_type_and_code_of_the_flow_is_documented(flow: str) -> None:
    xsd = "{http://www.w3.org/2001/XMLSchema}"
    for path in (SCHEMAS / flow).glob(f"*/{flow}.xsd"):
        tree = etree.parse(str(path))
        for kind in ("element", "complexType", "simpleType", "enumeration"):
            for node in tree.iter(f"{xsd}{kind}"):
                if node.get("name") or node.get("value"):
                    assert (node.findtext(f"{xsd}annotation/{xsd}documentation") or "").strip(), dict(node.attrib)


@pytest.mark.parametrize("flow", FLOWS)
def test_every_government_type_in_use_is_checked_in_python_too(flow: str) -> None:
    kinds = "Nino|Date|Money|Count|Postcode|Timestamp|AuthorityCode|Rms|RuleId|SiteCode|TransferId|Sha256|Size"
    kinds += "|EnquiryReference|FaultId|NoticeText"
    for source in find_versions(SCHEMAS, flow).values():
        ruleset = read_rules(source)
        checks = ruleset.bind(
            rules(today=TODAY, prefixes=load_prefixes(SCHEMAS).in_flow(flow, allow_test_numbers=True))
        )
        for tag, simple_type in ruleset.types.items():
            if re.search(kinds, simple_type) and simple_type not in ("CountryType", "SmallCountType"):
                assert tag in checks
            if simple_type in ruleset.codes:
                assert tag in checks


@pytest.mark.parametrize("flow", FLOWS)
def test_example_on_the_flows_page_is_valid_and_the_page_says_whose_design_it_is(flow: str) -> None:
    page = (FORMATS / f"{flow}.md").read_text("utf-8")
    example = re.search(r"```xml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    validator = REDIRECTS if flow == "redirect" else VALIDATORS[flow]
    assert validator.validate_bytes(example[1].encode()).findings == ()
    assert "gateway project's own design" in page


@pytest.mark.parametrize("flow", FLOWS)
def test_codes_of_a_flows_defects_are_on_its_page_or_on_that_of_claims(flow: str) -> None:
    pages = "".join((FORMATS / f"{name}.md").read_text("utf-8") for name in (flow, "claim", "laid"))
    assert not [code for code in SAMPLERS[flow].defects.values() if f"`{code}`" not in pages]


# -- versions


def two_versions(root: Path) -> Path:
    """A tree of schemas with a version 2.0 of outcomes, in which the decision has a number."""
    shutil.copytree(SCHEMAS, root / "schemas")
    text = (SCHEMAS / "outcome" / "1.0" / "outcome.xsd").read_text("utf-8")
    number = (
        '<xs:element name="DecisionNumber" type="ReferenceType"><xs:annotation><xs:documentation>Its number.'
        "</xs:documentation><xs:appinfo><rule:unique/></xs:appinfo></xs:annotation></xs:element>\n      "
    )
    place = '<xs:element name="DecidedOn"'
    assert text.count(place) == 1
    later = root / "schemas" / "outcome" / "2.0" / "outcome.xsd"
    later.parent.mkdir()
    later.write_text(text.replace("urn:gateway:outcome:1.0", "urn:gateway:outcome:2.0").replace(place, number + place))
    return root / "schemas"


def test_namespace_picks_the_version_and_each_version_keeps_its_own_rules(tmp_path: Path) -> None:
    both = XmlValidator(two_versions(tmp_path), "outcome", allow_test_numbers=True, today=lambda: TODAY)
    first = document("outcome")
    renamed = first.replace(b"outcome:1.0", b"outcome:2.0")
    numbers = iter(range(100))
    second = re.sub(
        rb"<DecidedOn>", lambda _: b"<DecisionNumber>D%d</DecisionNumber><DecidedOn>" % next(numbers), renamed
    )
    assert (both.validate_bytes(first).schema, both.validate_bytes(first).findings) == ("outcome/1.0", ())
    assert (both.validate_bytes(second).schema, both.validate_bytes(second).findings) == ("outcome/2.0", ())
    # Neither version takes what the other asks for.
    assert {f.code for f in both.validate_bytes(renamed).findings} == {"xml-element-missing"}
    assert {f.code for f in both.validate_bytes(second.replace(b":2.0", b":1.0")).findings} == {
        "xml-element-unexpected"
    }
    # The rule of the later version holds there alone.
    same = re.sub(rb"<DecisionNumber>D\d+<", b"<DecisionNumber>D1<", second)
    assert {f.code for f in both.validate_bytes(same).findings} == {"repeated-reference"}
    unknown = both.validate_bytes(first.replace(b"outcome:1.0", b"outcome:3.0"))
    assert [f.code for f in unknown.findings] == ["xml-namespace"]


def test_plan_carries_both_versions_to_the_process_that_reads(tmp_path: Path) -> None:
    schemas = two_versions(tmp_path)
    path = tmp_path / "outcome.xml"
    path.write_bytes(document("outcome", 4))
    assert build(xml_plan(schemas, "outcome", allow_test_numbers=True)).validate(path).schema == "outcome/1.0"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('element="ComponentAmount"', 'element="NoSuchElement"'),
        ('within="AwardPeriod"', 'within="NoSuchElement"'),
        ('less="ReductionAmount"', 'less="NoSuchElement"'),
        ('element="Award/AwardPeriod/PeriodFrom"', 'element="Award/NoSuchElement/PeriodFrom"'),
        ('to="PeriodTo"', ""),
        ('from="PeriodFrom"', 'from="NoSuchElement"'),
        ('elements="PreviousAuthority InterestedAuthority"', 'elements="PreviousAuthority NoSuchElement"'),
        ('elements="PreviousAuthority InterestedAuthority"', ""),
        ("rule:parties", "rule:partners"),
    ],
)
def test_rule_about_an_element_that_is_none_is_a_fault_of_the_site(tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    path = tmp_path / "schemas" / "etd" / "1.1" / "etd.xsd"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationInvalid):
        XmlValidator(tmp_path / "schemas", "etd")


# -- values against each other


def test_sum_within_a_period_is_that_periods_own() -> None:
    content = document("etd")
    amount = re.search(rb"<AwardAmount>([0-9.]+)<", content)
    assert amount is not None
    pence = int(amount[1].replace(b".", b"")) + 1
    spoilt = content.replace(amount[0], b"<AwardAmount>%d.%02d<" % divmod(pence, 100), 1)
    report = VALIDATORS["etd"].validate_bytes(spoilt)
    messages = [(f.where.split("/")[-1], f.message) for f in report.findings]
    told = (
        "AwardAmount: not the sum of every ComponentAmount less that of every ReductionAmount in the same AwardPeriod."
    )
    assert ("AwardAmount", told) in messages
    assert [f.code for f in report.findings] == ["total-mismatch", "total-mismatch"]


def test_reference_used_again_is_found_where_it_is_used_again() -> None:
    content = document("scan")
    first, second = re.findall(rb"<RmsNumber>[^<]*<", content)[:2]
    report = VALIDATORS["scan"].validate_bytes(content.replace(second, first))
    assert [(f.code, f.where.partition(", ")[2]) for f in report.findings] == [
        ("repeated-reference", "Result[2]/RmsNumber")
    ]


def test_lists_of_facts_are_cut_and_their_totals_are_not() -> None:
    result = re.search(rb" <Result>.*?</Result>\n", document("scan"), re.DOTALL)
    assert result is not None
    count = MOST_LISTED + 7
    weekly = re.findall(rb"<WeeklyDifference>([0-9.]+)<", result[0])
    pence = sum(int(amount.replace(b".", b"")) for amount in weekly) * count
    records = b"".join(re.sub(rb"<RmsNumber>[^<]*<", b"<RmsNumber>%09d<" % n, result[0]) for n in range(count))
    text = re.sub(rb"( <Result>.*</Result>\n)", lambda _: records, document("scan"), flags=re.DOTALL)
    text = re.sub(rb"<(ResultCount|RecordCount)>\d+<", rb"<\g<1>>%d<" % count, text)
    text = re.sub(
        rb"<DiscrepancyCount>\d+<", b"<DiscrepancyCount>%d<" % (count * result[0].count(b"<Discrepancy>")), text
    )
    text = re.sub(rb"<WeeklyTotal>[^<]*<", b"<WeeklyTotal>%d.%02d<" % divmod(pence, 100), text)
    report = VALIDATORS["scan"].validate_bytes(text)
    assert report.findings == ()
    assert len(json.loads(report.facts["rms"])) == len(json.loads(report.facts["reply_by"])) == MOST_LISTED
    assert report.facts["rms_total"] == report.facts["records"] == str(count)


def test_document_that_is_wrong_tells_no_facts() -> None:
    assert (
        VALIDATORS["outcome"].validate_bytes(document("outcome").replace(b"<RecordCount>", b"<RecordCount>9")).facts
        == {}
    )


@pytest.mark.parametrize("number", ["QQ123456", "AB123456", "12345", "RMS1234567890123", "rms123456", "123456A"])
def test_reference_that_might_be_a_persons_number_is_no_rms_number(number: str) -> None:
    spoilt = re.sub(rb"<RmsNumber>[^<]*<", f"<RmsNumber>{number}<".encode(), document("outcome"), count=1)
    assert codes("outcome", spoilt) == ["code"]


@pytest.mark.parametrize(
    ("flow", "body"),
    [
        ("etd", "<AwardPeriod>" + "<AwardAmount>1.00</AwardAmount>" * 150_000 + "</AwardPeriod>"),
        ("etd", "<AwardPeriod>" * 20 + "<AwardAmount>1.00</AwardAmount>" * 9_000 + "</AwardPeriod>" * 20),
        ("etd", "<AwardTotal>1.00</AwardTotal>" * 200_000),
        ("outcome", "<Outcome>" + "<DecidedOn>2026-01-01</DecidedOn>" * 200_000 + "</Outcome>"),
        ("outcome", "<Outcome><RmsNumber>123456</RmsNumber></Outcome>" * 100_000),
        ("redirect", "<Part>AAAA</Part>" * 300_000),
        ("enquiry", "<Attachment><AttachmentName>a.pdf</AttachmentName></Attachment>" * 100_000),
        ("faults", "<KnownFault><FaultId>A-1</FaultId></KnownFault>" * 100_000),
    ],
    ids=["sums-within", "sums-deep", "sums", "order", "repeated", "parts", "attachments", "faults"],
)
def test_document_made_of_nothing_but_relations_is_refused_within_seconds(flow: str, body: str) -> None:
    name = {
        "etd": "Notices",
        "outcome": "Outcomes",
        "redirect": "Redirect",
        "enquiry": "Enquiry",
        "faults": "FaultBoard",
    }[flow]
    content = f'<{name} xmlns="urn:gateway:{flow}:1.0">{body}</{name}>'.encode()
    start = time.process_time()
    assert not (REDIRECTS if flow == "redirect" else xml(flow, XmlLimits())).validate_bytes(content).valid
    assert time.process_time() - start < 5.0


# -- redirects


def holding() -> Holding:
    came, went = TODAY - timedelta(days=4), TODAY - timedelta(days=1)
    return Holding(HOLDER, "DWP", FIRST, came, "no", "moved", went, RIGHT)


def next_holding() -> Holding:
    return Holding(RIGHT, HOLDER, SECOND, TODAY - timedelta(days=1), "no", "other", TODAY, SUCCESSOR)


def redirect(*holdings: Holding, original: Sample | None = None, flow: str = "referral") -> bytes:
    inside = original or Sample("referrals-1.xml", min((document("referral", n) for n in range(20)), key=len), None)
    return wrap(inside, flow, holdings or (holding(),), Random(1), TODAY).encode()


def test_redirect_tells_the_original_and_who_held_it_last() -> None:
    report = REDIRECTS.validate_bytes(redirect(holding(), next_holding()))
    assert report.findings == ()
    assert report.facts["held_by"] == RIGHT
    assert report.facts["authority"] == SUCCESSOR
    assert report.facts["original_flow"] == "referral"
    assert report.facts["original_transfer"] == FIRST
    assert re.fullmatch("[0-9a-f]{64}", report.facts["original_sha256"])
    assert not {"rms", "rule"} & set(report.facts)


@pytest.mark.parametrize(
    "name",
    ["LAID [1].xml", "O’Neil – Jones & Co <2>.xml", "申請.xml", " {GUID}%.xml ", "e\u0301\u00a0\u200d.xml", "n" * 255],
)
def test_original_of_any_name_that_is_carried_comes_out_under_it(name: str) -> None:
    check_name(name)
    inside = Sample(name, min((document("referral", n) for n in range(20)), key=len), None)
    content = redirect(original=inside)
    assert REDIRECTS.validate_bytes(content).findings == ()
    assert unwrap(content)[1].name == name


@pytest.mark.parametrize(
    "name", [".x.xml", "a\\b.xml", "a\u202eb.xml", "a\u2028b.xml", "a\x85b", "a\ufdd0b", "n" * 256]
)
def test_original_of_a_name_that_is_not_carried_is_refused_and_the_character_named(name: str) -> None:
    report = REDIRECTS.validate_bytes(redirect(original=Sample(name, document("referral", 1), None)))
    (finding,) = report.findings
    assert (finding.code, finding.where.rpartition("/")[2]) == ("xml-value", "OriginalName")
    strange = next((each for each in name if each not in "nabxml."), None)
    assert strange is None or called(strange) in finding.message


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda one, two: (replace(one, received_from=SUCCESSOR), two), "Holding[1]/ReceivedFrom"),
        (lambda one, two: (one, replace(two, received_from="DWP")), "Holding[2]/ReceivedFrom"),
        (lambda one, two: (one, replace(two, holder=HOLDER)), "Holding[2]/Holder"),
        (lambda one, two: (one, replace(two, holder=SUCCESSOR)), "Holding[2]/PassedTo"),
        (lambda one, two: (replace(one, passed_to=HOLDER), two), "Holding[1]/PassedTo"),
    ],
)
def test_history_with_a_gap_is_found_where_the_gap_is(
    change: Callable[[Holding, Holding], tuple[Holding, Holding]], place: str
) -> None:
    report = REDIRECTS.validate_bytes(redirect(*change(holding(), next_holding())))
    assert {f.code for f in report.findings} == {"history-broken"}
    assert any(f.where.endswith(f"History/{place}") for f in report.findings)


def test_history_may_name_an_authority_by_either_of_its_codes() -> None:
    one, two = holding(), next_holding()
    one, two = replace(one, holder="3805", passed_to="5900"), replace(two, received_from=HOLDER, passed_to="4220")
    assert REDIRECTS.validate_bytes(redirect(one, two)).valid
    back = replace(two, passed_to="5900")
    (finding,) = REDIRECTS.validate_bytes(redirect(one, back)).findings
    assert (finding.code, finding.where.rpartition(" ")[2]) == ("history-broken", "History/Holding[2]/PassedTo")


def test_history_may_lead_from_a_merged_authority_to_its_successor() -> None:
    """Allerdale's site passes a late claim on to Cumberland's, and Cumberland's says of whom it had it by the code of old."""
    one = replace(holding(), holder="E07000026", passed_to="E06000063", reason="authority-replaced")
    assert REDIRECTS.validate_bytes(redirect(one)).valid
    two = replace(next_holding(), holder="0940", received_from="0905", passed_to=SUCCESSOR)
    assert REDIRECTS.validate_bytes(redirect(one, two)).valid


def test_history_follows_the_rows_that_a_site_has_added() -> None:
    added = (
        "ons\tbilling\tname\tfrom\tuntil\tsuccessor\n"
        "E07000223\t3805\tAdur\t\t2020-03-31\tE06000901\nE06000901\t9801\tNew Borough\t2020-04-01\t\t\n"
    )
    content = redirect(replace(holding(), holder="9801"), next_holding())
    plan = with_authorities(redirect_plan(SCHEMAS, allow_test_numbers=True), added)
    assert cast("RedirectValidator", build(plan)).validate_bytes(content).valid
    assert not REDIRECTS.validate_bytes(content).valid


def test_history_must_end_with_the_authority_that_the_document_is_for() -> None:
    spoilt = re.sub(rb"<AuthorityCode>[^<]*<", f"<AuthorityCode>{SUCCESSOR}<".encode(), redirect())
    assert [f.code for f in REDIRECTS.validate_bytes(spoilt).findings] == ["history-broken"]


def test_history_must_begin_with_the_originals_first_transfer() -> None:
    spoilt = re.sub(rb"<OriginalTransfer>[^<]*<", f"<OriginalTransfer>{SECOND}<".encode(), redirect())
    assert [f.code for f in REDIRECTS.validate_bytes(spoilt).findings] == ["history-broken"]


def test_parts_out_of_order_are_found_though_their_size_is_right() -> None:
    content = redirect()
    parts = re.findall(rb" <Part>[^<]*</Part>\n", content)
    assert len(parts) > 1
    turned = content.replace(parts[0] + parts[1], parts[1] + parts[0])
    findings = REDIRECTS.validate_bytes(turned).findings
    assert [(f.code, f.where) for f in findings] == [("content-altered", "Original/OriginalSha256")]


@pytest.mark.parametrize("part", ["AB", "A===", "AAAA=", "AA AA", "AA-_", "=", "AAAA AAAA"])
def test_part_that_is_no_base_64_is_refused(part: str) -> None:
    report = REDIRECTS.validate_bytes(re.sub(rb"<Part>[^<]*<", f"<Part>{part}<".encode(), redirect(), count=1))
    assert not report.valid
    assert {f.code for f in report.findings} <= {"xml-value", "xml-schema", "content-altered"}


def test_original_that_breaks_its_own_rules_is_refused_and_the_place_is_inside() -> None:
    inside = document("referral").replace(b"<DateOfBirth>19", b"<DateOfBirth>29")
    report = REDIRECTS.validate_bytes(redirect(original=Sample("a.xml", inside, None)))
    assert {f.code for f in report.findings} == {"date"}
    assert all(
        re.fullmatch(r"original, line \d+, Referral\[\d+\]/Claim/\w+/DateOfBirth", f.where) for f in report.findings
    )


def test_original_of_another_flow_than_is_said_is_refused() -> None:
    assert {f.code for f in REDIRECTS.validate_bytes(redirect(flow="laid")).findings} == {"pdf-not-pdf"}
    assert {f.code for f in REDIRECTS.validate_bytes(redirect(flow="etd")).findings} == {"xml-namespace"}


def test_redirect_inside_a_redirect_is_refused() -> None:
    nested = redirect(original=Sample("a.xml", redirect(), None), flow="redirect")
    assert "code" in [f.code for f in REDIRECTS.validate_bytes(nested).findings]


def test_largest_file_that_may_be_redirected_is_read_within_seconds() -> None:
    noise = Random(1).randbytes(15 * 1024 * 1024)
    content = redirect(original=Sample("a.pdf", b"%PDF-1.7\n" + noise, None), flow="laid")
    assert len(content) < LIMITS.size
    start = time.process_time()
    assert {f.code for f in REDIRECTS.validate_bytes(content).findings} == {"pdf-unreadable"}
    assert time.process_time() - start < 8.0


def test_redirect_is_read_by_the_validator_that_its_plan_describes(tmp_path: Path) -> None:
    path = tmp_path / "redirect.xml"
    path.write_bytes(redirect())
    strict = build(redirect_plan(SCHEMAS)).validate(path)
    assert {f.code for f in strict.findings} == {"nino"}
    assert all(f.where.startswith("original, ") for f in strict.findings)
