"""Whether a node's name is its own, asked before anything of it starts: its SFTP server would take what partners bring, and end at once. Raises
NodeRunsElsewhere, and what the ledger raises.
"""

from __future__ import annotations

from gateway.daemon.lock import holder
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role


def require_own_name(settings: Settings, wait_seconds: float | None = None) -> None:
    """NodeRunsElsewhere where the vault of a node of that name runs, and not in this HOME. It waits for a process that was just killed."""
    place, name = settings.ledger_place, settings.node.name
    if not name or not isinstance(place, str) or holder(settings.home.run, Role.VAULT) is not None:
        return
    from gateway.ledger.postgresql import holding  # noqa: PLC0415 - a gateway that works alone needs no database's library

    with holding.held(place, Role.VAULT, name, wait_seconds):
        pass
