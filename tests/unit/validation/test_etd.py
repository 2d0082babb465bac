"""Award notices: what version 1.1 has beside 1.0, each of its rules accepted and refused, and the laws between the two."""

from __future__ import annotations

import re
import shutil
import time
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway.sample.catalog import versions
from gateway.settings.resources import resource
from gateway.validation.government_types import rules
from gateway.validation.nino_prefixes import load_prefixes
from gateway.validation.xml.catalog import find_versions
from gateway.validation.xml.codes import DEFAULT_LIMITS
from gateway.validation.xml.rules import read_rules
from gateway.validation.xml.validator import XmlValidator
from gateway.validation.xml.walk import Walker
from tests.examples import examples
from tests.vectors.etd import build

TODAY = date(2026, 11, 21)
SCHEMAS = resource("schemas")
VALIDATOR = XmlValidator(SCHEMAS, "etd", allow_test_numbers=True, today=lambda: TODAY)
SAMPLERS = versions()["etd"]
AUTHORITY = "W06000024"
SCHEMA = (SCHEMAS / "etd" / "1.1" / "etd.xsd").read_text("utf-8")


def document(version: str, seed: int = 1) -> str:
    made = SAMPLERS[version].make(sender="DWP", recipient=AUTHORITY, index=1, random=Random(seed), today=TODAY)
    return made.content.decode()


def found(text: str) -> list[tuple[str, str]]:
    """Code and place of each finding, the place without its line."""
    report = VALIDATOR.validate_bytes(text.encode())
    return [(finding.code, finding.where.partition(", ")[2]) for finding in report.findings]


def vector(before: str, after: str) -> list[tuple[str, str]]:
    """What is found in the small document of the vectors with one piece of it replaced."""
    return found(build.later(before, after))


def said_in_1_1(text: str) -> str:
    """A document of version 1.0 with the name of 1.1 and the counts that 1.1 has besides."""
    text = text.replace("urn:gateway:etd:1.0", "urn:gateway:etd:1.1").replace(
        "<AwardTotal>", f"{build.NOUGHTS}<AwardTotal>"
    )
    return text.replace("</Trailer>", "<AssessedIncomeTotal>0.00</AssessedIncomeTotal></Trailer>")


# -- versions


def test_version_that_is_not_known_is_answered_with_those_that_are() -> None:
    report = VALIDATOR.validate_bytes(document("1.1").replace("etd:1.1", "etd:2.0").encode())
    assert [finding.code for finding in report.findings] == ["xml-namespace"]
    (finding,) = report.findings
    assert "etd/1.0 (urn:gateway:etd:1.0) and etd/1.1 (urn:gateway:etd:1.1)" in finding.message
    assert "2.0" not in finding.message


@given(st.integers(0, 2**32))
@examples(40)
def test_whatever_1_0_says_1_1_says_in_the_same_words(seed: int) -> None:
    first = document("1.0", seed)
    assert found(first) == found(said_in_1_1(first)) == []


@given(st.integers(0, 2**32))
@examples(20)
def test_what_1_1_says_besides_is_not_taken_for_1_0(seed: int) -> None:
    later = document("1.1", seed).replace("etd:1.1", "etd:1.0")
    report = VALIDATOR.validate_bytes(later.encode())
    assert report.schema == "etd/1.0"
    assert "xml-element-missing" in {finding.code for finding in report.findings}


def test_codes_of_1_1_alone_are_refused_in_1_0() -> None:
    text = re.sub("<AwardedBenefit>[^<]*<", "<AwardedBenefit>UniversalCredit<", document("1.0"), count=1)
    assert [code for code, _ in found(text)] == ["code"]
    assert found(said_in_1_1(text)) == []


# -- people whose number is not known


def test_person_without_a_number_is_taken_where_there_is_an_address() -> None:
    assert vector(build.NINO, "") == []
    assert found(build.XML + build.LATER.replace(build.NINO, "")) == []


def test_person_without_a_number_and_an_address_is_refused() -> None:
    text = build.later(build.NINO, "").replace(build.ADDRESS, "", 1)
    assert found(text) == [("xml-element-missing", "Notice[1]/Person")]


