"""Files that are carried inside an XML document, in parts of base 64, with their size and digest beside them.

Nothing is raised. The files are put together in memory only.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator
from typing import Protocol

from lxml import etree

from gateway.validation.contract import Finding, Report
from gateway.validation.xml.codes import XmlCode
from gateway.validation.xml.guard import XmlGuard


class BytesValidator(Protocol):
    """Reads one kind of file from memory; see `contract.Validator`."""

    def validate_bytes(self, content: bytes) -> Report: ...


def check_document(validator: BytesValidator, guard: XmlGuard, content: bytes) -> tuple[Report, etree._Element | None]:
    """The report on the document itself, and its root where it is right: what it carries is to be judged then."""
    report = validator.validate_bytes(content)
    # The document was found right a moment ago, so the second reading gives a tree.
    root = guard.read(content) if report.valid else None
    return report, None if isinstance(root, Finding) else root


def decoded(part: str) -> bytes:
    """The bytes of a part; nothing where it is no base 64, which the digest then shows."""
    try:
        return binascii.a2b_base64(part.encode(), strict_mode=True)
    except ValueError:
        return b""


def content_faults(content: bytes, size: str, sha256: str, where: str) -> Iterator[Finding]:
    """What of a carried file is not as the document says; `where` begins the names of the two elements that say it."""
    if len(content) != int(size):
        yield Finding(XmlCode.CONTENT_ALTERED.value, f"{where}Size", "The parts have another size together.")
    if hashlib.sha256(content).hexdigest() != sha256:
        message = "The parts together have another digest: the file was altered, or parts are lost or out of order."
        yield Finding(XmlCode.CONTENT_ALTERED.value, f"{where}Sha256", message)
