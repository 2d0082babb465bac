"""In which direction each flow may go between the two kinds of site, and which partners a site's flows go to and come from.

Raises nothing, reads nothing. Source of the directions: the public descriptions of e-Transfer and HERS, kept in
docs/architecture.md. What reads a flow's files is in `flows.catalog`: who only asks for names or ways does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.domain.routes import Routes
from gateway.domain.statement import FLOW as STATEMENT
from gateway.settings.flow_settings import ANSWERED
from gateway.settings.model import Partner, Settings, SiteKind

Way = tuple[SiteKind, SiteKind]
"""The kind of site that sends, and the one that receives."""

_DWP_TO_LA: Final = (SiteKind.DWP, SiteKind.LA)
_LA_TO_DWP: Final = (SiteKind.LA, SiteKind.DWP)
_LA_TO_LA: Final = (SiteKind.LA, SiteKind.LA)
_ANY: Final = (_DWP_TO_LA, _LA_TO_DWP, _LA_TO_LA)

WAYS: Final[Mapping[str, tuple[Way, ...]]] = MappingProxyType(
    {
        "laid": (_DWP_TO_LA,),
        "claim": (_DWP_TO_LA,),
        "referral": (_DWP_TO_LA,),
        "scan": (_DWP_TO_LA,),
        "etd": (_DWP_TO_LA,),
        "outcome": (_LA_TO_DWP,),
        "extract": (_LA_TO_DWP,),
        "redirect": (_LA_TO_LA,),
        "enquiry": _ANY,
        "reply": _ANY,
        "faults": (_DWP_TO_LA,),
        STATEMENT: _ANY,
    }
)
"""The flows that this version carries, and the ways that each may go, the most usual one first."""


def permitted(site: SiteKind, partner: SiteKind) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The flows that may leave a site for a partner, and those that may come from it, by their kinds."""
    outgoing = tuple(flow for flow, ways in WAYS.items() if (site, partner) in ways)
    incoming = tuple(flow for flow, ways in WAYS.items() if (partner, site) in ways)
    return outgoing, incoming


def flows_of(settings: Settings, partner: Partner) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The flows to and from one partner: its file's own lists where it has them, else the catalog's.

    Statements go neither way where the site exchanges none (`[audit] statements`). From a partner without a gateway nothing comes,
    and nothing that has to be answered goes there.
    """
    outgoing, incoming = permitted(settings.site.kind, partner.kind)
    if partner.flows_out is not None:
        outgoing = partner.flows_out
    if partner.flows_in is not None:
        incoming = partner.flows_in
    left_out = frozenset() if settings.audit.statements else frozenset({STATEMENT})
    if partner.envelope == "plain":
        incoming, left_out = (), left_out | ANSWERED
    return (
        tuple(flow for flow in outgoing if flow not in left_out),
        tuple(flow for flow in incoming if flow not in left_out),
    )


def routes(settings: Settings) -> Routes:
    """Which partners each flow may go to and come from."""
    ways = {code: flows_of(settings, partner) for code, partner in settings.partners.items()}
    return Routes(
        outgoing={flow: frozenset(code for code, (out, _) in ways.items() if flow in out) for flow in WAYS},
        incoming={flow: frozenset(code for code, (_, into) in ways.items() if flow in into) for flow in WAYS},
    )