@pytest.mark.parametrize("empty", ["<Nino/>", "<Nino></Nino>", "<Nino>         </Nino>", "<Nino>unknown</Nino>"])
def test_number_that_is_none_is_not_the_form_for_an_unknown_one(empty: str) -> None:
    assert vector(build.NINO, empty) == [("nino", "Notice[1]/Person/Nino")]


# -- awards


@pytest.mark.parametrize(
    "benefit", ["UniversalCredit", "PersonalIndependencePayment", "WorkingTaxCredit", "ChildTaxCredit"]
)
@pytest.mark.parametrize("event", ["AwardStart", "AwardChange", "AwardEnd"])
def test_each_event_of_the_later_benefits_is_taken(benefit: str, event: str) -> None:
    pattern = rf"(?s)<AwardedBenefit>[^<]*(</AwardedBenefit>\s*<DecidedOn>[^<]*</DecidedOn>\s*<{event}>)"
    text, count = re.subn(pattern, rf"<AwardedBenefit>{benefit}\1", document("1.1"))
    assert count > 0
    assert found(text) == []


def period(first: date, last: date | None) -> str:
    end = "" if last is None else f"<PeriodTo>{last}</PeriodTo>"
    return (
        f"<AwardPeriod><PeriodFrom>{first}</PeriodFrom>{end}<PaidEvery>weekly</PaidEvery>"
        "<Component><ComponentKind>basic</ComponentKind><ComponentAmount>1.00</ComponentAmount></Component>"
        "<AwardAmount>1.00</AwardAmount></AwardPeriod>"
    )


def with_periods(*periods: str) -> str:
    """The small document with an award of these periods, which starts on the day of its first."""
    text = build.later(build.FIRST + build.LAST, "".join(periods)).replace(
        "<AwardTotal>500.00", f"<AwardTotal>{len(periods)}.00"
    )
    first = re.search("<PeriodFrom>([^<]*)<", text)
    assert first is not None
    return re.sub("<StartsOn>[^<]*<", f"<StartsOn>{first[1]}<", text)


lengths = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 400)), min_size=1, max_size=12)


@given(lengths, st.booleans())
@examples(60)
def test_periods_one_after_another_are_taken_with_gaps_and_an_open_end(
    runs: list[tuple[int, int]],
    open_end: bool,  # noqa: FBT001 - hypothesis calls it
) -> None:
    day, periods = date(2015, 1, 1), []
    for gap, length in runs:
        first = day + timedelta(days=1 + gap)
        day = first + timedelta(days=length)
        periods.append((first, day))
    made = [period(first, last) for first, last in periods[:-1]]
    made.append(period(periods[-1][0], None if open_end else periods[-1][1]))
    assert found(with_periods(*made)) == []


@given(lengths.filter(lambda runs: len(runs) > 1), st.data())
@examples(60)
def test_period_that_begins_before_the_one_ahead_has_ended_is_found_whichever_it_is(
    runs: list[tuple[int, int]], data: st.DataObject
) -> None:
    day, periods = date(2015, 1, 1), []
    for gap, length in runs:
        first = day + timedelta(days=1 + gap)
        day = first + timedelta(days=length)
        periods.append((first, day))
    spoilt = data.draw(st.integers(1, len(periods) - 1))
    end = periods[spoilt - 1][1]
    early = end - timedelta(days=data.draw(st.integers(0, (end - periods[spoilt - 1][0]).days)))
    periods[spoilt] = (early, periods[spoilt][1])
    expected = "Notice[1]/AwardStart/Award/AwardPeriod"
    assert found(with_periods(*(period(*each) for each in periods))) == [("date-order", expected)]


def test_only_the_last_period_may_be_open() -> None:
    first, second = date(2026, 1, 1), date(2026, 2, 1)
    assert found(with_periods(period(first, date(2026, 1, 31)), period(second, None))) == []
    assert found(with_periods(period(first, None), period(second, None))) == [
        ("date-order", "Notice[1]/AwardStart/Award/AwardPeriod")
    ]


