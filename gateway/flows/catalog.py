"""Which flows there are, and what reads their files; the ways that they go are in `flows.routes`. Raises nothing, reads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from gateway.flows.routes import WAYS, Way
from gateway.validation.pdf.links import LINKS
from gateway.validation.plan import Kind, Plan, enquiry_plan, extract_plan, pdf_plan, redirect_plan, xml_plan


class Planner(Protocol):
    """See `Flow.plan`."""

    def __call__(self, schemas: Path, test_numbers: bool, links: Sequence[str] = LINKS, /) -> Plan: ...  # noqa: FBT001


@dataclass(frozen=True)
class Flow:
    """One kind of file: the ways that it may go, the most usual one first, and the plan of its validator.

    `plan` takes the directory of schemas, whether test numbers may pass, and the kinds of address that links of a LAID may
    lead to.
    """

    name: str
    ways: tuple[Way, ...]
    plan: Planner

    @property
    def ends(self) -> Way:
        """The most usual way."""
        return self.ways[0]


def _xml(flow: str) -> Planner:
    def plan(schemas: Path, test_numbers: bool, _links: Sequence[str] = LINKS) -> Plan:  # noqa: FBT001 - as Planner
        return xml_plan(schemas, flow, allow_test_numbers=test_numbers)

    return plan


def _laid(_schemas: Path, _test_numbers: bool, links: Sequence[str] = LINKS) -> Plan:  # noqa: FBT001 - as Planner
    return pdf_plan(links)


def _extract(schemas: Path, test_numbers: bool, _links: Sequence[str] = LINKS) -> Plan:  # noqa: FBT001 - as Planner
    return extract_plan(schemas, allow_test_numbers=test_numbers)


def _redirect(schemas: Path, test_numbers: bool, links: Sequence[str] = LINKS) -> Plan:  # noqa: FBT001 - as Planner
    return redirect_plan(schemas, links=links, allow_test_numbers=test_numbers)


def _enquiry(flow: str) -> Planner:
    def plan(schemas: Path, test_numbers: bool, links: Sequence[str] = LINKS) -> Plan:  # noqa: FBT001 - as Planner
        return enquiry_plan(schemas, flow, links=links, allow_test_numbers=test_numbers)

    return plan


def _statement(_schemas: Path, _test_numbers: bool, _links: Sequence[str] = LINKS) -> Plan:  # noqa: FBT001 - as Planner
    return Plan(Kind.STATEMENT)


_PLANS: Final[Mapping[str, Planner]] = {
    "laid": _laid,
    "claim": _xml("claim"),
    "referral": _xml("referral"),
    "scan": _xml("scan"),
    "etd": _xml("etd"),
    "outcome": _xml("outcome"),
    "extract": _extract,
    "redirect": _redirect,
    "enquiry": _enquiry("enquiry"),
    "reply": _enquiry("reply"),
    "faults": _xml("faults"),
    "statement": _statement,
}

FLOWS: Final[Mapping[str, Flow]] = MappingProxyType(
    {name: Flow(name, ways, _PLANS[name]) for name, ways in WAYS.items()}
)
"""The flows that this version carries."""
