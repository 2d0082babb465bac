"""Checks one XML document: its bytes, its form, its schema, its values, its counts and totals.

The schema is found by the document's namespace, so versions of a flow stand side by side. Each document is parsed
once and walked once; the words for a schema failure are looked up only when there is one.

ConfigurationInvalid is raised when the schemas of this site cannot be used, DiskFailed when the file cannot be read;
whatever a file holds is a finding. Why it is safe: see `guard` (nothing is expanded or fetched), `catalog`
(schemas come from disk, `xsi:schemaLocation` is ignored), `explain` (no finding quotes the document).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from lxml import etree

from gateway.errors import ConfigurationInvalid
from gateway.validation.contract import Finding, Report
from gateway.validation.government_types import rules
from gateway.validation.nino_prefixes import load_prefixes
from gateway.validation.xml.catalog import SchemaSource, find_versions
from gateway.validation.xml.codes import DEFAULT_LIMITS, Complaint, XmlCode, XmlLimits
from gateway.validation.xml.exceptions import are_texts, exceptions_of, only_values
from gateway.validation.xml.guard import XmlGuard
from gateway.validation.xml.marks import marks
from gateway.validation.xml.parts import oversized, parts, scattered
from gateway.validation.xml.places import find_places
from gateway.validation.xml.rules import Ruleset, read_rules
from gateway.validation.xml.schema_bounds import keeps_bounds
from gateway.validation.xml.walk import Walked, Walker, location

if TYPE_CHECKING:
    from gateway.validation.xml.explain import Explainer, Explanation

_SMALL: Final = 32 << 10
"""Bytes of a document that is shown to its schema before anything else: even if every element of it is wrong, that is cheap."""
_LEAST: Final = len("<a/>")
"""Bytes that an element takes."""


def today_utc() -> date:
    return datetime.now(UTC).date()


@dataclass
class _Version:
    """One schema version, compiled. `explainer` is made at the first failure, `walker` once for each day.

    `bounded` says that a document which the schema accepts needs no look at its shape.
    """

    source: SchemaSource
    schema: etree.XMLSchema
    ruleset: Ruleset
    bounded: bool
    walker: Walker | None = None
    explainer: Explainer | None = None

    def accepts(self, root: etree._Element) -> bool:
        """Whether the schema accepts the document, and that says enough of its shape; to be asked about small ones only."""
        return self.bounded and self.schema.validate(root)


@dataclass
class _Schema:
    """What libxml2 says: the words for it, None where it accepts everything; what it complains about, where that is values."""

    explanation: Explanation | None = None
    places: set[etree._Element] = field(default_factory=set)
    structured: bool = True


class XmlValidator:
    """Checks documents of one flow (contract `Validator`). Not for two threads at once: error logs are kept in it."""

    def __init__(
        self,
        schema_root: Path,
        flow: str,
        limits: XmlLimits = DEFAULT_LIMITS,
        *,
        allow_test_numbers: bool = False,
        today: Callable[[], date] = today_utc,
    ) -> None:
        self._limits = limits
        self._small = min(_SMALL, _LEAST * limits.record)
        self._today = today
        self._day: date | None = None
        self._guard = XmlGuard(limits)
        self._versions = {
            namespace: _version(source, limits) for namespace, source in find_versions(schema_root, flow).items()
        }
        self._prefixes = load_prefixes(schema_root).in_flow(flow, allow_test_numbers=allow_test_numbers)

    def validate(self, path: Path) -> Report:
        return self.validate_bytes(self._guard.bytes_of(path))

    def validate_bytes(self, content: bytes) -> Report:
        """The same for a document in memory."""
        return self.validate_tree(content)[0]

    def validate_tree(self, content: bytes) -> tuple[Report, etree._Element | None]:
        """The same, with the document's tree where that was not taken apart on the way: a small one that is valid."""
        root = self._guard.parse(content)
        if isinstance(root, Finding):
            return Report(None, (root,), 1), None
        report, whole = self._validate(root, content)
        return report, root if whole and report.valid else None

    def _validate(self, root: etree._Element, content: bytes) -> tuple[Report, bool]:
        """The report, and whether the schema accepted the tree as it is."""
        version = self._versions.get(etree.QName(root).namespace or "")
        accepted = len(content) <= self._small and version is not None and version.accepts(root)
        if not accepted and (fault := self._guard.shape_fault(root)) is not None:
            return Report(None, (fault,), 1), False
        if version is None:
            known = " and ".join(f"{each.source.name} ({name})" for name, each in sorted(self._versions.items()))
            message = f"The document's namespace is not one that is known here. Known: {known}."
            return _refused(None, XmlCode.NAMESPACE, f"line {root.sourceline}", message), False
        if root.tag not in version.ruleset.roots:
            message = "The document starts with an element that no document of this schema starts with."
            return _refused(version.source.name, XmlCode.ELEMENT_UNEXPECTED, f"line {root.sourceline}", message), False
        disorder = None if accepted else self._disorder(root, version)
        return disorder or self._check(root, version, content, accepted=accepted), accepted

    def _disorder(self, root: etree._Element, version: _Version) -> Report | None:
        """The report on a document whose records are not such that it can be looked at by parts."""
        name, record, limits = version.source.name, version.ruleset.record, self._limits
        if (big := oversized(root, record, limits.record)) is not None:
            message = f"One record, or what stands outside the records, has more than {limits.record} elements."
            return _refused(name, XmlCode.TOO_MANY_NODES, location(big, version.ruleset), message)
        if (stranger := scattered(root, record)) is not None:
            message = "Records do not stand together: another element comes between them."
            return _refused(name, XmlCode.ELEMENT_UNEXPECTED, location(stranger, version.ruleset), message)
        return None

    def _check(self, root: etree._Element, version: _Version, content: bytes, *, accepted: bool) -> Report:
        """What the values say; and the schema, unless the document is `accepted` already."""
        name, record, limits = version.source.name, version.ruleset.record, self._limits
        walked = self._walker(version).walk(root)
        if walked.given_up:
            return Report(name, tuple(walked.findings), walked.total)
        # Before the schema is asked, which takes the records out of the tree one part after the other.
        marked = marks(root, version.ruleset.triage, content)
        found = _Schema() if accepted else self._against_schema(root, version, walked)
        told, total = ([], 0) if found.explanation is None else (found.explanation.findings, found.explanation.total)
        if not walked.total and not total:
            return Report(name, facts=walked.facts(), marks=marked)
        findings = tuple(sorted((*walked.findings, *told), key=_line)[: limits.findings])
        total += walked.total
        if not found.structured or not are_texts(walked.flagged | found.places):
            return Report(name, findings, total)
        exceptions = exceptions_of(findings, total, record)
        if not exceptions:
            return Report(name, findings, total)
        wrong = {each.row for each in exceptions}
        right = tuple(mark for mark in marked if mark.row not in wrong)
        return Report(name, findings, total, walked.facts(but=walked.flagged | found.places), exceptions, right)

    def _against_schema(self, root: etree._Element, version: _Version, walked: Walked) -> _Schema:
        """What libxml2 does not accept."""
        found = _Schema()
        for numbers in parts(root, version.ruleset.record, self._limits.record):
            if version.schema.validate(root):
                continue
            if found.explanation is None:
                found.explanation = self._explainer(version).begin(walked.flagged, self._limits.findings)
            # The stubs do not say that a log is iterable.
            complaints = list(cast("Iterable[Complaint]", version.schema.error_log))
            if found.structured:
                found.structured = only_values(complaints)
                found.places.update(find_places(root, complaints))
            found.explanation.add(root, complaints, numbers)
            if walked.total + found.explanation.total > self._limits.enough:
                break
        return found

    def _walker(self, version: _Version) -> Walker:
        today = self._today()
        if today != self._day:
            self._day = today
            for each in self._versions.values():
                each.walker = None
        if version.walker is None:
            checks = version.ruleset.bind(rules(today=today, prefixes=self._prefixes))
            version.walker = Walker(version.ruleset, checks, self._limits)
        return version.walker

    @staticmethod
    def _explainer(version: _Version) -> Explainer:
        if version.explainer is None:
            # Imported here: it takes a third of a second, and most validators never meet a broken document.
            from gateway.validation.xml.explain import Explainer  # noqa: PLC0415

            version.explainer = Explainer(version.source, version.ruleset)
        return version.explainer


def _refused(schema: str | None, code: XmlCode, where: str, message: str) -> Report:
    return Report(schema, (Finding(code.value, where, message),), 1)


def _line(finding: Finding) -> int:
    """The line that a finding's place starts with (`line 41, ...`)."""
    number = finding.where.split(",", 1)[0].removeprefix("line ")
    return int(number) if number.isdecimal() else 0


def _version(source: SchemaSource, limits: XmlLimits) -> _Version:
    ruleset = read_rules(source)
    return _Version(source, _compile(source), ruleset, keeps_bounds(source, ruleset.record, limits))


def _compile(source: SchemaSource) -> etree.XMLSchema:
    try:
        return etree.XMLSchema(etree.fromstring(source.to_bytes()))
    except etree.XMLSchemaParseError as error:
        raise ConfigurationInvalid(f"the schema {source.name} does not compile: {error}") from error
