"""Writes the award notices of this directory, right and wrong, of both versions: `python tests/vectors/etd/build.py`.

Each is named CODE--WHAT.xml: the code of the finding that it must get, or `none` where it must pass. All of them are
variations on two small documents; the people in them are made up.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
HEADER = """<Header><MessageId>VECTOR-0001</MessageId>
<SendingOffice><OfficeCode>DWP0101</OfficeCode><OfficeName>Oldborough</OfficeName></SendingOffice>
<Created>2026-11-20T09:00:00Z</Created><ProcessDate>2026-11-20</ProcessDate><AuthorityCode>4220</AuthorityCode>
<NoticeCount>{count}</NoticeCount></Header>
"""
NINO = "<Nino>QQ123456A</Nino>"
ADDRESS = (
    "<Address><Lines><Line>1 Mill Lane</Line><Line>Oldborough</Line></Lines><Postcode>ZZ1 1AA</Postcode></Address>"
)
PERSON = (
    f"<Person>{NINO}<Name><GivenName>Siân</GivenName><FamilyName>Llŵyd</FamilyName></Name>\n"
    f"<DateOfBirth>1961-05-04</DateOfBirth>{ADDRESS}</Person><PersonRole>claimant</PersonRole>"
)
REDUCTION = "<Reduction><ReductionKind>earnings</ReductionKind><ReductionAmount>111.55</ReductionAmount></Reduction>"
FIRST = f"""<AwardPeriod><PeriodFrom>2026-10-05</PeriodFrom><PeriodTo>2026-11-04</PeriodTo><PaidEvery>monthly</PaidEvery>
<Component><ComponentKind>standard-allowance</ComponentKind><ComponentAmount>311.55</ComponentAmount></Component>
{REDUCTION}<AwardAmount>200.00</AwardAmount></AwardPeriod>"""
LAST = """<AwardPeriod><PeriodFrom>2026-11-05</PeriodFrom><PaidEvery>monthly</PaidEvery>
<Component><ComponentKind>standard-allowance</ComponentKind><ComponentAmount>300.00</ComponentAmount></Component>
<AwardAmount>300.00</AwardAmount></AwardPeriod>"""
TRANSFER = """<InterestTransfer><PreviousAuthority>E07000223</PreviousAuthority><InterestedAuthority>4220</InterestedAuthority>
<InterestFrom>2026-11-01</InterestFrom><TransferReason>moved</TransferReason></InterestTransfer>"""
LATER = f"""<Notices xmlns="urn:gateway:etd:1.1">
{HEADER.format(count=4)}<Notice><NoticeId>N1</NoticeId>{PERSON}
<AwardedBenefit>UniversalCredit</AwardedBenefit><DecidedOn>2026-11-18</DecidedOn>
<AwardStart><StartsOn>2026-10-05</StartsOn><Award>{FIRST}{LAST}</Award></AwardStart></Notice>
<Notice><NoticeId>N2</NoticeId>{PERSON}<DecidedOn>2026-11-18</DecidedOn>
<PensionCreditAssessment><AssessedIncome><CreditKind>savings</CreditKind>
<AssessedIncomeFigure>142.10</AssessedIncomeFigure><AssessedIncomeFrom>2026-11-01</AssessedIncomeFrom>
<AssessedIncomeTo>2031-10-31</AssessedIncomeTo></AssessedIncome></PensionCreditAssessment></Notice>
<Notice><NoticeId>N3</NoticeId>{PERSON}<DecidedOn>2026-11-18</DecidedOn>
<NonDependant><Name><GivenName>Iolo</GivenName><FamilyName>Llŵyd</FamilyName></Name>
<AdultRelationship>son-or-daughter</AdultRelationship><HouseholdLeaving><JoinedOn>2020-01-01</JoinedOn>
<LeavesOn>2026-11-02</LeavesOn></HouseholdLeaving></NonDependant></Notice>
<Notice><NoticeId>N4</NoticeId>{PERSON}<DecidedOn>2026-11-18</DecidedOn>
<BusinessInterest><InterestIn>HousingBenefit</InterestIn>{TRANSFER}</BusinessInterest></Notice>
<Trailer><RecordCount>4</RecordCount><StartCount>1</StartCount><ChangeCount>0</ChangeCount><EndCount>0</EndCount>
<AssessmentCount>1</AssessmentCount><NonDependantCount>1</NonDependantCount><InterestCount>1</InterestCount>
<AwardTotal>500.00</AwardTotal><AssessedIncomeTotal>142.10</AssessedIncomeTotal></Trailer>
</Notices>
"""
END = "<AwardEnd><StartedOn>2020-01-06</StartedOn><EndsOn>2026-11-20</EndsOn><EndReason>work</EndReason></AwardEnd>"
NOUGHTS = "<AssessmentCount>0</AssessmentCount><NonDependantCount>0</NonDependantCount><InterestCount>0</InterestCount>"
EARLIER = f"""<Notices xmlns="urn:gateway:etd:1.0">
{HEADER.format(count=1)}<Notice><NoticeId>N1</NoticeId>{PERSON}
<AwardedBenefit>IncomeSupport</AwardedBenefit><DecidedOn>2026-11-18</DecidedOn>{END}</Notice>
<Trailer><RecordCount>1</RecordCount><StartCount>0</StartCount><ChangeCount>0</ChangeCount><EndCount>1</EndCount>
<AwardTotal>0.00</AwardTotal></Trailer>
</Notices>
"""


def later(before: str, after: str) -> str:
    """The document of version 1.1 with the first such piece replaced."""
    assert before in LATER, before
    return XML + LATER.replace(before, after, 1)


def ended(amount: str) -> str:
    """The first period with nothing left of it but what is said."""
    piece = FIRST.replace("111.55", "311.55").replace("200.00", amount)
    return later(FIRST, piece).replace("<AwardTotal>500.00", "<AwardTotal>300.00")


VECTORS = {
    # -- right
    "none--1.0": XML + EARLIER,
    "none--1.1": XML + LATER,
    "none--1.0-said-in-1.1": XML
    + EARLIER.replace("etd:1.0", "etd:1.1")
    .replace("<AwardTotal>", f"{NOUGHTS}<AwardTotal>")
    .replace("</Trailer>", "<AssessedIncomeTotal>0.00</AssessedIncomeTotal></Trailer>"),
    "none--number-unknown": later(NINO, ""),
    "none--number-known-and-no-address": later(ADDRESS, ""),
    "none--assessed-without-an-end": later("<AssessedIncomeTo>2031-10-31</AssessedIncomeTo>", ""),
    "none--reduced-to-nought": ended("0.00"),
    "none--remark-between-periods": later(FIRST, f"{FIRST}<!-- and then -->"),
    "none--periods-with-a-gap": later("<PeriodTo>2026-11-04", "<PeriodTo>2026-10-04")
    .replace("<PeriodFrom>2026-10-05", "<PeriodFrom>2026-09-05")
    .replace("<StartsOn>2026-10-05", "<StartsOn>2026-09-05"),
    "none--transferred-away": later("<PreviousAuthority>E07000223", "<PreviousAuthority>4220").replace(
        "<InterestedAuthority>4220", "<InterestedAuthority>E07000223"
    ),
    # -- versions
    "xml-namespace--not-yet": XML + LATER.replace("etd:1.1", "etd:1.2"),
    "xml-namespace--never": XML + LATER.replace("etd:1.1", "etd:0.9"),
    "xml-namespace--another-flow": XML + LATER.replace("etd:1.1", "claim:1.0"),
    "code--1.1-said-in-1.0": XML + LATER.replace("etd:1.1", "etd:1.0"),
    "xml-element-missing--1.0-with-the-name-of-1.1": XML + EARLIER.replace("etd:1.0", "etd:1.1"),
    "xml-element-missing--number-unknown-in-1.0": XML + EARLIER.replace(NINO, ""),
    # -- people
    "xml-element-missing--number-unknown-and-no-address": later(NINO, "").replace(ADDRESS, "", 1),
    "nino--empty": later(NINO, "<Nino/>"),
    "nino--the-words-not-known": later(NINO, "<Nino>not known</Nino>"),
    # -- dates
    "date-order--periods-overlap": later("<PeriodFrom>2026-11-05", "<PeriodFrom>2026-11-01"),
    "date-order--periods-share-a-day": later("<PeriodFrom>2026-11-05", "<PeriodFrom>2026-11-04"),
    "date-order--period-after-an-open-one": later("<PeriodTo>2026-11-04</PeriodTo>", ""),
    "date-order--periods-turned": later(f"{FIRST}{LAST}", f"{LAST}{FIRST}"),
    "date-order--period-before-the-award": later("<StartsOn>2026-10-05", "<StartsOn>2026-10-06"),
    "date-order--assessment": later("<AssessedIncomeTo>2031", "<AssessedIncomeTo>2021"),
    "date-order--left-before-joined": later("<LeavesOn>2026", "<LeavesOn>2016"),
    "date--left-on-no-day": later("<LeavesOn>2026-11-02", "<LeavesOn>2026-11-31"),
    # -- counts and totals
    "total-mismatch--reduction": later("<ReductionAmount>111.55", "<ReductionAmount>111.54"),
    "total-mismatch--reduced-below-nought": later("<ReductionAmount>111.55", "<ReductionAmount>999.55"),
    "total-mismatch--assessed-income": later("<AssessedIncomeTotal>142.10", "<AssessedIncomeTotal>142.11"),
    "amount--reduction-below-nought": later("<ReductionAmount>111.55", "<ReductionAmount>-111.55"),
    "count-mismatch--assessments": later("<AssessmentCount>1", "<AssessmentCount>0"),
    "count-mismatch--non-dependants": later("<NonDependantCount>1", "<NonDependantCount>2"),
    "count-mismatch--interests": later("<InterestCount>1", "<InterestCount>0"),
    # -- business interest
    "authority-mismatch--neither-is-ours": later("<InterestedAuthority>4220", "<InterestedAuthority>E08000035"),
    "authority-mismatch--to-itself": later("<PreviousAuthority>E07000223", "<PreviousAuthority>4220"),
    "code--no-authority": later("<InterestedAuthority>4220", "<InterestedAuthority>DWP"),
    "xml-element-missing--previous-authority": later("<PreviousAuthority>E07000223</PreviousAuthority>", ""),
    # -- one event a notice
    "xml-element-unexpected--two-events": later(TRANSFER, TRANSFER + TRANSFER),
    "xml-element-missing--award-of-a-benefit-that-is-named": later(
        "<DecidedOn>2026-11-18</DecidedOn>\n<NonDependant>",
        "<AwardedBenefit>PensionCredit</AwardedBenefit><DecidedOn>2026-11-18</DecidedOn>\n<NonDependant>",
    ),
    "code--rate-unknown": later(
        "<ComponentAmount>311.55", "<ComponentRate>double</ComponentRate><ComponentAmount>311.55"
    ),
}


def build() -> None:
    for old in HERE.glob("*--*.xml"):
        old.unlink()
    for name, content in VECTORS.items():
        (HERE / f"{name}.xml").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    build()
