"""What the chain says of keys: which partners know our new one, and which keys end soon. Reads only; raises nothing of its own."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from gateway.domain.identity import from_text
from gateway.ledger.queries import events
from gateway.settings.model import Settings

WARNING_DAYS: Final = (30, 14, 7, 1)
"""Days before its end at which a key is warned of."""

EXPIRING: Final = "key.expiring"
EXPIRED: Final = "key.expired"
RENEWED: Final = "key.renewed"
TOLD: Final = (EXPIRING, EXPIRED, RENEWED)
CONFIRMED: Final = "key.confirmed"
REVOKED: Final = "key.revoked"
OWN: Final = "own"
"""Whose key it is, in the chain and in lists, where it is ours: no code of a partner has small letters."""


_DAY: Final = 86_400.0


def subject(owner: str, fingerprint: str) -> str:
    """What the chain calls a key of an owner's, or a partner's knowledge of a key of ours."""
    return f"{owner}/{fingerprint}"


def unconfirmed(connection: Connection, settings: Settings) -> list[str]:
    """The partners that have not shown yet that they know our new key; nobody, where none is being changed."""
    if settings.keys.old_openpgp is None:
        return []
    about = {code: subject(code, settings.openpgp.fingerprint) for code in settings.codes}
    said = events.events_about(connection, [CONFIRMED], list(about.values()))
    return [code for code, each in about.items() if (CONFIRMED, each) not in said]


def confirmed_since(connection: Connection, settings: Settings) -> float | None:
    """When the last partner showed that it knows our new key; None where not all have."""
    about = [subject(code, settings.openpgp.fingerprint) for code in settings.codes]
    said = events.events_about(connection, [CONFIRMED], about)
    if len(said) < len(about):
        return None
    return max((from_text(at) for at in said.values()), default=0.0)


def stage_of(left: float) -> int | None:
    """Which warning is due so many seconds before the end: 30, 14, 7, 1; 0 when it has come, None while it is far off."""
    if left <= 0:
        return 0
    return min((days for days in WARNING_DAYS if left <= days * _DAY), default=None)
