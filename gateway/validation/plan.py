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


@dataclass(frozen=True)
class Plan:
    """One validator to be: its kind, and the arguments that `factory.build` gives it."""

    kind: Kind
    arguments: Mapping[str, Plain] = field(default_factory=dict)


def xml_plan(
    schema_root: Path, flow: str, *, limits: XmlLimits = DEFAULT_LIMITS, allow_test_numbers: bool = False
) -> Plan:
    """Documents of `flow`, against the schemas in `schema_root/flow`."""
    arguments: dict[str, Plain] = {
        "schema_root": str(schema_root.absolute()),
        "flow": flow,
        "limits": asdict(limits),
        "allow_test_numbers": allow_test_numbers,
    }
    return Plan(Kind.XML, arguments)


def pdf_plan(links: Sequence[str] = LINKS, **limits: int) -> Plan:
    """LAIDs whose links lead to nothing but such addresses; `limits` are fields of `PdfLimits` that differ from its own."""
    return Plan(Kind.PDF, {"limits": limits, "links": list(links)})


def extract_plan(schema_root: Path, *, allow_test_numbers: bool = False, **limits: int) -> Plan:
    """Extracts; `limits` are fields of `ExtractLimits` that differ from its own."""
    arguments: dict[str, Plain] = {
        "schema_root": str(schema_root.absolute()),
        "limits": limits,
        "allow_test_numbers": allow_test_numbers,
    }
    return Plan(Kind.EXTRACT, arguments)


def redirect_plan(schema_root: Path, *, links: Sequence[str] = LINKS, allow_test_numbers: bool = False) -> Plan:
    """Files passed on to the right authority, with what is inside them; `links` are for a LAID."""
    arguments: dict[str, Plain] = {
        "schema_root": str(schema_root.absolute()),
        "links": list(links),
        "allow_test_numbers": allow_test_numbers,
    }
    return Plan(Kind.REDIRECT, arguments)


def with_authorities(plan: Plan, added: str) -> Plan:
    """The plan of a validator that compares authorities, with the rows that a site has added to their table."""
    return replace(plan, arguments={**plan.arguments, "authorities": added})


def enquiry_plan(
    schema_root: Path, flow: str, *, links: Sequence[str] = LINKS, allow_test_numbers: bool = False
) -> Plan:
    """Enquiries or replies with the PDFs that are attached to them; `links` are for these."""
    arguments: dict[str, Plain] = {
        "schema_root": str(schema_root.absolute()),
        "flow": flow,
        "links": list(links),
        "allow_test_numbers": allow_test_numbers,
    }
    return Plan(Kind.ENQUIRY, arguments)
