"""How a role's exit says that the gateway must not go on. The roles themselves are in `stages.itinerary`."""

from __future__ import annotations

from typing import Final

HALTED: Final = 100
"""Added to a Halt's exit status by a supervised role, so that its supervisor can tell a Halt from a mere crash."""
