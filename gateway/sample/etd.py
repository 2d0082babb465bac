"""Made-up award notices: awards of the Department's benefits that start, change or end.

Raises KeyError for a defect that is not in `defects`. Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample import people
from gateway.sample.contract import Sample
from gateway.sample.people import day_before
from gateway.sample.xml_defects import apply_defect, defects_of
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_writer import XmlWriter

NAMESPACE: Final = "urn:gateway:etd:1.0"


@dataclass(frozen=True)
class _Benefit:
    """A benefit with the ages of those who get it, how often it is paid, and its parts in pence a week of 2009."""

    code: str
    ages: tuple[int, int]
    every: str
    basic: tuple[str, int]
    extras: tuple[tuple[str, int], ...] = ()


_BENEFITS: Final = (
    _Benefit("JobseekersAllowanceIncome", (19, 59), "fortnightly", ("basic", 6430), (("couple", 3665),)),
    _Benefit("IncomeSupport", (18, 59), "fortnightly", ("basic", 6430), (("carer-premium", 2950), ("child", 5623))),
    _Benefit(
        "EmploymentAndSupportAllowanceIncome",
        (19, 63),
        "fortnightly",
        ("basic", 6430),
        (("work-related-activity", 2550), ("support", 3085), ("severe-disability-premium", 5285)),
    ),
    _Benefit("StatePension", (66, 94), "four-weekly", ("basic", 9525), (("additional", 2140),)),
    _Benefit("PensionCredit", (61, 94), "weekly", ("guarantee-credit", 4710), (("savings-credit", 1120),)),
    _Benefit("DisabilityLivingAllowance", (18, 64), "four-weekly", ("care", 4710), (("mobility", 4910),)),
    _Benefit("CarersAllowance", (18, 64), "four-weekly", ("basic", 5310)),
)
_WEEKS: Final = {"weekly": 1, "fortnightly": 2, "four-weekly": 4}
_EVENTS: Final = ("start", "change", "end")


class EtdSampler:
    """Documents of the flow `etd`."""

    @property
    def flow(self) -> str:
        return "etd"

    @property
    def defects(self) -> Mapping[str, str]:
        return defects_of(self.flow)

    def make(
        self, *, sender: str, recipient: str, index: int, random: Random, today: date, defect: str | None = None
    ) -> Sample:
        if defect is not None and defect not in self.defects:
            raise KeyError(defect)
        # A document has a notice of each kind at least, in any order.
        events = [*_EVENTS, *random.choices(_EVENTS, (3, 5, 2), k=random.randint(0, 12))]
        random.shuffle(events)
        xml = XmlWriter("Notices", NAMESPACE)
        with xml.element("Header"):
            write_header(xml, "ETD", sender, recipient, random, today)
            xml.leaf("NoticeCount", str(len(events)))
        for number, event in enumerate(events, 1):
            with xml.element("Notice"):
                xml.leaf("NoticeId", f"N{today:%y%m%d}-{random.randrange(10**6):06d}-{number:04d}")
                _Notice(xml, random, today).write(event)
        with xml.element("Trailer"):
            xml.leaf("RecordCount", str(xml.counts["Notice"]))
            xml.leaf("StartCount", str(xml.counts["AwardStart"]))
            xml.leaf("ChangeCount", str(xml.counts["AwardChange"]))
            xml.leaf("EndCount", str(xml.counts["AwardEnd"]))
            xml.total("AwardTotal", "AwardAmount")
        return apply_defect(f"notices-{today:%Y%m%d}-{index:05d}", xml.text(), defect, today)


class _Notice:
    """One notice after its number, written in the order of the schema."""

    def __init__(self, xml: XmlWriter, random: Random, today: date) -> None:
        self.xml = xml
        self.random = random
        self.today = today
        self.benefit = random.choice(_BENEFITS)
        self.person = people.person(random, today, *self.benefit.ages)
        self.extras = [extra for extra in self.benefit.extras if random.random() < 0.4]
        self.decided = day_before(random, today, 0, 6)

    def write(self, event: str) -> None:
        xml, random = self.xml, self.random
        if random.random() < 0.6:
            xml.leaf("HbReference", f"{random.randrange(10**7):07d}")
            xml.leaf("CtbReference", f"{random.randrange(10**7):07d}")
        with xml.element("Person"):
            xml.leaf("Nino", self.person.nino)
            xml.name(self.person)
            xml.day("DateOfBirth", self.person.born)
            xml.address(people.home(random))
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
        with xml.element("AwardChange"):
            xml.day("ChangesOn", changes)
            xml.leaf("ChangeReason", random.choice(("uprating", "circumstances", "component", "correction")))
            with xml.element("Before"):
                self._period(began, before, changes - timedelta(days=1))
            with xml.element("Award"):
                if random.random() < 0.15:
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
        """A period whose amount is the sum of its components."""
        xml, random, weeks = self.xml, self.random, _WEEKS[self.benefit.every]
        components = [(self.benefit.basic[0], basic), *self.extras]
        with xml.element("AwardPeriod"):
            xml.day("PeriodFrom", first)
            xml.day("PeriodTo", last)
            xml.leaf("PaidEvery", self.benefit.every)
            for kind, pence in components:
                with xml.element("Component"):
                    xml.leaf("ComponentKind", kind)
                    xml.leaf("ComponentAmount", _in_pounds(pence * weeks))
            if random.random() < 0.15:
                with xml.element("Deduction"):
                    xml.leaf("DeductionKind", random.choice(("overpayment", "social-fund", "rent-arrears", "fuel")))
                    xml.leaf("DeductionAmount", people.pounds(random, 3, 12))
            xml.money("AwardAmount", _in_pounds(sum(pence for _, pence in components) * weeks))


def _in_pounds(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02d}"
