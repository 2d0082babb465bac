"""Which partners a flow may go to, and come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Routes:
    """Flow to partners, in both directions; made by `flows.routes` from the settings."""

    outgoing: Mapping[str, frozenset[str]]
    incoming: Mapping[str, frozenset[str]]

    def may_receive(self, flow: str, partner: str) -> bool:
        return partner in self.incoming.get(flow, frozenset())
