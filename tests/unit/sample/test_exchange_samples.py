"""Samples of scan results, outcomes, award notices and redirects, against the validators that the catalog gives them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from random import Random
from typing import Protocol, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.catalog import FLOWS
from gateway.sample.answers import matches_of
from gateway.sample.catalog import samplers, versions
from gateway.sample.contract import Sample
from gateway.sample.outcome import OutcomeSampler
from gateway.settings.model import SiteKind
from gateway.settings.resources import resource
from gateway.validation.contract import Report
from gateway.validation.factory import build
from gateway.validation.government_types import rms_number_fault
from tests.examples import examples

TODAY = date(2026, 11, 21)
AUTHORITY, OTHER = "W06000024", "E07000223"
NEW = ("scan", "outcome", "etd", "redirect", "enquiry", "reply", "faults")
EVERY = samplers()
SAMPLERS = {flow: EVERY[flow] for flow in NEW}
NEWEST = {flow: next(iter(made)) for flow, made in versions().items()}
VERSIONS = [(flow, version) for flow, made in versions().items() for version in made]
DEFECTS = [(flow, defect, code) for flow, sampler in SAMPLERS.items() for defect, code in sampler.defects.items()]


class InMemory(Protocol):
    def validate_bytes(self, content: bytes) -> Report: ...


VALIDATORS = {flow: cast("InMemory", build(FLOWS[flow].plan(resource("schemas"), True))) for flow in (*NEW, "referral")}


def ends(flow: str) -> tuple[str, str]:
    source, target = FLOWS[flow].ends
    sender = "DWP" if source is SiteKind.DWP else AUTHORITY
    return sender, "DWP" if target is SiteKind.DWP else AUTHORITY if source is SiteKind.DWP else OTHER


def concerned(flow: str) -> str:
    """The authority that the document names."""
    sender, recipient = ends(flow)
    return sender if recipient == "DWP" else recipient


def make(flow: str, seed: int, defect: str | None = None) -> Sample:
    sender, recipient = ends(flow)
    return EVERY[flow].make(
        sender=sender, recipient=recipient, index=seed, random=Random(seed), today=TODAY, defect=defect
    )


def read(flow: str, sample: Sample) -> Report:
    return VALIDATORS[flow].validate_bytes(sample.content)


@pytest.mark.parametrize("flow", NEW)
def test_every_sample_is_valid_and_names_the_authority_that_it_concerns(flow: str) -> None:
    for seed in range({"redirect": 60, "enquiry": 25, "reply": 25}.get(flow, 200)):
        report = read(flow, make(flow, seed))
        assert report.findings == ()
        assert report.schema == f"{flow}/{NEWEST.get(flow, '1.0')}"
        assert report.facts["authority"] == concerned(flow)
        assert re.fullmatch(r"[A-Za-z0-9-]{8,40}", report.facts["message_id"])
        assert int(report.facts["records"]) >= 1


@pytest.mark.parametrize(("flow", "defect", "code"), DEFECTS, ids=lambda value: value)
def test_each_defect_is_found_by_its_code(flow: str, defect: str, code: str) -> None:
    for seed in range(3):
        sample = make(flow, seed, defect)
        report = read(flow, sample)
        if code == "wrong-authority":
            # The document itself is in order; the stage compares this fact with the sites.
            assert report.valid
            assert report.facts["authority"] != concerned(flow)
        else:
            assert code in [finding.code for finding in report.findings]
            assert (report.facts == {}) is (report.exceptions == ())
        assert sample.defect == defect
        assert defect in sample.name


@given(st.sampled_from(NEW), st.integers(0, 2**32), st.booleans())
@examples(40)
def test_same_arguments_give_the_same_bytes(flow: str, seed: int, spoilt: bool) -> None:  # noqa: FBT001 - hypothesis calls it
    defect = sorted(SAMPLERS[flow].defects)[seed % len(SAMPLERS[flow].defects)] if spoilt else None
    assert make(flow, seed, defect) == make(flow, seed, defect)
    assert make(flow, seed).content != make(flow, seed + 1).content


@pytest.mark.parametrize("flow", NEW)
def test_defect_that_is_not_listed_is_a_key_error(flow: str) -> None:
    with pytest.raises(KeyError):
        make(flow, 1, "no-such-defect")


@pytest.mark.parametrize("flow", NEW)
def test_nobody_living_is_in_a_sample(flow: str) -> None:
    for seed in range(30):
        text = make(flow, seed).content.decode()
        assert all(nino.startswith("QQ") for nino in re.findall(r"<(?:Nino|Number)>([^<]*)<", text))
        assert all(code.startswith("ZZ") for code in re.findall(r"<Postcode>([^<]*)<", text))


@pytest.mark.parametrize(("flow", "version"), VERSIONS)
def test_samples_of_every_version_are_valid_and_are_read_as_that_version(flow: str, version: str) -> None:
    sampler = versions()[flow][version]
    sender, recipient = ends(flow)
    for seed in range(100):
        sample = sampler.make(sender=sender, recipient=recipient, index=1, random=Random(seed), today=TODAY)
        report = read(flow, sample)
        assert (report.schema, report.findings) == (f"{flow}/{version}", ())
        assert report.facts["authority"] == concerned(flow)


@pytest.mark.parametrize(("flow", "version"), VERSIONS)
def test_each_defect_of_every_version_is_found_by_its_code(flow: str, version: str) -> None:
    sampler = versions()[flow][version]
    sender, recipient = ends(flow)
    for defect, code in sampler.defects.items():
        sample = sampler.make(
            sender=sender, recipient=recipient, index=1, random=Random(defect), today=TODAY, defect=defect
        )
        found = {finding.code for finding in read(flow, sample).findings}
        assert found == set() if code == "wrong-authority" else code in found, defect


def test_newest_version_is_what_a_flows_sampler_makes_and_earlier_ones_have_no_defects_of_later_ones() -> None:
    for flow, made in versions().items():
        newest, *earlier = made.values()
        sender, recipient = ends(flow)
        sample = newest.make(sender=sender, recipient=recipient, index=1, random=Random(1), today=TODAY)
        assert sample.content == make(flow, 1).content
        assert all(set(each.defects) < set(newest.defects) for each in earlier)


def test_notices_of_1_1_cover_every_event_and_people_without_a_number() -> None:
    texts = [make("etd", seed).content.decode() for seed in range(40)]
    for name in (
        *("AwardStart", "AwardChange", "AwardEnd", "AssessedIncome", "AssessedIncomeEnd"),
        *("HouseholdJoining", "HouseholdChange", "HouseholdLeaving"),
        *("InterestSet", "InterestTransfer", "InterestEnd"),
    ):
        assert all(f"<{name}>" in text for text in texts), name
    for benefit in ("UniversalCredit", "PersonalIndependencePayment", "WorkingTaxCredit", "ChildTaxCredit"):
        for event in ("AwardStart", "AwardChange", "AwardEnd"):
            pattern = rf"<AwardedBenefit>{benefit}</AwardedBenefit>\s*<DecidedOn>[^<]*</DecidedOn>\s*<{event}>"
            assert any(re.search(pattern, text) for text in texts), (benefit, event)
    assert any("<Reduction>" in text for text in texts)
    unknown = [text for text in texts if re.search(r"<Person>\s*<Name>", text)]
    assert 0 < len(unknown) < len(texts)


def test_notices_cover_start_change_and_end_with_components_and_deductions() -> None:
    text = "".join(make("etd", seed).content.decode() for seed in range(40))
    for name in ("AwardStart", "AwardChange", "AwardEnd", "Before", "Deduction", "PeriodTo", "HbReference"):
        assert f"<{name}>" in text
    for benefit in ("EmploymentAndSupportAllowanceIncome", "PensionCredit", "StatePension"):
        assert f"<AwardedBenefit>{benefit}<" in text


def test_redirects_carry_every_flow_and_now_and_then_a_longer_history() -> None:
    facts = [read("redirect", make("redirect", seed)).facts for seed in range(60)]
    assert {each["original_flow"] for each in facts} == {"laid", "claim", "referral", "scan", "etd"}
    assert {each["held_by"] for each in facts} == {AUTHORITY}
    assert any(make("redirect", seed).content.count(b"<Holding>") == 2 for seed in range(60))


@pytest.mark.parametrize("flow", ["referral", "scan", "outcome"])
def test_facts_list_the_matches_and_nothing_of_the_people(flow: str) -> None:
    sample = make(flow, 5)
    facts = read(flow, sample).facts
    numbers = json.loads(facts["rms"])
    assert numbers == re.findall(r"<RmsNumber>([^<]*)<", sample.content.decode())
    assert int(facts["rms_total"]) == int(facts["records"]) == len(numbers)
    assert len(json.loads(facts["rule"])) == len(json.loads(facts["matched"])) == len(numbers)
    assert all(rms_number_fault(number) is None for number in numbers)
    told = " ".join(facts.values())
    for name in re.findall(r"<(?:Nino|FamilyName|GivenName|Postcode|HbReference)>([^<]*)<", sample.content.decode()):
        assert name not in told


@pytest.mark.parametrize("flow", ["referral", "scan"])
def test_outcome_can_be_made_that_answers_every_match_of_a_document(flow: str) -> None:
    asked = make(flow, 9)
    answer = OutcomeSampler().answer(
        matches_of(asked.content), sender=AUTHORITY, index=1, random=Random(1), today=TODAY
    )
    report = read("outcome", answer)
    assert report.findings == ()
    for fact in ("rms", "rule", "matched"):
        assert report.facts[fact] == read(flow, asked).facts[fact]


def test_there_are_samples_of_every_flow_and_enough_defects() -> None:
    assert set(EVERY) == set(FLOWS) - {"statement"}, "only the key of a site makes a statement"
    assert sum(len(sampler.defects) for sampler in EVERY.values()) >= 30


def test_validator_reads_a_redirect_from_disk_as_well(tmp_path: Path) -> None:
    path = tmp_path / "redirect.xml"
    path.write_bytes(make("redirect", 2).content)
    assert build(FLOWS["redirect"].plan(resource("schemas"), True)).validate(path).valid
