"""Made-up redirects: a file of another flow that reached the wrong authority, with its history, on its way to the right one.

`wrap` does the same with any file. Safe to hand around: what is inside is made up as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Final

from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.redirect import Holding, Original, Redirect, write
from gateway.domain.xml_lines import Office
from gateway.sample import people
from gateway.sample.contract import Sample, Sampler
from gateway.sample.people import day_before
from gateway.sample.xml_envelope import AUTHORITY_OFFICES, created_on, message_id
from gateway.sample.xml_sampler import SampleRequest, XmlSampler

_INSIDE: Final = MappingProxyType({"laid": "javascript", "claim": "nino"})
"""The defect of the file inside, by its flow, where that is what is wrong."""
_PREFIX: Final = "inside-"
_REASONS: Final = ("address-elsewhere", "address-elsewhere", "moved", "boundary-changed", "landlord-elsewhere")
_STOPS: Final = ("E07000223", "W06000024", "E08000035")
"""Authorities that a file may have reached before."""


def redirect_sampler(originals: Sequence[Sampler]) -> XmlSampler:
    """Documents of the flow `redirect`; `originals` make what is inside them."""
    makers = {sampler.flow: sampler for sampler in originals}
    inside = {f"{_PREFIX}{flow}": sampler.defects[_INSIDE[flow]] for flow, sampler in makers.items() if flow in _INSIDE}
    return XmlSampler("redirect", "redirect", partial(_write, makers), inside=inside)


def _write(makers: Mapping[str, Sampler], request: SampleRequest) -> str:
    random, today, defect = request.random, request.today, request.defect or ""
    inside = defect.removeprefix(_PREFIX) if defect.startswith(_PREFIX) else None
    flow = inside or random.choice(sorted(makers))
    holdings = _history(request.sender, request.recipient, random, today)
    original = makers[flow].make(
        sender="DWP",
        recipient=holdings[0].holder,
        index=request.index,
        random=random,
        today=holdings[0].received,
        defect=None if inside is None else _INSIDE[inside],
    )
    return wrap(original, flow, holdings, random, today)


def wrap(original: Sample, flow: str, holdings: Sequence[Holding], random: Random, today: date) -> str:
    """The document that carries a file on from the last of its holders."""
    identity = message_id("RED", holdings[-1].holder, random, today)
    code, name = random.choice(AUTHORITY_OFFICES)
    office = Office(code, name, people.telephone(random))
    created = created_on(today, random)
    inside = Original(flow, original.name, original.content)
    return write(Redirect(identity, office, created, tuple(holdings), inside)).decode()


def _history(sender: str, recipient: str, random: Random, today: date) -> list[Holding]:
    """Mostly the sender alone; now and then another authority before it."""
    earlier = [code for code in _STOPS if code not in (sender, recipient)]
    holders = [random.choice(earlier), sender] if random.random() < 0.15 else [sender]
    passed_to = [*holders[1:], recipient]
    history: list[Holding] = []
    received_from, received = "DWP", day_before(random, today, 6, 20)
    for holder, following in zip(holders, passed_to, strict=True):
        passed = today if following == recipient else received + timedelta(days=random.randint(0, 3))
        moment = datetime(received.year, received.month, received.day, 9, tzinfo=UTC).timestamp()
        transfer = new_id(moment + random.random() * 3600, random.randbytes(RANDOM_BYTES))
        opened = random.choice(("no", "by-system", "by-officer"))
        reason = random.choice(_REASONS)
        history.append(Holding(holder, received_from, transfer, received, opened, reason, passed, following))
        received_from, received = holder, passed
    return history
