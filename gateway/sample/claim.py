"""Made-up claims: couples and lone parents, tenants and owners, workers, ESA and Pension Credit cases.

Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample import people
from gateway.sample.claim_money import Case, ClaimMoney
from gateway.sample.people import Person, day_before, pounds
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_sampler import SampleRequest, XmlSampler
from gateway.sample.xml_writer import XmlWriter

NAMESPACE: Final = "urn:gateway:claim:1.0"
_SEVERAL: Final = 0.04
"""The share of documents that carry more than one claim."""
_SOCIAL: Final = ("council", "housing-association")
_PRIVATE: Final = ("private-deregulated", "private-deregulated", "private-regulated", "hostel")
_PENSION_AGE: Final = 66
_PENSION_SERVICE: Final = 0.3
"""The share of documents that come with Pension Credit claims."""
_WORKING_AGE: Final = (Case.ESA, Case.ESA, Case.JOBSEEKER, Case.EMPLOYED, Case.EMPLOYED, Case.SELF_EMPLOYED)
_LINKED: Final = {
    Case.PENSION_CREDIT: ("PensionCredit",),
    Case.ESA: ("EmploymentAndSupportAllowance",),
    Case.JOBSEEKER: ("JobseekersAllowance", "IncomeSupport"),
    Case.EMPLOYED: ("none", "none", "BereavementBenefit"),
    Case.SELF_EMPLOYED: ("none",),
}


def claim_sampler() -> XmlSampler:
    """Documents of the flow `claim`."""
    return XmlSampler("claim", "claims", _write)


def _write(request: SampleRequest) -> str:
    random, today = request.random, request.today
    count = random.randint(2, 3) if random.random() < _SEVERAL else 1
    pension_service = random.random() < _PENSION_SERVICE
    xml = XmlWriter("Claims", NAMESPACE)
    with xml.element("Header"):
        write_header(xml, "CLM", request.sender, request.recipient, random, today)
        xml.leaf("Source", "PensionService" if pension_service else "JobcentrePlus")
        xml.leaf("PartCount", str(count))
    for _ in range(count):
        with xml.element("Claim"):
            case = Case.PENSION_CREDIT if pension_service else random.choice(_WORKING_AGE)
            _Claim(xml, random, today, case).write()
    with xml.element("Trailer"):
        for name, counted in _COUNTS.items():
            xml.leaf(name, str(xml.counts[counted]))
        for name, summed in _TOTALS.items():
            xml.total(name, summed)
    return xml.text()


_COUNTS: Final = {
    "ClaimCount": "Claim",
    "ChildCount": "Child",
    "NonDependantCount": "NonDependant",
    "IncomeCount": "Income",
}
_TOTALS: Final = {"RentTotal": "RentAmount", "IncomeTotal": "IncomeAmount", "CapitalTotal": "CapitalAmount"}


class _Claim:
    """One claim, written in the order of the schema."""

    def __init__(self, xml: XmlWriter, random: Random, today: date, case: Case) -> None:
        self.xml = xml
        self.random = random
        self.today = today
        self.case = case
        youngest, oldest = (_PENSION_AGE, 92) if case is Case.PENSION_CREDIT else (20, _PENSION_AGE - 1)
        self.claimant = people.person(random, today, youngest, oldest)
        self.partner = people.person(random, today, youngest, oldest) if random.random() < 0.45 else None
        self.claimed_on = day_before(random, today, 0, 24)
        grown_up = self.claimant.born + timedelta(days=18 * 366)
        self.moved_in = max(grown_up, day_before(random, self.claimed_on, 10, 5000))
        self.children = 0 if case is Case.PENSION_CREDIT else random.choice((0, 0, 1, 1, 2, 3))

    def write(self) -> None:
        xml, random = self.xml, self.random
        owner = random.random() < 0.12
        xml.leaf("ClaimReference", f"HC/{random.randrange(10**8):08d}")
        if random.random() < 0.25:
            xml.leaf("PreviousReference", f"{random.randrange(10**7):07d}")
        if not owner:
            xml.leaf("ClaimedBenefit", "HousingBenefit")
        xml.leaf("ClaimedBenefit", "CouncilTaxBenefit")
        xml.leaf("ClaimReason", random.choice(("new", "new", "repeat", "moved", "change")))
        xml.day("DateOfClaim", self.claimed_on)
        xml.leaf("LinkedBenefit", self._linked_benefit())
        self._claimant()
        if self.partner is not None:
            self._partner(self.partner)
        if self.children:
            with xml.element("Children"):
                for _ in range(self.children):
                    self._child()
        if random.random() < 0.25:
            with xml.element("NonDependants"):
                for _ in range(random.choice((1, 1, 2))):
                    self._non_dependant()
        if not owner:
            self._tenancy()
        self._council_tax()
        money = ClaimMoney(xml, random, self.claimed_on, self.claimant, self.partner)
        money.write_incomes(self.case, self.children)
        money.write_capital()
        money.write_bank()
        self._evidence()
        self._declaration()

    def _linked_benefit(self) -> str:
        return self.random.choice(_LINKED[self.case])

    # -- people

    def _identity(self, person: Person) -> None:
        xml, random = self.xml, self.random
        xml.leaf("Nino", person.nino)
        xml.name(person)
        if random.random() < 0.15:
            xml.leaf("OtherName", people.person(random, self.today, 20, 60).full_name)
        xml.day("DateOfBirth", person.born)
        xml.flag("DateOfBirthVerified", random.random() < 0.8)
        xml.leaf("Gender", person.gender)

    def _claimant(self) -> None:
        xml, random = self.xml, self.random
        with xml.element("Claimant"):
            self._identity(self.claimant)
            alone = ("single", "divorced", "widowed", "separated")
            couple = ("married", "living-together", "civil-partner")
            xml.leaf("MaritalStatus", random.choice(couple if self.partner else alone))
            xml.address(people.home(random))
            xml.day("MovedIn", self.moved_in)
            if random.random() < 0.3:
                with xml.element("PreviousAddress"):
                    xml.address(people.home(random))
                    xml.day("From", day_before(random, self.moved_in, 200, 2000))
                    xml.day("To", self.moved_in)
                    xml.flag("ClaimedThere", random.random() < 0.5)
            with xml.element("Contact"):
                xml.leaf("Telephone", people.telephone(random))
                if random.random() < 0.4:
                    xml.leaf("Email", f"claimant{random.randrange(10**6)}@example.org")
                xml.leaf("Language", random.choice(("en", "en", "en", "cy")))
            self._status(self.claimant)

    def _partner(self, partner: Person) -> None:
        with self.xml.element("Partner"):
            self._identity(partner)
            self.xml.flag("SameAddress", True)
            self._status(partner)

    def _status(self, person: Person) -> None:
        xml, random = self.xml, self.random
        with xml.element("Residence"):
            british = random.random() < 0.88
            xml.leaf("Nationality", "GBR" if british else random.choice(("POL", "IRL", "PAK", "PRT", "SOM")))
            xml.flag("HabituallyResident", True)
            if not british:
                adult_at = person.born + timedelta(days=17 * 366)
                xml.day("LastEnteredUk", max(adult_at, day_before(random, self.claimed_on, 100, 1700)))
                xml.leaf("ImmigrationStatus", random.choice(("eea-worker", "indefinite-leave", "refugee")))
        if random.random() < 0.05 and self.case is not Case.PENSION_CREDIT:
            with xml.element("Student"):
                xml.flag("FullTime", random.random() < 0.5)
                xml.day("CourseEnds", self.today + timedelta(days=random.randint(30, 900)))
        if random.random() < 0.08:
            with xml.element("Carer"):
                xml.leaf("CaresFor", random.choice(("household", "somebody-else", "is-cared-for")))
                xml.leaf("CareHours", str(random.randint(5, 50)))
        if self.case is Case.ESA and person is self.claimant:
            with xml.element("Disability"):
                xml.day("IncapableSince", day_before(random, self.claimed_on, 30, 800))
                if random.random() < 0.4:
                    xml.leaf("CareComponent", random.choice(("lowest", "middle", "highest")))

    def _child(self) -> None:
        xml, random = self.xml, self.random
        child = people.person(random, self.today, 0, 15, self.claimant.family)
        with xml.element("Child"):
            xml.name(child)
            xml.day("DateOfBirth", child.born)
            xml.leaf("Gender", child.gender)
            xml.leaf("ChildRelationship", random.choice(("child", "child", "stepchild", "grandchild")))
            xml.leaf("ChildBenefit", "claimant")
            if random.random() < 0.15:
                xml.money("ChildcareCost", pounds(random, 20, 140))

    def _non_dependant(self) -> None:
        xml, random = self.xml, self.random
        adult = people.person(random, self.today, 18, 60, self.claimant.family)
        working = random.random() < 0.5
        with xml.element("NonDependant"):
            if random.random() < 0.6:
                xml.leaf("Nino", adult.nino)
            xml.name(adult)
            xml.day("DateOfBirth", adult.born)
            xml.leaf("AdultRelationship", random.choice(("son-or-daughter", "parent", "other-relative", "lodger")))
            xml.leaf("Circumstances", "working" if working else random.choice(("jobseekers-allowance", "sick")))
            if working:
                xml.leaf("WorkHours", str(random.randint(8, 45)))
                xml.money("GrossWeekly", pounds(random, 60, 420))

    # -- the home

    def _tenancy(self) -> None:
        xml, random = self.xml, self.random
        social = random.random() < 0.55
        kind = random.choice(_SOCIAL if social else _PRIVATE)
        with xml.element("Tenancy"):
            xml.leaf("TenancyKind", kind)
            xml.day("TenancyStart", self.moved_in)
            if not social and random.random() < 0.4:
                xml.day("TenancyEnd", self.today + timedelta(days=random.randint(20, 360)))
            with xml.element("Landlord"):
                xml.leaf("LandlordName", "The Council" if kind == "council" else people.landlord(random))
                if not social:
                    xml.address(people.home(random))
                xml.leaf("LandlordReference", f"T{random.randrange(10**6):06d}")
            xml.flag("RelatedToLandlord", not social and random.random() < 0.05)
            self._rent(kind)
            if random.random() < 0.15:
                with xml.element("Arrears"):
                    xml.leaf("ArrearsWeeks", str(random.randint(1, 12)))
                    xml.money("ArrearsAmount", pounds(random, 60, 1400))
            with xml.element("Home"):
                xml.leaf("DwellingKind", random.choice(("house", "flat", "flat", "bungalow", "maisonette")))
                xml.leaf("Bedrooms", str(1 + (self.children + 1) // 2))
                xml.leaf("LivingRooms", "1")
                xml.flag("Furnished", not social and random.random() < 0.3)
            xml.flag("PayLandlord", social or random.random() < 0.3)

    def _rent(self, kind: str) -> None:
        xml, random = self.xml, self.random
        weekly = kind in _SOCIAL
        with xml.element("Rent"):
            xml.money("RentAmount", pounds(random, 58, 130) if weekly else pounds(random, 300, 900))
            xml.leaf("RentPeriod", "weekly" if weekly else random.choice(("monthly", "four-weekly")))
            if kind == "council":
                xml.leaf("FreeWeeks", random.choice(("2", "4")))
            for what in random.sample(
                ("heating", "water-rates", "furniture", "service-charge"), random.choice((0, 1, 2))
            ):
                with xml.element("Includes"):
                    xml.leaf("InclusionKind", what)
                    xml.money("InclusionAmount", pounds(random, 1, 20))

    def _council_tax(self) -> None:
        xml, random = self.xml, self.random
        with xml.element("CouncilTax"):
            xml.leaf("CouncilTaxReference", f"{random.randrange(10**8):08d}")
            xml.leaf("Band", random.choice("AAABBCD"))
            xml.day("LiableFrom", self.moved_in)
            xml.leaf("Liability", "with-partner" if self.partner else "sole")
            if self.partner is None:
                xml.leaf("Reduction", "single-occupier")

    # -- papers

    def _evidence(self) -> None:
        xml, random = self.xml, self.random
        papers = (
            ("identity", "passport"),
            ("nino", "award-notice"),
            ("income", "payslip"),
            ("capital", "bank-statement"),
            ("rent", "tenancy-agreement"),
        )
        with xml.element("Evidence"):
            for of, kind in papers[: random.randint(2, 5)]:
                with xml.element("Document"):
                    xml.leaf("EvidenceOf", of)
                    xml.leaf("EvidenceKind", kind)
                    xml.day("SeenOn", day_before(random, self.today, 0, (self.today - self.claimed_on).days))
                    xml.flag("Original", random.random() < 0.9)

    def _declaration(self) -> None:
        xml, random = self.xml, self.random
        with xml.element("Declaration"):
            xml.leaf("DeclaredBy", "both" if self.partner and random.random() < 0.5 else "claimant")
            xml.day("DeclaredOn", self.claimed_on)
            xml.leaf("DeclaredHow", random.choice(("telephone", "signature")))
            xml.flag("ConsentToShare", True)
