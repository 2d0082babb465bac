"""The redirect document: a file that reached the wrong authority, with everybody who held it, on its way to the right one.

`write` makes the document of the flow `redirect` (docs/formats/redirect.md); reading one is `validation.redirect`'s. `read_wish`
raises UsageWrong. Pure: what is written is given, the moment and the names included. Safe because every text is escaped, and because
the document is held against its schema, like any other, before it leaves.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from gateway.domain.xml_lines import Office, XmlLines
from gateway.errors import UsageWrong

FLOW: Final = "redirect"
NAMESPACE: Final = "urn:gateway:redirect:1.0"
PART_BYTES: Final = 1500
MAX_HOLDINGS: Final = 10
"""Authorities in a history: as the schema has it."""
MAX_EXPLANATION: Final = 250
CARRIED: Final = ("laid", "claim", "referral", "scan", "etd")
"""Flows whose files may reach the wrong authority."""


class Opened(StrEnum):
    """Who saw what is in a file while an authority held it."""

    NO = "no"
    BY_SYSTEM = "by-system"
    BY_OFFICER = "by-officer"


class Why(StrEnum):
    """Why a file belongs to another authority."""

    ADDRESS_ELSEWHERE = "address-elsewhere"
    MOVED = "moved"
    BOUNDARY_CHANGED = "boundary-changed"
    AUTHORITY_REPLACED = "authority-replaced"
    LANDLORD_ELSEWHERE = "landlord-elsewhere"
    OTHER = "other"


@dataclass(frozen=True)
class Wish:
    """What a person asks for in particular: to whom a file goes, why, and who saw here what is in it."""

    to: str
    why: Why
    opened: Opened

    def to_text(self) -> str:
        """As the argument of a request: `E09000030 moved by-officer`."""
        return f"{self.to} {self.why} {self.opened}"


def read_wish(text: str | None) -> Wish:
    """The wish that `to_text` wrote; UsageWrong for anything else."""
    try:
        to, why, opened = (text or "").split(" ")
        return Wish(to, Why(why), Opened(opened))
    except ValueError as error:
        raise UsageWrong("That is no authority, reason, and who saw it.") from error


@dataclass(frozen=True)
class Holding:
    """One authority's time with a file; `transfer` is the one by which it came, `opened` and `reason` are the codes above."""

    holder: str
    received_from: str
    transfer: str
    received: date
    opened: str
    reason: str
    passed: date
    passed_to: str
    explanation: str | None = None


@dataclass(frozen=True)
class Original:
    """The file itself, as it was when the Department sent it."""

    flow: str
    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Redirect:
    """A whole document. `holdings` begin with the authority that the Department sent the file to; `created` is in UTC."""

    message_id: str
    office: Office
    created: datetime
    holdings: Sequence[Holding]
    original: Original


def write(redirect: Redirect) -> bytes:
    """The document, from the last of its holders to the authority that it was passed on to."""
    xml, original = XmlLines(), redirect.original
    with xml.element("Header"):
        xml.header(redirect.message_id, redirect.office, redirect.created, redirect.holdings[-1].passed_to)
    with xml.element("History"):
        for holding in redirect.holdings:
            with xml.element("Holding"):
                _write_holding(xml, holding)
    with xml.element("Original"):
        xml.leaf("OriginalFlow", original.flow)
        xml.leaf("OriginalName", original.name)
        xml.leaf("OriginalTransfer", redirect.holdings[0].transfer)
        xml.leaf("OriginalSize", str(len(original.content)))
        xml.leaf("OriginalSha256", original.sha256)
    starts = range(0, len(original.content), PART_BYTES)
    for start in starts:
        xml.leaf("Part", b64encode(original.content[start : start + PART_BYTES]).decode())
    with xml.element("Trailer"):
        xml.leaf("HoldingCount", str(len(redirect.holdings)))
        xml.leaf("PartCount", str(len(starts)))
    return xml.document("Redirect", NAMESPACE)


def _write_holding(xml: XmlLines, holding: Holding) -> None:
    xml.leaf("Holder", holding.holder)
    xml.leaf("ReceivedFrom", holding.received_from)
    xml.leaf("TransferId", holding.transfer)
    xml.leaf("ReceivedOn", holding.received.isoformat())
    xml.leaf("Opened", holding.opened)
    xml.leaf("RedirectReason", holding.reason)
    xml.leaf("Explanation", holding.explanation)
    xml.leaf("PassedOn", holding.passed.isoformat())
    xml.leaf("PassedTo", holding.passed_to)
