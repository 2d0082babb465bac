"""The roles by name, and how a role's exit says that the gateway must not go on."""

from __future__ import annotations

from typing import Final

from gateway.stages.itinerary import Role

__all__ = ["HALTED", "Role"]

HALTED: Final = 100
"""Added to a Halt's exit status by a supervised role, so that its supervisor can tell a Halt from a mere crash."""
