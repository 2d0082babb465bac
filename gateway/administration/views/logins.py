"""Who logged in at the SFTP server, and who tried to: events of the audit chain, by hour, result and partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.ledger.queries.logins import ACCEPTED, LOST, Recorded, recorded
from gateway.ledger.store import Connection

_ACCEPTED: Final = "accepted"
_LOST: Final = "lost"


@dataclass(frozen=True)
class LoginView:
    """Log-ins of one kind in one hour (RFC 3339). `result` is accepted, lost (a count), or the code of the refusal."""

    hour: str | None
    result: str
    count: int
    partner: str | None
    fingerprint: str | None


@dataclass(frozen=True)
class LoginList:
    """Log-ins, the oldest first, and how many were accepted and refused."""

    logins: tuple[LoginView, ...]
    accepted: int
    refused: int


def logins(connection: Connection, since: float, partner: str | None) -> LoginList:
    """Those from the hour of a moment (seconds since 1970) on; with one partner's keys, or all."""
    found = list(recorded(connection, since, partner))
    return LoginList(
        logins=tuple(_line(each) for each in found),
        accepted=sum(each.count for each in found if each.event == ACCEPTED),
        refused=sum(each.count for each in found if each.event not in (ACCEPTED, LOST)),
    )


def _line(each: Recorded) -> LoginView:
    result = {ACCEPTED: _ACCEPTED, LOST: _LOST}.get(each.event) or each.code or ""
    return LoginView(each.hour or None, result, each.count, each.partner, each.fingerprint)
