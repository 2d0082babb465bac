"""Made-up enquiries and replies, some with made-up LAIDs attached. Safe to hand around: see `people`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from gateway.domain.enquiry import (
    ENQUIRY,
    KINDS,
    REFERENCE_BYTES,
    REPLY,
    Attachment,
    Letter,
    new_reference,
    write_enquiry,
    write_reply,
)
from gateway.domain.xml_lines import Office
from gateway.sample import people
from gateway.sample.contract import Sampler
from gateway.sample.xml_envelope import AUTHORITY_OFFICES, OFFICES, created_on, message_id
from gateway.sample.xml_sampler import SampleRequest, XmlSampler

_INSIDE: Final = "attached-javascript"
_ATTACHED: Final = "javascript"
"""The defect of a LAID that stands for all: what is attached is read by the same rules."""
_QUESTIONS: Final = {
    "nino": "We cannot trace {name}, born {born}, of {street}. The number on the claim is {nino}. Is it right?",
    "award": "{name}, {nino}, says that the award was changed on {day}. Which amount is in payment, and from when?",
    "system-fault": "Files of {day} were read twice by our back-office system. Is a fault of the transfer known?",
    "data-fault": "The notice about {name}, {nino}, of {day} gives an address that the claimant left years ago.",
    "staff-change": "{name} of this office leaves on {day}. Please end the access.",
    "general": "{name}, {nino}, has asked whether both claims were received. May we say so by telephone?",
}
_REPLIES: Final = (
    "The number of {name} is {nino}.",
    "{name}, {nino}: the award was changed on {day}; the letter is attached where there is one.",
    "Thank you. It is known and will be put right by {day}.",
    "We have nobody of the name {name} here, nor the number {nino}.",
)


def enquiry_sampler(laids: Sampler) -> XmlSampler:
    """Documents of the flow `enquiry`; `laids` makes what is attached."""
    return _sampler(ENQUIRY, laids)


def reply_sampler(laids: Sampler) -> XmlSampler:
    """The same of the flow `reply`."""
    return _sampler(REPLY, laids)


def _sampler(flow: str, laids: Sampler) -> XmlSampler:
    return XmlSampler(flow, flow, partial(_write, flow, laids), inside={_INSIDE: laids.defects[_ATTACHED]})


def _write(flow: str, laids: Sampler, request: SampleRequest) -> str:
    random, today, defect = request.random, request.today, request.defect
    inside = _ATTACHED if defect == _INSIDE else None
    count = 1 if defect is not None else random.choice((0, 0, 1, 1, 2))
    attachments = [_attachment(laids, request, at, inside) for at in range(count)]
    kind = random.choice(list(KINDS))
    asks = flow == ENQUIRY
    sender, recipient = request.sender, request.recipient
    asker = sender if asks else recipient
    asked = today - timedelta(days=random.randint(0, 3))
    person, street = people.person(random, today, 20, 80), people.home(random).lines[0]
    values = {"name": person.full_name, "born": person.born, "nino": person.nino, "street": street, "day": asked}
    sentences = [_QUESTIONS[kind] if asks else random.choice(_REPLIES)]
    if random.random() < 0.4:
        sentences.append("Please ring {phone} if it is urgent.")
    phone = people.telephone(random)
    code, name = random.choice(OFFICES if sender == "DWP" else AUTHORITY_OFFICES)
    created = created_on(today, random)
    letter = Letter(
        message_id=message_id("ENQ" if asks else "REP", sender, random, today),
        office=Office(code, name, phone),
        created=created,
        authority=sender if recipient == "DWP" else recipient,
        reference=new_reference(asker, today if asks else asked, random.randbytes(REFERENCE_BYTES)),
        paragraphs=[sentence.format(**values, phone=phone) for sentence in sentences],
        attachments=attachments,
    )
    made = write_enquiry(letter, kind, today + timedelta(days=KINDS[kind].days)) if asks else write_reply(letter)
    return made.decode()


def _attachment(laids: Sampler, request: SampleRequest, at: int, defect: str | None) -> Attachment:
    made = laids.make(
        sender=request.sender,
        recipient=request.recipient,
        index=request.index * 10 + at,
        random=request.random,
        today=request.today,
        defect=defect,
    )
    return Attachment(made.name, made.content)
