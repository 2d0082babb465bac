"""Which flows there are, and in which direction each may go between the two kinds of site.

Raises nothing, reads nothing. Source of the directions: the public descriptions of e-Transfer and HERS, kept in
docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.settings.model import SiteKind

_DWP_TO_LA: Final = (SiteKind.DWP, SiteKind.LA)
_LA_TO_DWP: Final = (SiteKind.LA, SiteKind.DWP)

DIRECTIONS: Final[Mapping[str, tuple[SiteKind, SiteKind]]] = MappingProxyType(
    {
        "laid": _DWP_TO_LA,
        "claim": _DWP_TO_LA,
        "referral": _DWP_TO_LA,
        "extract": _LA_TO_DWP,
    }
)
"""The flows that this version carries: from which kind of site, to which."""


def permitted(site: SiteKind, partner: SiteKind) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The flows that may leave a site for a partner, and those that may come from it, by their kinds."""
    outgoing = tuple(flow for flow, ends in DIRECTIONS.items() if ends == (site, partner))
    incoming = tuple(flow for flow, ends in DIRECTIONS.items() if ends == (partner, site))
    return outgoing, incoming
