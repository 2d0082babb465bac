"""Made-up notices of the Department: documents of both versions of the schema, 1.1 unless another is asked for.

Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Literal

from gateway.sample.etd_awards import AWARD_EVENTS, BENEFITS_1_0, BENEFITS_1_1, AwardNotice
from gateway.sample.etd_others import OTHER_EVENTS, OtherNotice
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_sampler import SampleRequest, XmlSampler
from gateway.sample.xml_writer import XmlWriter


def etd_sampler(version: Literal["1.0", "1.1"] = "1.1") -> XmlSampler:
    """Documents of the flow `etd`."""
    return XmlSampler("etd", "notices", partial(_write, version), "" if version == "1.0" else f"etd/{version}")


def _write(version: str, request: SampleRequest) -> str:
    awards_alone = version == "1.0"
    random, today = request.random, request.today
    events = _events(random, awards_alone=awards_alone)
    xml = XmlWriter("Notices", f"urn:gateway:etd:{version}")
    with xml.element("Header"):
        write_header(xml, "ETD", request.sender, request.recipient, random, today)
        xml.leaf("NoticeCount", str(len(events)))
    for number, event in enumerate(events, 1):
        with xml.element("Notice"):
            xml.leaf("NoticeId", f"N{today:%y%m%d}-{random.randrange(10**6):06d}-{number:04d}")
            if event in AWARD_EVENTS:
                benefits = BENEFITS_1_0 if awards_alone else BENEFITS_1_1
                AwardNotice(xml, random, today, benefits).write(event)
            else:
                OtherNotice(xml, random, today, request.recipient).write(event)
    with xml.element("Trailer"):
        _write_trailer(xml, awards_alone=awards_alone)
    return xml.text()


def _events(random: Random, *, awards_alone: bool) -> list[str]:
    """One notice of each kind at least, in any order."""
    if awards_alone:
        events = [*AWARD_EVENTS, *random.choices(AWARD_EVENTS, (3, 5, 2), k=random.randint(0, 12))]
    else:
        every = (*AWARD_EVENTS, *OTHER_EVENTS)
        weights = (6, 10, 4, *[1] * len(OTHER_EVENTS))
        events = [*every, *random.choices(every, weights, k=random.randint(0, 6))]
    random.shuffle(events)
    return events


def _write_trailer(xml: XmlWriter, *, awards_alone: bool) -> None:
    counted = {
        "RecordCount": "Notice",
        "StartCount": "AwardStart",
        "ChangeCount": "AwardChange",
        "EndCount": "AwardEnd",
    }
    if not awards_alone:
        counted |= {
            "AssessmentCount": "PensionCreditAssessment",
            "NonDependantCount": "NonDependant",
            "InterestCount": "BusinessInterest",
        }
    for name, of in counted.items():
        xml.leaf(name, str(xml.counts[of]))
    xml.total("AwardTotal", "AwardAmount")
    if not awards_alone:
        xml.total("AssessedIncomeTotal", "AssessedIncomeFigure")
