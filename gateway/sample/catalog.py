"""The makers of sample files that there are, one for each flow; and how a run of files draws its random numbers.

Raises FileNotFoundError where the installation lacks its schemas, and nothing else.
"""

from __future__ import annotations

import random as randomness
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType

from gateway.sample.answers import Match, all_but_a_few
from gateway.sample.claim import claim_sampler
from gateway.sample.contract import AnsweringSampler, Sample, Sampler
from gateway.sample.enquiry import enquiry_sampler, reply_sampler
from gateway.sample.etd import etd_sampler
from gateway.sample.extract import ExtractSampler
from gateway.sample.faults import faults_sampler
from gateway.sample.laid import LaidSampler
from gateway.sample.outcome import OutcomeSampler
from gateway.sample.redirect import redirect_sampler
from gateway.sample.referral import referral_sampler
from gateway.sample.scan import scan_sampler
from gateway.settings.resources import resource


def samplers() -> Mapping[str, Sampler]:
    """Every flow's sampler, by the name of the flow."""
    to_authorities: tuple[Sampler, ...] = (
        LaidSampler(),
        claim_sampler(),
        referral_sampler(),
        scan_sampler(),
        etd_sampler(),
    )
    made = (
        *to_authorities,
        ExtractSampler(resource("schemas")),
        OutcomeSampler(),
        redirect_sampler(to_authorities),
        enquiry_sampler(LaidSampler()),
        reply_sampler(LaidSampler()),
        faults_sampler(),
    )
    return MappingProxyType({sampler.flow: sampler for sampler in made})


def versions() -> Mapping[str, Mapping[str, Sampler]]:
    """The flows whose schema has several versions side by side: the sampler of each version, the newest first."""
    return MappingProxyType({"etd": {"1.1": etd_sampler("1.1"), "1.0": etd_sampler("1.0")}})


def series(
    sampler: Sampler,
    *,
    sender: str,
    recipient: str,
    count: int,
    seed: int,
    today: date,
    defect: str | None = None,
) -> Iterator[Sample]:
    """Files 1 to `count` of a run. Each draws from a source of its own, so file 7 is the same however many there are.

    KeyError for a defect that the flow does not have.
    """
    for index in range(1, count + 1):
        drawn = randomness.Random(f"{seed}/{sampler.flow}/{sender}/{recipient}/{index}")
        yield sampler.make(sender=sender, recipient=recipient, index=index, random=drawn, today=today, defect=defect)


def answering(
    sampler: AnsweringSampler, asked: Sequence[Sequence[Match]], *, sender: str, seed: int, today: date
) -> Iterator[Sample]:
    """The files by which an authority answers the matches of these documents, all but a few of them."""
    drawn = randomness.Random(f"{seed}/{sampler.flow}/{sender}/answers")
    answered = [matches for matches in all_but_a_few(asked, drawn) if matches]
    if sampler.one_for_all:
        answered = [[match for matches in answered for match in matches]]
    for index, matches in enumerate(answered, 1):
        yield sampler.answer(matches, sender=sender, index=index, random=drawn, today=today)
