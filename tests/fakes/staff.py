"""People of a site's console: supervisors and operators, as the ledger has them."""

from __future__ import annotations

from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.ledger import people
from gateway.ledger.store import Ledger

ADMINISTRATOR = Decision("administrator", "joins the team")


def hire(ledger: Ledger, *users: str, role: PersonRole = PersonRole.SUPERVISOR) -> None:
    """Add people who may do what the role may: with agreement and training."""
    with ledger.write() as transaction:
        for user in users:
            people.add(
                transaction, user, f"Name of {user}", "Benefits", {role}, "2026-01-05", "2026-01-06", ADMINISTRATOR
            )
