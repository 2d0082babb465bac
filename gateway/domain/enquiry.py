"""Enquiries and their replies as documents: what kinds there are, what a reference may be, and how both are written.

`write_enquiry` and `write_reply` make documents of the flows `enquiry` and `reply` (docs/formats/enquiry.md); reading one is
`validation.enquiry`'s. `paragraphs` raises ValueError for a text that cannot be sent; nothing else raises. Pure. Safe because
every text is escaped, and because a document is held against its schema, like any other, before it leaves.
"""

from __future__ import annotations

import re
import textwrap
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from gateway.domain.characters import called, unsafe
from gateway.domain.xml_lines import Office, XmlLines
from gateway.logs import mask

ENQUIRY: Final = "enquiry"
REPLY: Final = "reply"
FLOWS: Final = (ENQUIRY, REPLY)
ENQUIRY_NAMESPACE: Final = "urn:gateway:enquiry:1.0"
REPLY_NAMESPACE: Final = "urn:gateway:reply:1.0"
PART_BYTES: Final = 1500
MAX_ATTACHMENTS: Final = 5
MAX_PARAGRAPHS: Final = 200
MAX_PARAGRAPH: Final = 1000
"""These three as the schema has them."""
REFERENCE_BYTES: Final = 5
"""How many random bytes `new_reference` takes."""

_CONSONANTS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_OURS: Final = re.compile(rf"ENQ-(?:DWP|[0-9]{{4}}|[EWSN][0-9]{{8}})-[0-9]{{8}}-[{_CONSONANTS}]{{5}}", re.ASCII)
_OWN: Final = re.compile(r"[A-Z]{1,4}(?:[/-][0-9]{1,8}){1,3}", re.ASCII)
_NUMBER: Final = re.compile(r"[A-Z]{2}(?:[/-][0-9]{6}.*|[/-]?(?:[0-9][/-]?){5}[0-9])", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """A kind of enquiry: what it is about, the form that it replaces where one is known, and the days that a reply has."""

    title: str
    form: str | None
    days: int


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "nino": Kind("National Insurance number", None, 5),
        "award": Kind("award query", None, 10),
        "system-fault": Kind("fault of a system", "5a", 2),
        "data-fault": Kind("fault in data that were sent", "5b", 5),
        "staff-change": Kind("changes of staff", "LAST 6", 10),
        "general": Kind("anything else", None, 15),
    }
)
"""The forms are the field's, the days ours: a reply is wanted by then unless the enquiry says otherwise."""


@dataclass(frozen=True)
class Attachment:
    """A PDF that goes along."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Letter:
    """What an enquiry and a reply have in common. `created` is in UTC, `authority` the one that the document concerns."""

    message_id: str
    office: Office
    created: datetime
    authority: str
    reference: str
    paragraphs: Sequence[str] = field(repr=False)
    attachments: Sequence[Attachment] = ()


def write_enquiry(letter: Letter, kind: str, reply_by: date) -> bytes:
    """The document that asks."""
    xml = _begin(letter)
    with xml.element("Question"):
        xml.leaf("EnquiryReference", letter.reference)
        xml.leaf("EnquiryKind", kind)
        xml.leaf("AskedOn", f"{letter.created:%Y-%m-%d}")
        xml.leaf("ReplyBy", reply_by.isoformat())
        for paragraph in letter.paragraphs:
            xml.leaf("Paragraph", paragraph)
    return _end(xml, letter).document("Enquiry", ENQUIRY_NAMESPACE)


def write_reply(letter: Letter) -> bytes:
    """The document that answers."""
    xml = _begin(letter)
    with xml.element("Answer"):
        xml.leaf("EnquiryReference", letter.reference)
        xml.leaf("RepliedOn", f"{letter.created:%Y-%m-%d}")
        for paragraph in letter.paragraphs:
            xml.leaf("Paragraph", paragraph)
    return _end(xml, letter).document("Reply", REPLY_NAMESPACE)


def _begin(letter: Letter) -> XmlLines:
    xml = XmlLines()
    with xml.element("Header"):
        xml.header(letter.message_id, letter.office, letter.created, letter.authority)
    return xml


def _end(xml: XmlLines, letter: Letter) -> XmlLines:
    """The attachments and the trailer."""
    parts = [_parts(attachment.content) for attachment in letter.attachments]
    for attachment, own in zip(letter.attachments, parts, strict=True):
        with xml.element("Attachment"):
            xml.leaf("AttachmentName", attachment.name)
            xml.leaf("AttachmentSize", str(len(attachment.content)))
            xml.leaf("AttachmentSha256", sha256(attachment.content).hexdigest())
            xml.leaf("AttachmentParts", str(len(own)))
    for part in (part for own in parts for part in own):
        xml.leaf("Part", part)
    with xml.element("Trailer"):
        xml.leaf("ParagraphCount", str(len(letter.paragraphs)))
        xml.leaf("AttachmentCount", str(len(parts)))
        xml.leaf("PartCount", str(sum(map(len, parts))))
    return xml


def _parts(content: bytes) -> list[str]:
    return [b64encode(content[at : at + PART_BYTES]).decode() for at in range(0, len(content), PART_BYTES)]


def new_reference(site: str, day: date, random: bytes) -> str:
    """A reference that no log masks and that spells nothing: `ENQ-DWP-20261128-KTRWB`."""
    tail = "".join(_CONSONANTS[octet % len(_CONSONANTS)] for octet in random[:REFERENCE_BYTES])
    return f"ENQ-{site}-{day:%Y%m%d}-{tail}"


def reference_fault(text: str) -> str | None:
    """What is wrong with a reference, to stand after a colon; None where it may be kept and shown.

    A reference stands in ledger, logs and tables, so it has a form that a name or a National Insurance number has not.
    """
    if _OURS.fullmatch(text):
        return None
    if not _OWN.fullmatch(text):
        return (
            "neither a gateway's own nor one to four capitals with one to three groups of digits, such as HBE-2026/117"
        )
    if _NUMBER.fullmatch(text) or mask(text) != text:
        return "written as a National Insurance number is"
    return None


def reply_by(kind: str, asked: date) -> date:
    """The day by which a reply to an enquiry of that kind is wanted, where nobody says another."""
    return asked + timedelta(days=KINDS[kind].days)


def paragraphs(text: str) -> list[str]:
    """A text as the paragraphs of a document, one for each line that is not empty; long ones are broken between words."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\t", " ")
    lines = [line for line in map(str.strip, plain.split("\n")) if line]
    for line in lines:
        if stranger := unsafe(line):
            raise ValueError(f"The text holds {called(stranger)}, which cannot be sent.")
    found = [piece for line in lines for piece in textwrap.wrap(line, MAX_PARAGRAPH)]
    if not found:
        raise ValueError("The text is empty.")
    if len(found) > MAX_PARAGRAPHS:
        raise ValueError(f"The text has {len(found)} paragraphs; {MAX_PARAGRAPHS} can be sent. Attach it as a PDF.")
    return found
