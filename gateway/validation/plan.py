"""Which validator a flow gets, as plain data that can cross a pipe to the process that builds it. Builds nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from gateway.validation.pdf.links import LINKS
from gateway.validation.xml.codes import DEFAULT_LIMITS, XmlLimits

Plain = str | int | bool | Mapping[str, int] | Sequence[str]
"""What the argument of a plan may be: whatever JSON carries without loss."""


class Kind(StrEnum):
    """The kinds of validator that there are."""

    XML = "xml"
    PDF = "pdf"
    EXTRACT = "extract"
    REDIRECT = "redirect"
    ENQUIRY = "enquiry"
    STATEMENT = "statement"
    SHOWN = "shown"
    """No validator: it renders a file for somebody to look at."""


@dataclass(frozen=True)
class Plan:
    """One validator to be: its kind, and the arguments that `factory.build` gives it."""

    kind: Kind
    arguments: Mapping[str, Plain] = field(default_factory=dict)


def xml_plan(
    schema_root: Path, flow: str, *, limits: XmlLimits = DEFAULT_LIMITS, allow_test_numbers: bool = False
) -> Plan:
    """Documents of `flow`, against the schemas in `schema_root/flow`."""
    return _plan(Kind.XML, schema_root, allow_test_numbers, flow=flow, limits=asdict(limits))


def pdf_plan(links: Sequence[str] = LINKS, **limits: int) -> Plan:
    """LAIDs whose links lead to nothing but such addresses; `limits` are fields of `PdfLimits` that differ from its own."""
    return Plan(Kind.PDF, {"limits": limits, "links": list(links)})


def extract_plan(schema_root: Path, *, allow_test_numbers: bool = False, **limits: int) -> Plan:
    """Extracts; `limits` are fields of `ExtractLimits` that differ from its own."""
    return _plan(Kind.EXTRACT, schema_root, allow_test_numbers, limits=limits)


def redirect_plan(schema_root: Path, *, links: Sequence[str] = LINKS, allow_test_numbers: bool = False) -> Plan:
    """Files passed on to the right authority, with what is inside them; `links` are for a LAID."""
    return _plan(Kind.REDIRECT, schema_root, allow_test_numbers, links=list(links))


def with_authorities(plan: Plan, added: str) -> Plan:
    """The plan of a validator that compares authorities, with the rows that a site has added to their table."""
    return replace(plan, arguments={**plan.arguments, "authorities": added})


def enquiry_plan(
    schema_root: Path, flow: str, *, links: Sequence[str] = LINKS, allow_test_numbers: bool = False
) -> Plan:
    """Enquiries or replies with the PDFs that are attached to them; `links` are for these."""
    return _plan(Kind.ENQUIRY, schema_root, allow_test_numbers, flow=flow, links=list(links))


def shown_plan(schema_root: Path, flow: str, into: Path, first: int) -> Plan:
    """One file of `flow`, rendered into a directory from the record or page `first` on."""
    arguments: dict[str, Plain] = {"flow": flow, "into": str(into.absolute()), "first": first}
    return Plan(Kind.SHOWN, {"schema_root": str(schema_root.absolute()), **arguments})


def _plan(kind: Kind, schema_root: Path, allow_test_numbers: bool, **arguments: Plain) -> Plan:  # noqa: FBT001 - passed on as it came
    """A plan of a validator that reads schemas."""
    return Plan(
        kind, {"schema_root": str(schema_root.absolute()), "allow_test_numbers": allow_test_numbers, **arguments}
    )
