"""Made-up notices of the Department: documents of both versions of the schema, 1.1 unless another is asked for.

Raises KeyError for a defect that is not in `defects`. Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from random import Random
from typing import Final, Literal

from gateway.sample.contract import Sample
from gateway.sample.etd_awards import AWARD_EVENTS, BENEFITS_1_0, BENEFITS_1_1, AwardNotice
from gateway.sample.etd_others import OTHER_EVENTS, OtherNotice
from gateway.sample.xml_defects import apply_defect, defects_of
from gateway.sample.xml_envelope import write_header
from gateway.sample.xml_writer import XmlWriter


class EtdSampler:
    """Documents of the flow `etd`; `version` is 1.0 or 1.1."""

    def __init__(self, version: Literal["1.0", "1.1"] = "1.1") -> None:
        self.version: Final = version
        self._awards_alone = version == "1.0"

    @property
    def flow(self) -> str:
        return "etd"

    @property
    def defects(self) -> Mapping[str, str]:
        own = {} if self._awards_alone else defects_of(f"{self.flow}/{self.version}")
        return {**defects_of(self.flow), **own}

    def make(
        self, *, sender: str, recipient: str, index: int, random: Random, today: date, defect: str | None = None
    ) -> Sample:
        if defect is not None and defect not in self.defects:
            raise KeyError(defect)
        events = self._events(random)
        xml = XmlWriter("Notices", f"urn:gateway:etd:{self.version}")
        with xml.element("Header"):
            write_header(xml, "ETD", sender, recipient, random, today)
            xml.leaf("NoticeCount", str(len(events)))
        for number, event in enumerate(events, 1):
            with xml.element("Notice"):
                xml.leaf("NoticeId", f"N{today:%y%m%d}-{random.randrange(10**6):06d}-{number:04d}")
                if event in AWARD_EVENTS:
                    benefits = BENEFITS_1_0 if self._awards_alone else BENEFITS_1_1
                    AwardNotice(xml, random, today, benefits).write(event)
                else:
                    OtherNotice(xml, random, today, recipient).write(event)
        with xml.element("Trailer"):
            self._trailer(xml)
        return apply_defect(f"notices-{today:%Y%m%d}-{index:05d}", xml.text(), defect, today)

    def _events(self, random: Random) -> list[str]:
        """One notice of each kind at least, in any order."""
        if self._awards_alone:
            events = [*AWARD_EVENTS, *random.choices(AWARD_EVENTS, (3, 5, 2), k=random.randint(0, 12))]
        else:
            every = (*AWARD_EVENTS, *OTHER_EVENTS)
            weights = (6, 10, 4, *[1] * len(OTHER_EVENTS))
            events = [*every, *random.choices(every, weights, k=random.randint(0, 6))]
        random.shuffle(events)
        return events

    def _trailer(self, xml: XmlWriter) -> None:
        counted = {
            "RecordCount": "Notice",
            "StartCount": "AwardStart",
            "ChangeCount": "AwardChange",
            "EndCount": "AwardEnd",
        }
        if not self._awards_alone:
            counted |= {
                "AssessmentCount": "PensionCreditAssessment",
                "NonDependantCount": "NonDependant",
                "InterestCount": "BusinessInterest",
            }
        for name, of in counted.items():
            xml.leaf(name, str(xml.counts[of]))
        xml.total("AwardTotal", "AwardAmount")
        if not self._awards_alone:
            xml.total("AssessedIncomeTotal", "AssessedIncomeFigure")
