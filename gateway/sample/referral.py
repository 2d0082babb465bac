"""Made-up referrals: a claim that the authority and the Department describe differently, and what to do about it.

Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample.match import RULES, MatchWriter
from gateway.sample.people import day_before, pounds
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_sampler import SampleRequest, XmlSampler
from gateway.sample.xml_writer import XmlWriter

NAMESPACE: Final = "urn:gateway:referral:1.0"


def referral_sampler() -> XmlSampler:
    """Documents of the flow `referral`."""
    return XmlSampler("referral", "referrals", _write)


def _write(request: SampleRequest) -> str:
    random, today = request.random, request.today
    count = random.choice((1, 2, 3, 3, 4, 6))
    xml = XmlWriter("Referrals", NAMESPACE)
    with xml.element("Header"):
        write_header(xml, "REF", request.sender, request.recipient, random, today)
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
    return xml.text()


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