@pytest.mark.parametrize(("day", "fine"), [("2026-10-04", True), ("2026-10-05", True), ("2026-10-06", False)])
def test_award_starts_no_later_than_its_first_period(day: str, fine: bool) -> None:  # noqa: FBT001 - a row of the table
    expected = [] if fine else [("date-order", "Notice[1]/AwardStart/StartsOn")]
    assert vector("<StartsOn>2026-10-05", f"<StartsOn>{day}") == expected


def changed(day: str) -> str:
    """The small document with an award from 1 May on that changes on 1 September, said to change on `day`."""
    before = period(date(2026, 5, 1), date(2026, 8, 31))
    change = (
        f"<AwardChange><ChangesOn>{day}</ChangesOn><ChangeReason>finalised</ChangeReason><Before>{before}</Before>"
        f"<Award>{period(date(2026, 9, 1), None)}</Award></AwardChange>"
    )
    text = re.sub("(?s)<AwardStart>.*</AwardStart>", change, build.XML + build.LATER)
    text = text.replace("<StartCount>1", "<StartCount>0").replace("<ChangeCount>0", "<ChangeCount>1")
    return text.replace("<AwardTotal>500.00", "<AwardTotal>2.00")


@pytest.mark.parametrize(
    ("day", "fine"), [("2026-04-30", False), ("2026-05-01", True), ("2026-09-01", True), ("2026-09-02", False)]
)
def test_change_lies_between_the_start_of_what_was_and_that_of_what_is(day: str, fine: bool) -> None:  # noqa: FBT001 - a row of the table
    assert found(changed(day)) == ([] if fine else [("date-order", "Notice[1]/AwardChange/ChangesOn")])


def test_award_that_ends_says_when() -> None:
    text = document("1.1")
    assert "<EndsOn>" in text
    ends = [code for code, where in found(re.sub(r"\s*<EndsOn>[^<]*</EndsOn>", "", text)) if "AwardEnd" in where]
    assert ends
    assert set(ends) == {"xml-element-missing"}


@given(st.integers(0, 20_000), st.integers(0, 20_000))
@example(4_000, 6_000)
@example(10_000, 0)
@example(16_000, 6_000)
@examples(60)
def test_amount_is_the_sum_of_components_less_reductions_to_the_penny(reduction: int, said: int) -> None:
    component = 10_000
    text = build.later("<ComponentAmount>311.55", f"<ComponentAmount>{component / 100:.2f}")
    text = text.replace("<ReductionAmount>111.55", f"<ReductionAmount>{reduction / 100:.2f}")
    text = text.replace("<AwardAmount>200.00", f"<AwardAmount>{said / 100:.2f}", 1)
    text = text.replace("<AwardTotal>500.00", f"<AwardTotal>{(said + 30_000) / 100:.2f}")
    wrong = ("total-mismatch", "Notice[1]/AwardStart/Award/AwardPeriod/AwardAmount")
    assert found(text) == ([] if said == component - reduction else [wrong])


# -- assessed incomes and non-dependants


@pytest.mark.parametrize(("day", "fine"), [("2026-10-31", False), ("2026-11-01", True), ("2031-10-31", True)])
def test_assessed_income_period_ends_no_sooner_than_it_begins(day: str, fine: bool) -> None:  # noqa: FBT001 - a row of the table
    place = "Notice[2]/PensionCreditAssessment/AssessedIncome/AssessedIncomeTo"
    assert vector("<AssessedIncomeTo>2031-10-31", f"<AssessedIncomeTo>{day}") == (
        [] if fine else [("date-order", place)]
    )


