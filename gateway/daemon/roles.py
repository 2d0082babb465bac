"""What roles have in common with their supervisor: how an exit says that the gateway must not go on, and which roles there are.

Those that run stages are in `stages.itinerary`.
"""

from __future__ import annotations

from typing import Final

HALTED: Final = 100
"""Added to a Halt's exit status by a supervised role, so that its supervisor can tell a Halt from a mere crash."""

LOAD: Final = "load"
"""The role that loads delivered documents into a database, where `[load] enabled` asks for it; it runs no stage."""

METRICS: Final = "metrics"
"""The role that serves the site's metrics, where `[metrics] listen` asks for it; it runs no stage."""

NOTIFY: Final = "notify"
"""The role that tells people what happens, where `[notify]` has a channel; it runs no stage."""
