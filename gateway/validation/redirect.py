"""Checks a file that is passed on from the wrong authority to the right one: its envelope, its history, and itself.

The envelope is XML like any other. The file inside must have the size and the digest that the envelope gives, and must
be right by the rules of its own flow: nothing gets in by being wrapped. Raises what the validators inside raise, and
nothing for what a file can hold. `unwrap` takes a document apart that was found right. Why it is safe: the file is put
together in memory only, at most as large as the envelope may be, and is never given a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.domain.redirect import NAMESPACE, Holding, Original
from gateway.errors import ContentInvalid
from gateway.settings.authorities import Authorities, listed
from gateway.validation.carried import BytesValidator, check_document, content_faults, decoded
from gateway.validation.contract import Finding, Report
from gateway.validation.xml.codes import XmlCode, XmlLimits
from gateway.validation.xml.guard import XmlGuard
from gateway.validation.xml.validator import today_utc

LIMITS: Final = XmlLimits(size=24 << 20)
"""A file of 16 MiB in base 64, and what stands around it."""
_NEXT_HOLDER: Final = "not the authority to which the one before passed it on"
_FIRST_SENDER: Final = "not the Department, from which every such file comes first"


class RedirectValidator:
    """Checks documents of the flow `redirect` (contract `Validator`). `inner` gives the validator of an original's flow,
    `authorities` says which codes name the same one.
    """

    def __init__(
        self,
        envelope: BytesValidator,
        inner: Callable[[str], BytesValidator],
        authorities: Authorities | None = None,
        today: Callable[[], date] = today_utc,
    ) -> None:
        self._envelope = envelope
        self._inner = inner
        self._authorities = authorities or listed()
        self._today = today
        self._known: dict[str, BytesValidator] = {}
        self._guard = XmlGuard(LIMITS)

    def validate(self, path: Path) -> Report:
        return self.validate_bytes(self._guard.bytes_of(path))

    def validate_bytes(self, content: bytes) -> Report:
        """The same for a document in memory. Facts of the original begin with `original_`; `held_by` is the last holder."""
        report, root = check_document(self._envelope, self._guard, content)
        if root is None:
            return report
        envelope = _Envelope(root, self._authorities, self._today())
        findings = [*envelope.history_faults(), *envelope.content_faults()]
        if findings:
            return Report(report.schema, tuple(findings), len(findings))
        inside = self._validator(envelope.flow).validate_bytes(envelope.content)
        if not inside.valid:
            told = tuple(Finding(each.code, f"original, {each.where}", each.message) for each in inside.findings)
            return Report(report.schema, told, inside.total)
        facts = {**report.facts, "records": "1", "held_by": envelope.holders[-1]}
        return Report(report.schema, facts=facts)

    def _validator(self, flow: str) -> BytesValidator:
        """Made when the first file of that flow comes: few are ever needed."""
        if flow not in self._known:
            self._known[flow] = self._inner(flow)
        return self._known[flow]


def unwrap(content: bytes, authorities: Authorities | None = None) -> tuple[tuple[Holding, ...], Original]:
    """The history of a document, and the file in it, its size and digest compared once more.

    For documents that a validator has found right: ContentInvalid is raised where the content shows that none did.
    """
    root = XmlGuard(LIMITS).read(content)
    if isinstance(root, Finding):
        raise ContentInvalid(f"{root.where}: {root.message}", root.code)
    if etree.QName(root).namespace != NAMESPACE:
        raise ContentInvalid("It is no redirect document.", XmlCode.NAMESPACE.value)
    try:
        envelope = _Envelope(root, authorities or listed(), today_utc())
        holdings = tuple(envelope.history())
        faults = [*envelope.history_faults(), *envelope.content_faults()]
    except (ValueError, IndexError) as error:
        raise ContentInvalid("It is no redirect document.") from error
    if faults:
        raise ContentInvalid("\n".join(f"{fault.where}: {fault.message}" for fault in faults), faults[0].code)
    return holdings, Original(envelope.flow, envelope.name, envelope.content)


class _Envelope:
    """What a right envelope says. Codes are compared by the table of authorities as it stands on the day `today`."""

    def __init__(self, root: etree._Element, authorities: Authorities, today: date) -> None:
        self._authorities = authorities
        self._today = today
        self._space = f"{{{etree.QName(root).namespace}}}"
        self._root = root
        self._holdings = list(root.iterfind(f"{self._space}History/{self._space}Holding"))
        self.holders = [self._text(holding, "Holder") for holding in self._holdings]
        self.flow = self._original("OriginalFlow")
        self.name = self._original("OriginalName")
        self.content = b"".join(decoded(part.text or "") for part in root.iterfind(f"{self._space}Part"))

    def history(self) -> Iterator[Holding]:
        """Every authority's time with the file; ValueError where a day is none."""
        for holding in self._holdings:
            yield Holding(
                holder=self._text(holding, "Holder"),
                received_from=self._text(holding, "ReceivedFrom"),
                transfer=self._text(holding, "TransferId"),
                received=date.fromisoformat(self._text(holding, "ReceivedOn")),
                opened=self._text(holding, "Opened"),
                reason=self._text(holding, "RedirectReason"),
                passed=date.fromisoformat(self._text(holding, "PassedOn")),
                passed_to=self._text(holding, "PassedTo"),
                explanation=self._text(holding, "Explanation") or None,
            )

    def history_faults(self) -> Iterator[Finding]:
        """Each authority must have the file from the one before it, the first from the Department, the last for the reader."""
        sender, expected = "DWP", self.holders[0]
        for number, holding in enumerate(self._holdings, 1):
            if not self._same(self._text(holding, "ReceivedFrom"), sender):
                message = _FIRST_SENDER if number == 1 else "not the authority that held it before"
                yield self._fault(holding, number, "ReceivedFrom", message)
            if not self._same(self._text(holding, "Holder"), expected):
                yield self._fault(holding, number, "Holder", _NEXT_HOLDER)
            sender, expected = self._text(holding, "Holder"), self._text(holding, "PassedTo")
            # An authority that was taken over does pass its files on to its successor: that is no going round.
            if self._authorities.aliases(sender, expected):
                yield self._fault(holding, number, "PassedTo", "the authority that held it")
        if not self._same(expected, self._text(self._root, "Header", "AuthorityCode")):
            yield self._fault(
                self._holdings[-1], len(self._holdings), "PassedTo", "not the authority that the document is for"
            )
        if self._text(self._holdings[0], "TransferId") != self._original("OriginalTransfer"):
            yield self._fault(self._holdings[0], 1, "TransferId", "not the transfer by which the original first left")

    def content_faults(self) -> Iterator[Finding]:
        size, sha256 = self._original("OriginalSize"), self._original("OriginalSha256")
        yield from content_faults(self.content, size, sha256, "Original/Original")

    def _same(self, one: str, other: str) -> bool:
        return self._authorities.same(one, other, self._today)

    def _text(self, element: etree._Element, *names: str) -> str:
        return element.findtext("/".join(f"{self._space}{name}" for name in names)) or ""

    def _original(self, name: str) -> str:
        return self._text(self._root, "Original", name)

    def _fault(self, holding: etree._Element, number: int, name: str, message: str) -> Finding:
        child = holding.find(f"{self._space}{name}")
        line = holding.sourceline if child is None else child.sourceline
        return Finding(XmlCode.HISTORY.value, f"line {line}, History/Holding[{number}]/{name}", f"{name}: {message}.")