def test_assessment_may_have_no_fixed_end_and_an_early_end_has_one() -> None:
    assert vector("<AssessedIncomeTo>2031-10-31</AssessedIncomeTo>", "") == []
    whole = re.search("(?s)<AssessedIncome>.*</AssessedIncome>", build.LATER)
    assert whole is not None
    days = "<AssessedIncomeFrom>2026-01-01</AssessedIncomeFrom><AssessedIncomeTo>{}</AssessedIncomeTo>"
    end = f"<AssessedIncomeEnd>{days}<EndReason>death</EndReason></AssessedIncomeEnd>"

    def ended(day: str) -> list[tuple[str, str]]:
        text = build.later(whole[0], end.format(day)).replace(
            "<AssessedIncomeTotal>142.10", "<AssessedIncomeTotal>0.00"
        )
        return found(text.replace("<AssessedIncomeTo></AssessedIncomeTo>", ""))

    assert ended("2026-10-01") == []
    assert [code for code, _ in ended("2025-10-01")] == ["date-order"]
    assert [code for code, _ in ended("")] == ["xml-element-missing"]


@pytest.mark.parametrize(("day", "fine"), [("2019-12-31", False), ("2020-01-01", True), ("2026-11-02", True)])
def test_nobody_leaves_before_they_join(day: str, fine: bool) -> None:  # noqa: FBT001 - a row of the table
    place = "Notice[3]/NonDependant/HouseholdLeaving/LeavesOn"
    assert vector("<LeavesOn>2026-11-02", f"<LeavesOn>{day}") == ([] if fine else [("date-order", place)])
    assert vector("<JoinedOn>2020-01-01</JoinedOn>", "") == []


@pytest.mark.parametrize("name", ["AssessmentCount", "NonDependantCount", "InterestCount", "StartCount", "RecordCount"])
def test_count_of_the_trailer_is_that_of_the_notices(name: str) -> None:
    text = build.XML + build.LATER
    assert found(text) == []
    assert found(re.sub(f"<{name}>[^<]*<", f"<{name}>9<", text)) == [("count-mismatch", f"Trailer/{name}")]


def test_total_of_assessed_incomes_is_their_sum() -> None:
    assert vector("<AssessedIncomeTotal>142.10", "<AssessedIncomeTotal>142.09") == [
        ("total-mismatch", "Trailer/AssessedIncomeTotal")
    ]


# -- business interest


def interest(event: str) -> str:
    return build.later(build.TRANSFER, event)


SET = "<InterestSet><InterestedAuthority>{}</InterestedAuthority><InterestFrom>2026-11-01</InterestFrom></InterestSet>"
ENDED = (
    "<InterestEnd><InterestedAuthority>{}</InterestedAuthority><InterestFrom>2026-01-01</InterestFrom>"
    "<InterestTo>2026-11-01</InterestTo><InterestEndReason>claim-ended</InterestEndReason></InterestEnd>"
)


@pytest.mark.parametrize(("event", "name"), [(SET, "InterestSet"), (ENDED, "InterestEnd")])
def test_interest_that_is_set_or_ends_is_that_of_the_authority_that_is_told(event: str, name: str) -> None:
    assert found(interest(event.format("4220"))) == []
    assert found(interest(event.format("E08000035"))) == [("authority-mismatch", f"Notice[4]/BusinessInterest/{name}")]


@pytest.mark.parametrize(
    ("previous", "now", "fine"),
    [
        ("E08000035", "4220", True),
        ("4220", "E08000035", True),
        ("4220", "4220", False),
        ("E08000035", "E08000035", False),
        ("E08000035", "E07000223", False),
    ],
)
def test_transfer_of_interest_is_told_to_one_of_the_two_between_which_it_passes(
    previous: str,
    now: str,
    fine: bool,  # noqa: FBT001 - a row of the table
) -> None:
    text = build.later("<PreviousAuthority>E07000223", f"<PreviousAuthority>{previous}")
    text = text.replace("<InterestedAuthority>4220", f"<InterestedAuthority>{now}")
    wrong = ("authority-mismatch", "Notice[4]/BusinessInterest/InterestTransfer")
    assert found(text) == ([] if fine else [wrong])


def test_interest_ends_no_sooner_than_it_begins_and_an_end_says_when() -> None:
    event = ENDED.format("4220")
    early = event.replace("<InterestTo>2026", "<InterestTo>2025")
    assert found(interest(early)) == [("date-order", "Notice[4]/BusinessInterest/InterestEnd/InterestTo")]
    without = event.replace("<InterestTo>2026-11-01</InterestTo>", "")
    assert [code for code, _ in found(interest(without))] == ["xml-element-missing"]


