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


class Role(StrEnum):
    """The three roles: inspect reads what people and partners wrote, vault holds the keys, link talks to the network."""

    INSPECT = "inspect"
    VAULT = "vault"
    LINK = "link"


@dataclass(frozen=True)
class Leg:
    """One stage: `name` as log lines have it under `stage`, the role that runs it, and `wakes`, the other roles that its
    results are for. A woken role makes a dozen queries, so a stage wakes no others, and a quiet step (`stages.context`) nobody.
    """

    name: str
    role: Role
    wakes: tuple[Role, ...] = ()


ITINERARY: Final = (
    Leg("admit", Role.INSPECT),
    Leg("requests", Role.INSPECT, wakes=(Role.VAULT, Role.LINK)),
    Leg("payloads", Role.INSPECT),
    Leg("validate", Role.INSPECT, wakes=(Role.VAULT,)),
    Leg("deliver", Role.INSPECT, wakes=(Role.VAULT,)),
    Leg("answer", Role.INSPECT, wakes=(Role.VAULT,)),
    Leg("conclude", Role.INSPECT),
    Leg("extract-calendar", Role.INSPECT),
    Leg("overdue-enquiries", Role.INSPECT),
    Leg("overdue-answers", Role.INSPECT),
    Leg("statement-dispatch", Role.INSPECT),
    Leg("overdue-receipts", Role.VAULT, wakes=(Role.INSPECT, Role.LINK)),
    Leg("key-expiry", Role.VAULT),
    Leg("daily-statement", Role.VAULT, wakes=(Role.INSPECT,)),
    Leg("vault-requests", Role.VAULT),
    Leg("proofs", Role.VAULT, wakes=(Role.INSPECT,)),
    Leg("accept", Role.VAULT, wakes=(Role.INSPECT,)),
    Leg("open", Role.VAULT, wakes=(Role.INSPECT,)),
    Leg("pack", Role.VAULT),
    Leg("seal", Role.VAULT, wakes=(Role.LINK,)),
    Leg("acknowledge", Role.VAULT, wakes=(Role.LINK,)),
    Leg("collect", Role.LINK, wakes=(Role.VAULT,)),
    Leg("send", Role.LINK, wakes=(Role.VAULT,)),
    Leg("login-records", Role.LINK),
    Leg("statement-stamp", Role.LINK, wakes=(Role.VAULT,)),
    Leg("link-trials", Role.LINK),
)
"""All stages. Within a role the order matters: what a stage finishes, a later one of the same round takes up."""

WAKES: Final[Mapping[str, tuple[Role, ...]]] = MappingProxyType({leg.name: leg.wakes for leg in ITINERARY})
"""By a stage's name, the other roles that its results are for."""


def stages_of(role: Role) -> list[str]:
    """The names of a role's stages, in their order."""
    return [leg.name for leg in ITINERARY if leg.role is role]
