"""What this machine's node does not reach, as the vault's pulse has it, for whoever on it does not ask the ledger. Raises nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.daemon.pulse import PutOff, read_pulse
from gateway.errors import NodeClock
from gateway.stages.itinerary import Role

STAGE: Final = "heartbeat"
"""Under this name the vault tells what the node does not reach, in its log and in its pulse."""


def trouble(run: Path) -> PutOff | None:
    """For how long the vault has not reached the ledger or the store as a node, by its pulse, and the code of that; None where it reaches both, or where
    this account may not look.
    """
    pulse = read_pulse(run, Role.VAULT)
    return None if pulse is None else pulse.deferred.get(STAGE)


def what_is_away(code: str) -> str:
    """What is not reached where the heartbeat failed with that code."""
    if code == NodeClock.code:
        return "the right time"
    return "its store" if code.startswith("store-") else "the ledger" if code.startswith("ledger-") else "what it needs"
