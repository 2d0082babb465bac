"""Made-up outcomes: what an authority did about referrals and scan results, and what came of it.

`answer` writes the outcomes of given matches, so that the loop from referral to outcome can be shown. Safe to hand around: see
`people`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Final

from gateway.sample import people
from gateway.sample.answers import Match
from gateway.sample.contract import Sample
from gateway.sample.match import RULES
from gateway.sample.people import day_before, pounds
from gateway.sample.xml_envelope import AUTHORITY_OFFICES, write_header
from gateway.sample.xml_sampler import SampleRequest, XmlSampler
from gateway.sample.xml_writer import XmlWriter

NAMESPACE: Final = "urn:gateway:outcome:1.0"
_UNCHANGED: Final = ("already-known", "already-adjusted", "not-the-same-person", "within-disregard", "nothing-found")
_CAUSES: Final = ("claimant-error", "claimant-error", "claimant-fraud", "authority-error", "no-fault")
_ACTIVITIES: Final = ("letter", "telephone", "interview", "third-party", "visit")


class OutcomeSampler:
    """Documents of the flow `outcome`, and those that answer given matches (`contract.AnsweringSampler`)."""

    flow: Final = "outcome"
    one_for_all: Final = False

    def __init__(self) -> None:
        self._documents = XmlSampler(self.flow, "outcomes", _made_up)
        self.defects = self._documents.defects
        self.make = self._documents.make

    def answer(self, matches: Sequence[Match], *, sender: str, index: int, random: Random, today: date) -> Sample:
        """The outcomes of these matches."""
        return self._documents.sample(_write(matches, sender, random, today), index, today)


def _made_up(request: SampleRequest) -> str:
    """The outcomes of matches that nobody has asked about."""
    random, today = request.random, request.today
    numbers = random.sample(range(10**9), random.randint(2, 8))
    matches = [Match(f"{number:09d}", random.choice(RULES)[0], day_before(random, today, 5, 60)) for number in numbers]
    return _write(matches, request.sender, random, today)


def _write(matches: Sequence[Match], sender: str, random: Random, today: date) -> str:
    xml = XmlWriter("Outcomes", NAMESPACE)
    with xml.element("Header"):
        write_header(xml, "OUT", sender, sender, random, today, offices=AUTHORITY_OFFICES)
        xml.leaf("OutcomeCount", str(len(matches)))
    for number, match in enumerate(matches):
        # Most referrals change nothing; in a document of several there is at least one of each kind.
        changed = (number == 0 and len(matches) > 1) or (number > 1 and random.random() < 0.4)
        with xml.element("Outcome"):
            _write_outcome(xml, random, today, match, changed=changed)
    with xml.element("Trailer"):
        xml.leaf("RecordCount", str(xml.counts["Outcome"]))
        xml.leaf("AdjustmentCount", str(xml.counts["Adjustment"]))
        xml.leaf("NoAdjustmentCount", str(xml.counts["NoAdjustment"]))
        xml.total("OverpaymentTotal", "OverpaymentAmount")
        xml.total("UnderpaymentTotal", "UnderpaymentAmount")
    return xml.text()


def _write_outcome(xml: XmlWriter, random: Random, today: date, match: Match, *, changed: bool) -> None:
    """One outcome, in the order of the schema."""
    decided = min(today, match.matched + timedelta(days=random.randint(3, 40)))
    cause = random.choice(_CAUSES)
    xml.leaf("RmsNumber", match.rms)
    xml.leaf("RuleId", match.rule)
    xml.day("MatchDate", match.matched)
    with xml.element("Claim"):
        xml.leaf("HbReference", f"{random.randrange(10**7):07d}")
        if random.random() < 0.7:
            xml.leaf("CtbReference", f"{random.randrange(10**7):07d}")
        xml.leaf("Nino", people.nino(random))
    for kind in ("records-checked", *random.sample(_ACTIVITIES, random.choice((0, 1, 1, 2)))):
        with xml.element("Activity"):
            started = match.matched + timedelta(days=random.randint(0, (decided - match.matched).days))
            xml.leaf("ActivityKind", kind)
            xml.day("StartedOn", started)
            xml.flag("FullReview", kind == "visit")
            xml.day("CompletedOn", decided)
    if changed:
        _write_adjustment(xml, random, match, cause)
    else:
        with xml.element("NoAdjustment"):
            xml.leaf("NoAdjustmentReason", random.choice(_UNCHANGED))
    xml.day("DecidedOn", decided)
    if changed and cause == "claimant-fraud":
        xml.leaf("FraudAction", random.choice(("caution", "administrative-penalty", "prosecution")))


def _write_adjustment(xml: XmlWriter, random: Random, match: Match, cause: str) -> None:
    underpaid = cause in ("authority-error", "no-fault") and random.random() < 0.5
    with xml.element("Adjustment"):
        xml.day("EffectiveFrom", day_before(random, match.matched, 20, 500))
        xml.leaf("Cause", cause)
        for benefit in ("HousingBenefit", "CouncilTaxBenefit")[: random.choice((1, 1, 2))]:
            with xml.element("Change"):
                xml.leaf("ChangedBenefit", benefit)
                lower, higher = pounds(random, 0, 40), pounds(random, 45, 130)
                xml.leaf("WeeklyBefore", lower if underpaid else higher)
                xml.leaf("WeeklyAfter", higher if underpaid else lower)
                xml.money("UnderpaymentAmount" if underpaid else "OverpaymentAmount", pounds(random, 30, 4_000))
