"""Which flows there are, in which direction each may go between the two kinds of site, and what reads its files.

Raises nothing, reads nothing. Source of the directions: the public descriptions of e-Transfer and HERS, kept in
docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from gateway.domain.routes import Routes
from gateway.settings.model import Partner, Settings, SiteKind
from gateway.validation.pdf.links import LINKS
from gateway.validation.plan import Plan, enquiry_plan, extract_plan, pdf_plan, redirect_plan, xml_plan

_DWP_TO_LA: Final = (SiteKind.DWP, SiteKind.LA)
_LA_TO_DWP: Final = (SiteKind.LA, SiteKind.DWP)
_LA_TO_LA: Final = (SiteKind.LA, SiteKind.LA)
_ANY: Final = (_DWP_TO_LA, _LA_TO_DWP, _LA_TO_LA)

Way = tuple[SiteKind, SiteKind]
"""The kind of site that sends, and the one that receives."""


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


def _catalog(*flows: Flow) -> Mapping[str, Flow]:
    return MappingProxyType({flow.name: flow for flow in flows})


FLOWS: Final = _catalog(
    Flow("laid", (_DWP_TO_LA,), _laid),
    Flow("claim", (_DWP_TO_LA,), _xml("claim")),
    Flow("referral", (_DWP_TO_LA,), _xml("referral")),
    Flow("scan", (_DWP_TO_LA,), _xml("scan")),
    Flow("etd", (_DWP_TO_LA,), _xml("etd")),
    Flow("outcome", (_LA_TO_DWP,), _xml("outcome")),
    Flow("extract", (_LA_TO_DWP,), _extract),
    Flow("redirect", (_LA_TO_LA,), _redirect),
    Flow("enquiry", _ANY, _enquiry("enquiry")),
    Flow("reply", _ANY, _enquiry("reply")),
    Flow("faults", (_DWP_TO_LA,), _xml("faults")),
)
"""The flows that this version carries."""


def permitted(site: SiteKind, partner: SiteKind) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The flows that may leave a site for a partner, and those that may come from it, by their kinds."""
    outgoing = tuple(flow.name for flow in FLOWS.values() if (site, partner) in flow.ways)
    incoming = tuple(flow.name for flow in FLOWS.values() if (partner, site) in flow.ways)
    return outgoing, incoming


def flows_of(settings: Settings, partner: Partner) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The flows to and from one partner: its file's own lists where it has them, else the catalog's."""
    outgoing, incoming = permitted(settings.site.kind, partner.kind)
    return (
        outgoing if partner.flows_out is None else partner.flows_out,
        incoming if partner.flows_in is None else partner.flows_in,
    )


def routes(settings: Settings) -> Routes:
    """Which partners each flow may go to and come from."""
    ways = {code: flows_of(settings, partner) for code, partner in settings.partners.items()}
    return Routes(
        outgoing={flow: frozenset(code for code, (out, _) in ways.items() if flow in out) for flow in FLOWS},
        incoming={flow: frozenset(code for code, (_, into) in ways.items() if flow in into) for flow in FLOWS},
    )
