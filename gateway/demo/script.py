"""What the demonstration sends, and how each file has to come out: the sheet that the result is held against."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from gateway.demo.sites import AUTHORITIES, DWP
from gateway.flows.catalog import FLOWS
from gateway.sample.catalog import versions
from gateway.sample.contract import Sample, Sampler
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.settings.model import SiteKind
from gateway.validation.exceptions import OF_RECORD

SEED: Final = 2009
_VALID: Final[Mapping[str, int]] = {
    "claim": 8,
    "etd": 3,
    "referral": 4,
    "laid": 4,
    "scan": 2,
    "outcome": 0,  # what answers is made when there is something to answer: `loop`
    "extract": 0,
    "redirect": 1,
    "enquiry": 1,
    "reply": 1,
    "faults": 1,
}
"""How many valid files of a flow each authority gets or sends."""

_EVERY: Final[Mapping[str, int]] = {
    "claim": 5,
    "etd": 6,
    "referral": 5,
    "laid": 2,
    "scan": 8,
    "outcome": 6,
    "extract": 2,
    "redirect": 6,
    "enquiry": 8,
    "reply": 12,
    "faults": 12,
}
"""One defect in so many is shown: `gateway sample --list-defects` names them all, and the tests try them all."""
_SIDE_BY_SIDE: Final = 800
"""Where the numbers of files of each version begin, so that no two files have one name."""


class Ending(StrEnum):
    """How a file has to come out."""

    DELIVERED = "delivered"
    """Byte for byte in the partner's inbound directory, and receipted."""
    RETURNED = "returned"
    """Back in spool/returned with the reason; never at the partner."""
    WITH_EXCEPTIONS = "delivered-with-exceptions"
    """As DELIVERED, with something odd in one of its records, and the list of that beside it at both ends."""
    RELEASED = "released"
    """Held as a suspected duplicate, then released by a person, and delivered."""


@dataclass(frozen=True)
class Act:
    """One file of the demonstration."""

    flow: str
    sender: str
    recipient: str
    sample: Sample
    ending: Ending
    expected_code: str | None = None
    schema: str | None = None
    """The version of its schema that it has to be read as, where that is to be seen."""

    @property
    def name(self) -> str:
        return self.sample.name


def acts(samplers: Mapping[str, Sampler], today: date, seed: int = SEED) -> Iterator[Act]:
    """Every file, in the order in which it is dropped."""
    for authority in AUTHORITIES:
        for flow, sampler in samplers.items():
            sender, recipient = _ends(flow, authority)
            # Each file draws from its own stream, so that a change in one sampler leaves the others' files as they were.
            for index in range(_VALID.get(flow, 2)):
                drawn = random.Random(f"{seed}/{flow}/{authority}/{index}")
                sample = sampler.make(sender=sender, recipient=recipient, index=index, random=drawn, today=today)
                yield Act(flow, sender, recipient, sample, Ending.DELIVERED)
        yield from _side_by_side(authority, today, seed)
        yield from _defective(samplers, authority, today, seed)
    yield from _of_another(samplers, today, seed)
    yield from _twice(samplers, today, seed)


def _side_by_side(authority: str, today: date, seed: int) -> Iterator[Act]:
    """A file of each version of a schema that has several: nobody has said anywhere which of them is to come."""
    for flow, makers in versions().items():
        sender, recipient = _ends(flow, authority)
        for number, (version, sampler) in enumerate(makers.items()):
            schema = f"{flow}/{version}"
            drawn = random.Random(f"{seed}/{schema}/{authority}")
            index = _SIDE_BY_SIDE + number
            sample = sampler.make(sender=sender, recipient=recipient, index=index, random=drawn, today=today)
            yield Act(flow, sender, recipient, sample, Ending.DELIVERED, schema=schema)


def _defective(samplers: Mapping[str, Sampler], authority: str, today: date, seed: int) -> Iterator[Act]:
    for flow, sampler in samplers.items():
        sender, recipient = _ends(flow, authority)
        # A few of the flow's defects to each authority, no two alike.
        mine = AUTHORITIES.index(authority)
        chosen = sorted(sampler.defects.items())[mine :: len(AUTHORITIES)][:: _EVERY.get(flow, 1)]
        for number, (defect, code) in enumerate(chosen):
            drawn = random.Random(f"{seed}/{flow}/{authority}/{defect}")
            sample = sampler.make(
                sender=sender, recipient=recipient, index=900 + number, random=drawn, today=today, defect=defect
            )
            yield Act(flow, sender, recipient, sample, _ending(flow, code), code)


def _ending(flow: str, code: str) -> Ending:
    """How a file with that one fault has to come out: a fault of one record in hundreds does not stop an extract."""
    reports = DEFAULT_FLOWS[flow].tolerated_percent > 0 and code in OF_RECORD
    return Ending.WITH_EXCEPTIONS if reports else Ending.RETURNED


def _of_another(samplers: Mapping[str, Sampler], today: date, seed: int) -> Iterator[Act]:
    """An extract that its name says to be another authority's."""
    sender, other = AUTHORITIES[:2]
    drawn = random.Random(f"{seed}/extract/{sender}/other")
    sample = samplers["extract"].make(sender=other, recipient=DWP, index=700, random=drawn, today=today)
    yield Act("extract", sender, DWP, sample, Ending.RETURNED, "extract-authority")


def _ends(flow: str, authority: str) -> tuple[str, str]:
    """Who sends such a file and who gets it; between authorities, it is the other one that gets it."""
    match FLOWS[flow].ends:
        case (SiteKind.DWP, SiteKind.LA):
            return DWP, authority
        case (SiteKind.LA, SiteKind.DWP):
            return authority, DWP
        case _:
            return authority, next(other for other in AUTHORITIES if other != authority)


def _twice(samplers: Mapping[str, Sampler], today: date, seed: int) -> Iterator[Act]:
    """The first claim once more under another name: held, until a person releases it."""
    again = once_more(samplers, today, AUTHORITIES[0], "again", seed)
    yield Act("claim", DWP, AUTHORITIES[0], again, Ending.RELEASED, "suspected-duplicate")


def once_more(samplers: Mapping[str, Sampler], today: date, authority: str, mark: str, seed: int = SEED) -> Sample:
    """The first claim to an authority, under a name of its own."""
    drawn = random.Random(f"{seed}/claim/{authority}/0")
    first = samplers["claim"].make(sender=DWP, recipient=authority, index=0, random=drawn, today=today)
    stem, _, ending = first.name.rpartition(".")
    return Sample(f"{stem}_{mark}.{ending}", first.content, None)
