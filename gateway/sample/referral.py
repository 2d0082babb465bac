"""Made-up referrals: a claim that the authority and the Department describe differently, and what to do about it.

Raises KeyError for a defect that is not in `defects`. Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample import people
from gateway.sample.contract import Sample
from gateway.sample.people import Person, day_before, pounds
from gateway.sample.xml_defects import apply_defect, defects_of
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_writer import XmlWriter

NAMESPACE: Final = "urn:gateway:referral:1.0"
_RULES: Final = (
    ("HBTC003/CTTC003", "earnings", "paye"),
    ("HBTC011/CTTC011", "tax-credit", "tax-credits"),
    ("HBES021/CTES021", "benefit", "esa"),
    ("HBPC007/CTPC007", "pension", "pension-credit"),
    ("HBSV002", "capital", "savings"),
    ("HBDD001/CTDD001", "date-of-death", "deaths"),
    ("HBAD014", "address", "cis"),
    ("HBNI005", "nino", "cis"),
    ("HBND009", "non-dependant", "jsa"),
)


class ReferralSampler:
    """Documents of the flow `referral`."""

    @property
    def flow(self) -> str:
        return "referral"

    @property
    def defects(self) -> Mapping[str, str]:
        return defects_of(self.flow)

    def make(
        self, *, sender: str, recipient: str, index: int, random: Random, today: date, defect: str | None = None
    ) -> Sample:
        if defect is not None and defect not in self.defects:
            raise KeyError(defect)
        count = random.choice((1, 2, 3, 3, 4, 6))
        xml = XmlWriter("Referrals", NAMESPACE)
        with xml.element("Header"):
            write_header(xml, "REF", sender, recipient, random, today)
            xml.leaf("RunId", f"RUN-{today:%Y%m%d}-{random.randrange(100):02d}")
            last_month = today.replace(day=1) - timedelta(days=1)
            xml.leaf("ExtractMonth", f"{last_month:%Y-%m}")
            xml.leaf("ReferralCount", str(count))
        for _ in range(count):
            with xml.element("Referral"):
                _Referral(xml, random, today).write()
        with xml.element("Trailer"):
            xml.leaf("RecordCount", str(xml.counts["Referral"]))
            xml.leaf("DiscrepancyCount", str(xml.counts["Discrepancy"]))
            xml.total("WeeklyTotal", "WeeklyDifference")
        return apply_defect(f"referrals-{today:%Y%m%d}-{index:05d}", xml.text(), defect, today)


class _Referral:
    """One referral, written in the order of the schema."""

    def __init__(self, xml: XmlWriter, random: Random, today: date) -> None:
        self.xml = xml
        self.random = random
        self.today = today
        self.matched = day_before(random, today, 1, 12)
        self.claimant = people.person(random, today, 19, 88)
        self.partner = people.person(random, today, 19, 88) if random.random() < 0.4 else None
        self.rule, self.fact, self.held_in = random.choice(_RULES)

    def write(self) -> None:
        xml, random = self.xml, self.random
        xml.leaf("RmsNumber", f"{random.randrange(10**9):09d}")
        xml.leaf("RuleId", self.rule)
        xml.day("MatchDate", self.matched)
        xml.leaf("Priority", random.choice("12223"))
        self._claim()
        with xml.element("Discrepancies"):
            self._discrepancy(self.fact, self.held_in)
            if random.random() < 0.3:
                self._discrepancy("earnings", "paye")
        if random.random() < 0.6:
            with xml.element("Suspicion"):
                start = day_before(random, self.matched, 30, 700)
                xml.day("OverpaidFrom", start)
                if random.random() < 0.3:
                    xml.day("OverpaidTo", start + timedelta(days=random.randint(7, 28)))
                xml.money("OverpaidEstimate", pounds(random, 40, 6_000))
                xml.flag("FraudSuspected", random.random() < 0.3)
        xml.leaf("RequestedAction", random.choice(("review-claim", "review-claim", "interview", "correct-record")))
        xml.day("ReplyBy", self.matched + timedelta(days=42))
        if random.random() < 0.3:
            xml.leaf("Remark", "Dates overlap with the award; check with the landlord & the employer.")

    def _claim(self) -> None:
        xml, random = self.xml, self.random
        with xml.element("Claim"):
            xml.leaf("HbReference", f"{random.randrange(10**7):07d}")
            if random.random() < 0.7:
                xml.leaf("CtbReference", f"{random.randrange(10**7):07d}")
            self._person("Claimant", self.claimant)
            if self.partner is not None:
                self._person("Partner", self.partner)
            xml.address(people.home(random))
            xml.day("InPaymentSince", day_before(random, self.matched, 60, 2500))

    def _person(self, role: str, person: Person) -> None:
        with self.xml.element(role):
            self.xml.leaf("Nino", person.nino)
            self.xml.name(person)
            self.xml.day("DateOfBirth", person.born)
            self.xml.leaf("Gender", person.gender)

    def _discrepancy(self, fact: str, held_in: str) -> None:
        xml, random = self.xml, self.random
        with xml.element("Discrepancy"):
            xml.leaf("Subject", "partner" if self.partner and random.random() < 0.3 else "claimant")
            xml.leaf("Fact", fact)
            with xml.element("Theirs"):
                xml.leaf("HeldIn", "extract")
                xml.day("AsAt", day_before(random, self.matched, 10, 40))
                if random.random() < 0.3 or fact in ("date-of-death", "non-dependant"):
                    xml.leaf("Nothing", "none-held")
                else:
                    self._value(fact)
            with xml.element("Ours"):
                xml.leaf("HeldIn", held_in)
                xml.day("AsAt", day_before(random, self.matched, 1, 40))
                self._value(fact)
            if fact in ("earnings", "tax-credit", "benefit", "pension"):
                xml.money("WeeklyDifference", pounds(random, 3, 190))

    def _value(self, fact: str) -> None:
        xml, random = self.xml, self.random
        if fact == "nino":
            xml.leaf("Number", people.nino(random))
        elif fact == "date-of-death":
            xml.day("Day", day_before(random, self.matched, 20, 200))
        elif fact == "address":
            with xml.element("Place"):
                xml.address_parts(people.home(random))
        elif fact == "non-dependant":
            xml.leaf("Text", f"{people.person(random, self.today, 18, 60).full_name}, claims from this address")
        else:
            xml.leaf("Amount", pounds(random, 5, 400))
