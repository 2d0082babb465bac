"""Which key signs towards a partner while ours is being changed, and what shows that a partner knows the new one.

A partner that has not taken our new card would quarantine what the new key signs; one that has taken it accepts the old
key until the date on that card. So the old key signs towards a partner until something that it sealed to the new key was
accepted here, or the sysadmin says that it knows the key (`gateway keys confirm`); either is an event of the chain. What
could still be on its way when the date comes waits instead (KeyUnconfirmed).
"""

from __future__ import annotations

from gateway.errors import KeyUnconfirmed
from gateway.ledger.queries import events
from gateway.ledger.queries.keys import CONFIRMED, subject
from gateway.ledger.store import Transaction
from gateway.settings.model import Settings
from gateway.stages.context import StageContext


class Signing:
    """The choice of the key for one role. It remembers which partners have confirmed, since that is never taken back."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._confirmed: set[str] = set()

    def signer(self, partner: str, expires: float | None = None) -> str:
        """The primary fingerprint that signs now for that partner; KeyUnconfirmed where neither key may.

        `expires` is the moment after which the partner would refuse what is signed in any case: until then it has to
        accept the key. None: at once.
        """
        settings = self._context.settings
        new, old, until = settings.openpgp.fingerprint, settings.keys.old_openpgp, settings.keys.old_openpgp_until
        if old is None or until is None or self._knows(partner, new):
            return new
        if old in settings.keys.revoked_openpgp or (expires or self._context.clock()) > until.timestamp():
            raise KeyUnconfirmed
        return old

    def _knows(self, partner: str, fingerprint: str) -> bool:
        if partner not in self._confirmed:
            with self._context.ledger.read() as connection:
                if events.events_about(connection, [CONFIRMED], [subject(partner, fingerprint)]):
                    self._confirmed.add(partner)
        return partner in self._confirmed


def note_use(transaction: Transaction, settings: Settings, partner: str, encrypted_to: str) -> None:
    """Record that a partner knows our new key, where what was accepted from it shows that for the first time."""
    if settings.keys.old_openpgp is None or encrypted_to != settings.openpgp.fingerprint:
        return
    about = subject(partner, encrypted_to)
    if not events.events_about(transaction.connection, [CONFIRMED], [about]):
        transaction.record(CONFIRMED, "key", about, partner, fingerprint=encrypted_to)
        transaction.try_again(partner, KeyUnconfirmed.code)