def test_wrong_authority_in_a_notice_is_told_without_the_code() -> None:
    report = VALIDATOR.validate_bytes(interest(SET.format("E08000035")).encode())
    assert "E08000035" not in repr(report.findings)
    assert "4220" not in repr(report.findings)


# -- what a notice may say at all


def test_notice_says_one_thing() -> None:
    codes = [code for code, _ in vector(build.TRANSFER, build.TRANSFER * 2)]
    assert codes == ["xml-element-unexpected"]


def test_every_code_of_1_1_is_taken_and_no_other() -> None:
    """Each enumerated value in the place of the first element of its type, in a document that has all of them."""
    text = document("1.1", 4)
    ruleset = read_rules(find_versions(SCHEMAS, "etd")["urn:gateway:etd:1.1"])
    tried = set()
    for tag, simple_type in ruleset.types.items():
        name = etree.QName(tag).localname
        if simple_type not in ruleset.codes or f"<{name}>" not in text:
            continue
        tried.add(simple_type)
        for code in ruleset.codes[simple_type]:
            assert found(re.sub(f"<{name}>[^<]*<", f"<{name}>{code}<", text, count=1)) == [], (name, code)
        spoilt = found(re.sub(f"<{name}>[^<]*<", f"<{name}>{ruleset.codes[simple_type][0]}x<", text, count=1))
        assert [code for code, _ in spoilt] == ["code"], name
    assert len(tried) >= 12


@pytest.mark.parametrize(
    "body",
    [
        "<AwardPeriod><PeriodFrom>2026-01-01</PeriodFrom></AwardPeriod>" * 100_000,
        "<AwardPeriod/><Award/>" * 100_000,
        "<AwardStart>" + "<StartsOn>2026-01-01</StartsOn>" * 200_000 + "</AwardStart>",
        "<AwardStart>" * 20
        + "<StartsOn>2026-01-01</StartsOn>"
        + "<Award><AwardPeriod/></Award>" * 100_000
        + "</AwardStart>" * 20,
        "<InterestTransfer><Award/><InterestedAuthority>4220</InterestedAuthority></InterestTransfer>" * 60_000,
        "<InterestTransfer>" * 20 + "<Award/>" * 200_000 + "</InterestTransfer>" * 20,
        "<AwardPeriod>" + "<AwardAmount>1.00</AwardAmount>" * 150_000 + "</AwardPeriod>",
    ],
    ids=["periods", "periods-apart", "starts", "paths", "parties", "parties-deep", "sums"],
)
def test_rules_across_elements_cost_no_more_than_their_number(body: str) -> None:
    """The walk by itself: a document of that kind is refused for its size before it comes to this."""
    source = find_versions(SCHEMAS, "etd")["urn:gateway:etd:1.1"]
    ruleset = read_rules(source)
    prefixes = load_prefixes(SCHEMAS).in_flow("etd", allow_test_numbers=True)
    walker = Walker(ruleset, ruleset.bind(rules(today=TODAY, prefixes=prefixes)), DEFAULT_LIMITS)
    root = etree.fromstring(f'<Notices xmlns="{source.namespace}">{body}</Notices>')
    start = time.process_time()
    walker.walk(root)
    assert time.process_time() - start < 10.0


def test_gateway_from_before_a_version_refuses_it_and_names_what_it_knows(tmp_path: Path) -> None:
    shutil.copytree(SCHEMAS, tmp_path / "schemas", ignore=shutil.ignore_patterns("1.1"))
    earlier = XmlValidator(tmp_path / "schemas", "etd", allow_test_numbers=True, today=lambda: TODAY)
    assert earlier.validate_bytes(document("1.0").encode()).valid
    (finding,) = earlier.validate_bytes(document("1.1").encode()).findings
    assert finding.code == "xml-namespace"
    assert "etd/1.0" in finding.message
    assert "1.1" not in finding.message
