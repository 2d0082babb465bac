"""Notices of awards that start, change or end: benefits of the Department, and from version 1.1 of `etd` on tax credits.

Nothing is raised. Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample import people
from gateway.sample.people import Person, day_before
from gateway.sample.xml_writer import XmlWriter

AWARD_EVENTS: Final = ("start", "change", "end")
_NUMBER_UNKNOWN: Final = 0.08
"""The share of people whose National Insurance number is not known yet, from version 1.1 on."""


@dataclass(frozen=True)
class Benefit:
    """A benefit with the ages of those who get it, how often it is paid, and its parts in pence.

    Parts are a week's, of a monthly benefit a month's, in figures of 2009, of later benefits in those of their first year.
    `rate` is that of each part; what is `tapered` goes down with earnings.
    """

    code: str
    ages: tuple[int, int]
    every: str
    basic: tuple[str, int]
    extras: tuple[tuple[str, int], ...] = ()
    rate: str | None = None
    tapered: bool = False


BENEFITS_1_0: Final = (
    Benefit("JobseekersAllowanceIncome", (19, 59), "fortnightly", ("basic", 6430), (("couple", 3665),)),
    Benefit("IncomeSupport", (18, 59), "fortnightly", ("basic", 6430), (("carer-premium", 2950), ("child", 5623))),
    Benefit(
        "EmploymentAndSupportAllowanceIncome",
        (19, 63),
        "fortnightly",
        ("basic", 6430),
        (("work-related-activity", 2550), ("support", 3085), ("severe-disability-premium", 5285)),
    ),
    Benefit("StatePension", (66, 94), "four-weekly", ("basic", 9525), (("additional", 2140),)),
    Benefit("PensionCredit", (61, 94), "weekly", ("guarantee-credit", 4710), (("savings-credit", 1120),)),
    Benefit("DisabilityLivingAllowance", (18, 64), "four-weekly", ("care", 4710), (("mobility", 4910),)),
    Benefit("CarersAllowance", (18, 64), "four-weekly", ("basic", 5310)),
)
"""Those that version 1.0 knows."""
_FROM_1_1: Final = (
    Benefit(
        "UniversalCredit",
        (18, 65),
        "monthly",
        ("standard-allowance", 31155),
        (("child", 27208), ("housing-costs", 45000), ("limited-capability-activity", 30390), ("carer", 14419)),
        tapered=True,
    ),
    Benefit(
        "PersonalIndependencePayment",
        (16, 64),
        "four-weekly",
        ("daily-living", 5300),
        (("mobility", 2100),),
        rate="standard",
    ),
    Benefit(
        "WorkingTaxCredit",
        (25, 64),
        "four-weekly",
        ("basic", 3692),
        (("couple-or-lone-parent", 3750), ("thirty-hours", 1519), ("childcare", 9800)),
        tapered=True,
    ),
    Benefit("ChildTaxCredit", (18, 55), "four-weekly", ("family", 1048), (("child", 5221),), tapered=True),
)
BENEFITS_1_1: Final = (*BENEFITS_1_0, *_FROM_1_1, *_FROM_1_1)
"""Those that version 1.1 knows; the later ones come as often as the others."""
_UNITS: Final = {"weekly": 1, "fortnightly": 2, "four-weekly": 4, "monthly": 1}


class AwardNotice:
    """One notice after its number, written in the order of the schema."""

    def __init__(self, xml: XmlWriter, random: Random, today: date, benefits: Sequence[Benefit]) -> None:
        self.xml = xml
        self.random = random
        self.today = today
        self.first_version = benefits is BENEFITS_1_0
        self.benefit = random.choice(benefits)
        self.person = people.person(random, today, *self.benefit.ages)
        self.extras = [extra for extra in self.benefit.extras if random.random() < 0.4]
        self.decided = day_before(random, today, 0, 6)

    def write(self, event: str) -> None:
        xml, random = self.xml, self.random
        write_claim(xml, random)
        known = self.first_version or random.random() >= _NUMBER_UNKNOWN
        write_person(xml, random, self.person, number_known=known)
        xml.leaf("PersonRole", random.choice(("claimant", "claimant", "claimant", "partner", "non-dependant")))
        xml.leaf("AwardedBenefit", self.benefit.code)
        xml.day("DecidedOn", self.decided)
        if event == "start":
            self._start()
        elif event == "change":
            self._change()
        else:
            self._end()

    def _start(self) -> None:
        first = self.decided - timedelta(days=self.random.randint(0, 40))
        with self.xml.element("AwardStart"):
            self.xml.day("StartsOn", first)
            with self.xml.element("Award"):
                self._period(first, self.benefit.basic[1])

    def _change(self) -> None:
        xml, random = self.xml, self.random
        before = random.randint(self.benefit.basic[1] * 8 // 10, self.benefit.basic[1] - 1)
        changes = self.decided + timedelta(days=random.randint(-20, 20))
        began = changes - timedelta(days=random.randint(60, 900))
        # From version 1.1 on, the first of a document has two periods, so that a defect can disturb their order.
        two_periods = not self.first_version and xml.counts["AwardChange"] == 0
        with xml.element("AwardChange"):
            xml.day("ChangesOn", changes)
            xml.leaf("ChangeReason", random.choice(("uprating", "circumstances", "component", "correction")))
            with xml.element("Before"):
                self._period(began, before, changes - timedelta(days=1))
            with xml.element("Award"):
                if random.random() < 0.15 or two_periods:
                    middle = changes + timedelta(days=random.randint(13, 90))
                    self._period(changes, before + 1, middle)
                    changes = middle + timedelta(days=1)
                self._period(changes, self.benefit.basic[1])

    def _end(self) -> None:
        random = self.random
        last = self.decided + timedelta(days=random.randint(-10, 10))
        with self.xml.element("AwardEnd"):
            self.xml.day("StartedOn", last - timedelta(days=random.randint(30, 2500)))
            self.xml.day("EndsOn", last)
            self.xml.leaf("EndReason", random.choice(("work", "other-benefit", "no-longer-entitled", "death")))

    def _period(self, first: date, basic: int, last: date | None = None) -> None:
        """A period whose amount is the sum of its components, less what earnings take off."""
        xml, random, units = self.xml, self.random, _UNITS[self.benefit.every]
        components = [(self.benefit.basic[0], basic), *self.extras]
        total = sum(pence for _, pence in components) * units
        with xml.element("AwardPeriod"):
            xml.day("PeriodFrom", first)
            xml.day("PeriodTo", last)
            xml.leaf("PaidEvery", self.benefit.every)
            for kind, pence in components:
                with xml.element("Component"):
                    xml.leaf("ComponentKind", kind)
                    xml.leaf("ComponentRate", self.benefit.rate)
                    xml.leaf("ComponentAmount", _in_pounds(pence * units))
            if self.benefit.tapered and random.random() < 0.6:
                reduction = random.randint(1, total * 6 // 10)
                total -= reduction
                with xml.element("Reduction"):
                    xml.leaf("ReductionKind", random.choice(("earnings", "earnings", "other-income", "capital")))
                    xml.leaf("ReductionAmount", _in_pounds(reduction))
            if random.random() < 0.15:
                with xml.element("Deduction"):
                    xml.leaf("DeductionKind", random.choice(("overpayment", "social-fund", "rent-arrears", "fuel")))
                    xml.leaf("DeductionAmount", people.pounds(random, 3, 12))
            xml.money("AwardAmount", _in_pounds(total))


def write_claim(xml: XmlWriter, random: Random) -> None:
    """The authority's claim references, which the Department knows more often than not."""
    if random.random() < 0.6:
        xml.leaf("HbReference", f"{random.randrange(10**7):07d}")
        xml.leaf("CtbReference", f"{random.randrange(10**7):07d}")


def write_person(xml: XmlWriter, random: Random, person: Person, *, number_known: bool = True) -> None:
    """Whom a notice is about."""
    with xml.element("Person"):
        if number_known:
            xml.leaf("Nino", person.nino)
        xml.name(person)
        xml.day("DateOfBirth", person.born)
        xml.address(people.home(random))


def _in_pounds(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02d}"
