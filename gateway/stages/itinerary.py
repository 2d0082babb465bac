"""The itinerary: every stage by its logged name, in the order in which its role steps through them, and whom it wakes.

`assembly` builds each role's stages in this order, and the stage loop wakes other roles by it. It imports no stage, so it
is quick to import. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.ownership import AS_LANE, AS_NODE, AS_SITE


class Role(StrEnum):
    """The three roles: inspect reads what people and partners wrote, vault holds the keys, link talks to the network."""

    INSPECT = "inspect"
    VAULT = "vault"
    LINK = "link"


@dataclass(frozen=True)
class Leg:
    """One stage: `name` as log lines have it under `stage`, the role that runs it, and `wakes`, the other roles that its
    results are for. A woken role makes a dozen queries, so a stage wakes no others, and a quiet step (`stages.context`) nobody.
    `acts_as` says where it is run if the site has several nodes: on the lanes of each, at the node that has the site's own work, or at
    every node for its own directories (`ledger.fence`).
    """

    name: str
    role: Role
    wakes: tuple[Role, ...] = ()
    acts_as: str = AS_LANE


ITINERARY: Final = (
    Leg("admit", Role.INSPECT, acts_as=AS_NODE),
    Leg("requests", Role.INSPECT, wakes=(Role.VAULT, Role.LINK), acts_as=AS_SITE),
    Leg("payloads", Role.INSPECT, acts_as=AS_NODE),
    Leg("validate", Role.INSPECT, wakes=(Role.VAULT,)),
    Leg("deliver", Role.INSPECT, wakes=(Role.VAULT,)),
    Leg("answer", Role.INSPECT, wakes=(Role.VAULT,)),
    Leg("conclude", Role.INSPECT),
    Leg("extract-calendar", Role.INSPECT, acts_as=AS_SITE),
    Leg("overdue-enquiries", Role.INSPECT, acts_as=AS_SITE),
    Leg("overdue-answers", Role.INSPECT, acts_as=AS_SITE),
    Leg("statement-dispatch", Role.INSPECT, acts_as=AS_SITE),
    Leg("local-copies", Role.INSPECT, acts_as=AS_NODE),
    Leg("inspect-stored-files", Role.INSPECT, acts_as=AS_SITE),
    Leg("overdue-receipts", Role.VAULT, wakes=(Role.INSPECT, Role.LINK), acts_as=AS_SITE),
    Leg("key-expiry", Role.VAULT, acts_as=AS_SITE),
    Leg("daily-statement", Role.VAULT, wakes=(Role.INSPECT,), acts_as=AS_SITE),
    Leg("vault-requests", Role.VAULT, acts_as=AS_SITE),
    Leg("discarded-copies", Role.VAULT, acts_as=AS_NODE),
    Leg("proofs", Role.VAULT, wakes=(Role.INSPECT,), acts_as=AS_NODE),
    Leg("accept", Role.VAULT, wakes=(Role.INSPECT,)),
    Leg("open", Role.VAULT, wakes=(Role.INSPECT,)),
    Leg("pack", Role.VAULT),
    Leg("seal", Role.VAULT, wakes=(Role.LINK,)),
    Leg("acknowledge", Role.VAULT, wakes=(Role.LINK,)),
    Leg("vault-stored-files", Role.VAULT, acts_as=AS_SITE),
    Leg("collect", Role.LINK, wakes=(Role.VAULT,)),
    Leg("send", Role.LINK, wakes=(Role.VAULT,)),
    Leg("login-records", Role.LINK, acts_as=AS_NODE),
    Leg("statement-stamp", Role.LINK, wakes=(Role.VAULT,), acts_as=AS_SITE),
    Leg("link-trials", Role.LINK, acts_as=AS_SITE),
    Leg("link-stored-files", Role.LINK),
)
"""All stages. Within a role the order matters: what a stage finishes, a later one of the same round takes up."""

WAKES: Final[Mapping[str, tuple[Role, ...]]] = MappingProxyType({leg.name: leg.wakes for leg in ITINERARY})
"""By a stage's name, the other roles that its results are for."""

ACTS_AS: Final[Mapping[str, str]] = MappingProxyType({leg.name: leg.acts_as for leg in ITINERARY})
"""By a stage's name, what its steps act as."""


def stages_of(role: Role) -> list[str]:
    """The names of a role's stages, in their order."""
    return [leg.name for leg in ITINERARY if leg.role is role]
