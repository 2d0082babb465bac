"""Made-up boards of known faults."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.domain.known_faults import NO_WORKAROUND, Board, FaultState, KnownFault, write
from gateway.domain.xml_lines import Office
from gateway.sample import people
from gateway.sample.people import day_before
from gateway.sample.xml_envelope import OFFICES, created_on, message_id
from gateway.sample.xml_sampler import SampleRequest, XmlSampler

_KNOWN: Final = (
    ("ETD-{}", "Notices of one run came twice.", "Ignore those with a message id that you have."),
    ("LACI-{}", "Claims taken at home visits lack the tenancy's first day.", "Ask the claimant."),
    ("HBMS-{}", "Referrals of the rule for earnings name a closed claim.", "Answer: already known."),
    ("LAID-{}", "Pages seven and eight are in turned order.", None),
    ("SHBE-{}", "Extracts of more than two gigabytes are receipted late.", "Send before noon."),
)


def faults_sampler() -> XmlSampler:
    """Documents of the flow `faults`."""
    return XmlSampler("faults", "faults", _write)


def _write(request: SampleRequest) -> str:
    random, today = request.random, request.today
    # At least two, so that every defect finds what it needs.
    known = [
        KnownFault(
            name.format(request.index * 10 + at), what, day_before(random, today, 6, 90), workaround or NO_WORKAROUND
        )
        for at, (name, what, workaround) in enumerate(random.sample(_KNOWN, random.randint(2, len(_KNOWN))))
    ]
    faults = tuple(replace(each, state=random.choice((FaultState.OPEN, *FaultState))) for each in known)
    code, name = random.choice(OFFICES)
    created = created_on(today, random)
    return write(
        Board(random.randint(1, 400), (created - timedelta(days=random.randint(1, 5))).timestamp(), faults),
        message_id("FLT", request.sender, random, today),
        Office(code, name, people.telephone(random)),
        created,
        request.recipient,
    ).decode()
