"""What roles have in common with their supervisor: how an exit says that the gateway must not go on, and which roles there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.daemon.wake_ups import wake
from gateway.stages.itinerary import Role

if TYPE_CHECKING:
    from gateway.settings.model import Settings

HALTED: Final = 100
"""Added to a Halt's exit status by a supervised role, so that its supervisor can tell a Halt from a mere crash."""

INDEX: Final = "index"
"""The role that hands delivered documents to a document system, where `[index] enabled` asks for it; it runs no stage."""

LOAD: Final = "load"
"""The role that loads delivered documents into a database, where `[load] enabled` asks for it; it runs no stage."""

CONSOLE: Final = "console"
"""The role that serves the site's web pages, where `[console] listen` asks for it; it runs no stage."""

METRICS: Final = "metrics"
"""The role that serves the site's metrics, where `[metrics] listen` asks for it; it runs no stage."""

NOTIFY: Final = "notify"
"""The role that tells people what happens, where `[notify]` has a channel; it runs no stage."""


def roles_of(settings: Settings) -> list[str]:
    """The roles that a gateway with these settings runs: metrics, notify, load, index and console only where somebody wants them."""
    return [
        *map(str, Role),
        *([METRICS] if settings.metrics.listen else []),
        *([NOTIFY] if settings.notify.channels else []),
        *([LOAD] if settings.load.enabled else []),
        *([CONSOLE] if settings.console.listen else []),
        *([INDEX] if settings.index.enabled else []),
    ]


def wake_all(run: Path) -> None:
    """Wake each of the three roles, if it runs."""
    for role in Role:
        wake(run, role)
