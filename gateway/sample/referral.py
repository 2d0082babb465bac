"""Made-up referrals: a claim that the authority and the Department describe differently, and what to do about it.

Raises KeyError for a defect that is not in `defects`. Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample.contract import Sample
from gateway.sample.match import RULES, MatchWriter
from gateway.sample.people import day_before, pounds
from gateway.sample.xml_defects import apply_defect, defects_of
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_writer import XmlWriter

NAMESPACE: Final = "urn:gateway:referral:1.0"


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
        self.match = MatchWriter(xml, random, today, self.matched)
        self.rule, self.fact, self.held_in = random.choice(RULES)

    def write(self) -> None:
        xml, random = self.xml, self.random
        xml.leaf("RmsNumber", f"{random.randrange(10**9):09d}")
        xml.leaf("RuleId", self.rule)
        xml.day("MatchDate", self.matched)
        xml.leaf("Priority", random.choice("12223"))
        self.match.write_claim()
        with xml.element("Discrepancies"):
            self.match.write_discrepancy(self.fact, self.held_in)
            if random.random() < 0.3:
                self.match.write_discrepancy("earnings", "paye")
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
