"""Checks enquiries and replies: the document by its schema, and every PDF in it by the rules of LAIDs.

The document is XML like any other. Each attachment must have the size and the digest that the document gives, and must be
a PDF that could travel by itself: nothing gets in by being attached. Raises what the validators inside raise, and nothing
for what a file can hold; `read_letter` takes a document apart that was found right. Why it is safe: attachments are put
together in memory only, together at most as large as the document may be, and are never given a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.domain.enquiry import ENQUIRY, ENQUIRY_NAMESPACE, REPLY, REPLY_NAMESPACE, Attachment
from gateway.errors import ContentInvalid
from gateway.validation.carried import BytesValidator, check_document, content_faults, decoded
from gateway.validation.contract import Finding, Report
from gateway.validation.redirect import LIMITS
from gateway.validation.xml.codes import XmlCode
from gateway.validation.xml.guard import XmlGuard

_FLOWS: Final = {ENQUIRY_NAMESPACE: ENQUIRY, REPLY_NAMESPACE: REPLY}
_BODIES: Final = {ENQUIRY: "Question", REPLY: "Answer"}


@dataclass(frozen=True)
class Received:
    """What a right document says: an enquiry with its kind and last day for a reply, or a reply."""

    flow: str
    reference: str
    office: str
    telephone: str | None
    day: date
    kind: str | None
    reply_by: date | None
    paragraphs: tuple[str, ...]
    attachments: tuple[Attachment, ...]


class EnquiryValidator:
    """Checks documents of the flows `enquiry` and `reply` (contract `Validator`). `attached` reads what they carry."""

    def __init__(self, envelope: BytesValidator, attached: BytesValidator) -> None:
        self._envelope = envelope
        self._attached = attached
        self._guard = XmlGuard(LIMITS)

    def validate(self, path: Path) -> Report:
        return self.validate_bytes(self._guard.bytes_of(path))

    def validate_bytes(self, content: bytes) -> Report:
        """The same for a document in memory. The fact `attachments` is how many there are."""
        report, root = check_document(self._envelope, self._guard, content)
        if root is None:
            return report
        letter = _Letter(root)
        findings = tuple(letter.faults())
        if findings:
            return Report(report.schema, findings, len(findings))
        told: list[Finding] = []
        total = 0
        for number, attachment in enumerate(letter.attachments(), 1):
            inside = self._attached.validate_bytes(attachment.content)
            total += inside.total
            told += [Finding(each.code, f"attachment {number}, {each.where}", each.message) for each in inside.findings]
        if total:
            return Report(report.schema, tuple(told[: LIMITS.findings]), total)
        return Report(report.schema, facts={**report.facts, "records": "1", "attachments": str(letter.count)})


def read_letter(content: bytes) -> Received:
    """What a document says, and the files in it, their sizes and digests compared once more.

    For documents that a validator has found right: ContentInvalid is raised where the content shows that none did.
    """
    root = XmlGuard(LIMITS).read(content)
    if isinstance(root, Finding):
        raise ContentInvalid(f"{root.where}: {root.message}", root.code)
    flow = _FLOWS.get(etree.QName(root).namespace or "")
    if flow is None:
        raise ContentInvalid("It is neither an enquiry nor a reply.", XmlCode.NAMESPACE.value)
    try:
        letter = _Letter(root)
        faults = list(letter.faults())
        if not faults:
            return letter.received(flow)
    except ValueError as error:
        raise ContentInvalid("It is no right enquiry or reply.") from error
    raise ContentInvalid("\n".join(f"{fault.where}: {fault.message}" for fault in faults), faults[0].code)


class _Letter:
    """What a document says. ValueError where it is no right one."""

    def __init__(self, root: etree._Element) -> None:
        self._space = f"{{{etree.QName(root).namespace}}}"
        self._root = root
        self._described = root.findall(f"{self._space}Attachment")
        self._parts = [decoded(part.text or "") for part in root.iterfind(f"{self._space}Part")]
        self.count = len(self._described)

    def faults(self) -> Iterator[Finding]:
        """Sizes, digests, and how many parts belong to each attachment."""
        numbers = [int(self._text(each, "AttachmentParts")) for each in self._described]
        if sum(numbers) != len(self._parts):
            message = "The attachments together do not have as many parts as there are."
            yield Finding(XmlCode.CONTENT_ALTERED.value, "Attachment/AttachmentParts", message)
            return
        for number, (described, attachment) in enumerate(zip(self._described, self.attachments(), strict=True), 1):
            size, sha256 = self._text(described, "AttachmentSize"), self._text(described, "AttachmentSha256")
            yield from content_faults(attachment.content, size, sha256, f"attachment {number}, Attachment")

    def attachments(self) -> Iterator[Attachment]:
        parts = iter(self._parts)
        for described in self._described:
            own = islice(parts, int(self._text(described, "AttachmentParts")))
            yield Attachment(self._text(described, "AttachmentName"), b"".join(own))

    def received(self, flow: str) -> Received:
        body = self._root.find(f"{self._space}{_BODIES[flow]}")
        header = self._root.find(f"{self._space}Header")
        if body is None or header is None:
            raise ValueError("no header or no body")
        reply_by = self._text(body, "ReplyBy")
        return Received(
            flow=flow,
            reference=self._text(body, "EnquiryReference"),
            office=self._text(header, "SendingOffice", "OfficeName"),
            telephone=self._text(header, "SendingOffice", "OfficeTelephone") or None,
            day=date.fromisoformat(self._text(body, "AskedOn") or self._text(body, "RepliedOn")),
            kind=self._text(body, "EnquiryKind") or None,
            reply_by=date.fromisoformat(reply_by) if reply_by else None,
            paragraphs=tuple(each.text or "" for each in body.iterfind(f"{self._space}Paragraph")),
            attachments=tuple(self.attachments()),
        )

    def _text(self, element: etree._Element, *names: str) -> str:
        return element.findtext("/".join(f"{self._space}{name}" for name in names)) or ""
