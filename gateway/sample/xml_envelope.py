"""The header that every sample batch starts with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
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
    xml.leaf("MessageId", f"{kind}-{sender}-{today:%y%m%d}-{random.getrandbits(64):016x}")
    with xml.element("SendingOffice"):
        code, name = random.choice(offices)
        xml.leaf("OfficeCode", code)
        xml.leaf("OfficeName", name)
        xml.leaf("OfficeTelephone", people.telephone(random))
    clock = f"{random.randint(7, 18):02d}:{random.randrange(60):02d}:{random.randrange(60):02d}"
    xml.leaf("Created", f"{today.isoformat()}T{clock}Z")
    xml.day("ProcessDate", today)
    xml.leaf("AuthorityCode", authority)
