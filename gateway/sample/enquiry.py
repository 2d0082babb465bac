"""Made-up enquiries and replies, some with PDFs attached.

Raises KeyError for a defect that is not in `defects`. Safe to hand around: see `people` on what is made up and how; what is
attached is a made-up LAID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
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
from gateway.sample.contract import Sample, Sampler
from gateway.sample.xml_defects import apply_defect, defects_of
from gateway.sample.xml_envelope import AUTHORITY_OFFICES, OFFICES

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


class EnquirySampler:
    """Documents of the flow `enquiry`, or with `flow="reply"` of that; `laids` makes what is attached."""

    def __init__(self, laids: Sampler, flow: str = ENQUIRY) -> None:
        self._laids = laids
        self._flow = flow

    @property
    def flow(self) -> str:
        return self._flow

    @property
    def defects(self) -> Mapping[str, str]:
        return {**defects_of(self._flow), _INSIDE: self._laids.defects[_ATTACHED]}

    def make(
        self, *, sender: str, recipient: str, index: int, random: Random, today: date, defect: str | None = None
    ) -> Sample:
        if defect is not None and defect not in self.defects:
            raise KeyError(defect)
        inside = _ATTACHED if defect == _INSIDE else None
        count = 1 if defect is not None else random.choice((0, 0, 1, 1, 2))
        attachments = [self._attached(sender, recipient, index * 10 + at, random, today, inside) for at in range(count)]
        kind = random.choice(list(KINDS))
        text = self._write(sender, recipient, kind, attachments, random, today)
        stem = f"{self._flow}-{today:%Y%m%d}-{index:05d}"
        if inside is not None:
            return Sample(f"{stem}-{defect}.xml", text.encode(), defect)
        return apply_defect(stem, text, defect, today)

    def _attached(
        self, sender: str, recipient: str, index: int, random: Random, today: date, defect: str | None
    ) -> Attachment:
        made = self._laids.make(
            sender=sender, recipient=recipient, index=index, random=random, today=today, defect=defect
        )
        return Attachment(made.name, made.content)

    def _write(
        self,
        sender: str,
        recipient: str,
        kind: str,
        attachments: Sequence[Attachment],
        random: Random,
        today: date,
    ) -> str:
        asks = self._flow == ENQUIRY
        asker = sender if asks else recipient
        asked = today - timedelta(days=random.randint(0, 3))
        person, street = people.person(random, today, 20, 80), people.home(random).lines[0]
        words = {"name": person.full_name, "born": person.born, "nino": person.nino, "street": street, "day": asked}
        sentences = [_QUESTIONS[kind] if asks else random.choice(_REPLIES)]
        if random.random() < 0.4:
            sentences.append("Please ring {phone} if it is urgent.")
        phone = people.telephone(random)
        code, name = random.choice(OFFICES if sender == "DWP" else AUTHORITY_OFFICES)
        clock = time(random.randint(7, 18), random.randrange(60), random.randrange(60), tzinfo=UTC)
        letter = Letter(
            message_id=f"{'ENQ' if asks else 'REP'}-{sender}-{today:%y%m%d}-{random.getrandbits(64):016x}",
            office=Office(code, name, phone),
            created=datetime.combine(today, clock),
            authority=sender if recipient == "DWP" else recipient,
            reference=new_reference(asker, today if asks else asked, random.randbytes(REFERENCE_BYTES)),
            paragraphs=[sentence.format(**words, phone=phone) for sentence in sentences],
            attachments=attachments,
        )
        made = write_enquiry(letter, kind, today + timedelta(days=KINDS[kind].days)) if asks else write_reply(letter)
        return made.decode()


def reply_sampler(laids: Sampler) -> EnquirySampler:
    """The sampler of the flow `reply`."""
    return EnquirySampler(laids, REPLY)
