"""What every sample document starts with: offices, message ids, moments, and the header of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from random import Random
from typing import Final

from gateway.sample import people
from gateway.sample.xml_writer import XmlWriter

OFFICES: Final = (
    ("DWP0101", "Oldborough Benefit Centre"),
    ("DWP0202", "Westhaven Jobcentre Plus"),
    ("PS0303", "Canolfan Bensiwn Tŵr y Môr"),
)
"""Of the Department, made up."""
AUTHORITY_OFFICES: Final = (("HB01", "Oldborough Benefits Service"), ("REV2", "Gwasanaeth Budd-daliadau Llanfair"))
"""Of authorities, made up."""


def message_id(kind: str, sender: str, random: Random, today: date) -> str:
    return f"{kind}-{sender}-{today:%y%m%d}-{random.getrandbits(64):016x}"


def created_on(day: date, random: Random) -> datetime:
    """A moment of that day, while offices work."""
    return datetime.combine(day, time(random.randint(7, 18), random.randrange(60), random.randrange(60), tzinfo=UTC))


def write_header(
    xml: XmlWriter,
    kind: str,
    sender: str,
    authority: str,
    random: Random,
    today: date,
    *,
    offices: Sequence[tuple[str, str]] = OFFICES,
) -> None:
    """The parts of a header that all flows have; the caller opens the element, and adds the flow's own."""
    xml.leaf("MessageId", message_id(kind, sender, random, today))
    with xml.element("SendingOffice"):
        code, name = random.choice(offices)
        xml.leaf("OfficeCode", code)
        xml.leaf("OfficeName", name)
        xml.leaf("OfficeTelephone", people.telephone(random))
    xml.leaf("Created", f"{created_on(today, random):%Y-%m-%dT%H:%M:%SZ}")
    xml.day("ProcessDate", today)
    xml.leaf("AuthorityCode", authority)
