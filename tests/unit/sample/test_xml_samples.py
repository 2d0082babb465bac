from __future__ import annotations

import re
from datetime import date
from random import Random

import pytest

from gateway.sample.claim import claim_sampler
from gateway.sample.contract import Sample, Sampler
from gateway.sample.referral import referral_sampler
from gateway.settings.resources import resource
from gateway.validation.xml.validator import XmlValidator

TODAY = date(2026, 11, 21)
AUTHORITY = "W06000024"
SAMPLERS: list[Sampler] = [claim_sampler(), referral_sampler()]
VALIDATORS = {
    sampler.flow: XmlValidator(resource("schemas"), sampler.flow, allow_test_numbers=True, today=lambda: TODAY)
    for sampler in SAMPLERS
}
DEFECTS = [(sampler, defect, code) for sampler in SAMPLERS for defect, code in sampler.defects.items()]


def make(sampler: Sampler, seed: int, defect: str | None = None) -> Sample:
    return sampler.make(sender="DWP", recipient=AUTHORITY, index=seed, random=Random(seed), today=TODAY, defect=defect)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.flow)
def test_every_sample_is_valid_and_names_the_recipient(sampler: Sampler) -> None:
    for seed in range(300):
        sample = make(sampler, seed)
        report = VALIDATORS[sampler.flow].validate_bytes(sample.content)
        assert report.findings == ()
        assert report.schema == f"{sampler.flow}/1.0"
        assert report.facts["authority"] == AUTHORITY
        assert int(report.facts["records"]) >= 1


@pytest.mark.parametrize(("sampler", "defect", "code"), DEFECTS, ids=lambda value: getattr(value, "flow", value))
def test_each_defect_is_found_by_its_code(sampler: Sampler, defect: str, code: str) -> None:
    for seed in range(5):
        sample = make(sampler, seed, defect)
        report = VALIDATORS[sampler.flow].validate_bytes(sample.content)
        if code == "wrong-authority":
            # The document itself is in order; the stage compares this fact with the partner.
            assert report.valid
            assert report.facts["authority"] != AUTHORITY
        else:
            assert code in [finding.code for finding in report.findings]
        assert sample.defect == defect
        assert defect in sample.name


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.flow)
def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(sampler: Sampler) -> None:
    assert make(sampler, 7) == make(sampler, 7)
    assert make(sampler, 7, "entity-bomb") == make(sampler, 7, "entity-bomb")
    assert make(sampler, 7).content != make(sampler, 8).content


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.flow)
def test_defect_that_is_not_listed_is_a_key_error(sampler: Sampler) -> None:
    with pytest.raises(KeyError):
        make(sampler, 1, "javascript")


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.flow)
def test_nobody_living_is_in_a_sample(sampler: Sampler) -> None:
    for seed in range(100):
        text = make(sampler, seed).content.decode()
        assert all(nino.startswith("QQ") for nino in re.findall(r"<(?:Nino|Number)>([^<]*)<", text))
        assert all(code.startswith("ZZ") for code in re.findall(r"<Postcode>([^<]*)<", text))
        assert all(mail.endswith("@example.org") for mail in re.findall(r"<Email>([^<]*)<", text))
        assert all(code.startswith("00") for code in re.findall(r"<SortCode>([^<]*)<", text))


def test_claims_cover_the_cases_of_the_field() -> None:
    text = "".join(make(claim_sampler(), seed).content.decode() for seed in range(300))
    for part in (
        *("Partner", "Child", "NonDependant", "Tenancy", "Earnings", "SelfEmployment", "Pension", "PensionCredit"),
        *("TaxCredit", "Maintenance", "EsaPhase", "AssessedIncomeFigure", "Bs7666", "Lines", "Arrears", "Student"),
        *("ImmigrationStatus", "Carer", "Disability", "Bank", "Document"),
    ):
        assert f"<{part}>" in text
    assert "ŵ" in text
    for kind in ("council", "housing-association", "private-deregulated"):
        assert f"<TenancyKind>{kind}</TenancyKind>" in text


def test_claim_of_one_household_is_four_to_eight_kilobytes() -> None:
    sizes = [
        len(content) for seed in range(200) if (content := make(claim_sampler(), seed).content).count(b"<Claim>") == 1
    ]
    middle = sorted(sizes)[10:-10]
    assert middle[0] >= 4_000
    assert middle[-1] <= 8_192


def test_names_are_fit_for_the_spool() -> None:
    for sampler in SAMPLERS:
        for name in (make(sampler, 1).name, *(make(sampler, 1, defect).name for defect in sampler.defects)):
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.()-]{0,149}", name)
