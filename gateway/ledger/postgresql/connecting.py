"""How a connection to the ledger's PostgreSQL is opened, and what the ledger asks of the server on it. psycopg alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.ledger.integrity import BUSY_SECONDS

_CONNECT_SECONDS: Final = 10
_SILENT_SECONDS: Final = 60
"""A writer that stands still for so long in its transaction loses it: else one that was stopped would hold the head for ever."""
OPTIONS: Final[Mapping[str, str]] = {
    "synchronous_commit": "on",  # whatever the server's default is: a commit of the ledger is durable
    "lock_timeout": f"{BUSY_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{_SILENT_SECONDS}s",
    "idle_session_timeout": "0",
    "timezone": "UTC",
}


def settings_of(url: str) -> dict[str, Any]:
    """What libpq is told beside the URL; what the URL itself says of it stays."""
    told: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": BUSY_SECONDS * 1000,
        "keepalives_idle": BUSY_SECONDS,
        "application_name": "gateway",
        "options": " ".join(f"-c {name}={value}" for name, value in OPTIONS.items()),
    }
    return {name: value for name, value in told.items() if f"{name}=" not in url.partition("?")[2]}
