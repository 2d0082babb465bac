"""Key expiry: a warning 30, 14, 7 and 1 days before a key ends, and when it has ended; each once.

The certificate as it lies here counts, and this site's own clock. While our key is being changed, the date until which
partners accept the old one is such an end too, as long as one of them has not shown that it knows the new one. The
warnings are events of the chain about the key, and `gateway status` reads them there. A key that was extended after a
warning gets an event too, as renewed. Each look at all keys leaves a note of their ends for the site's metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.crypto.contract import Certificate, OpenPgp
from gateway.domain.identity import to_text
from gateway.domain.retry import is_due
from gateway.errors import CryptoFailed, OwnKeyUnusable, PartnerKeyUnusable
from gateway.ledger.queries import events
from gateway.ledger.queries.keys import (
    EXPIRED,
    EXPIRING,
    OWN,
    RENEWED,
    TOLD,
    WARNING_DAYS,
    stage_of,
    subject,
    unconfirmed,
)
from gateway.ledger.store import Transaction
from gateway.stages.context import StageContext, Step
from gateway.stages.key_ends import note_key_ends

_DAY: Final = 86_400.0
_EVERY: Final = 3600.0
_AT_ONCE: Final = 8
"""Keys that one step looks at: reading a keyring for the first time takes a moment."""


@dataclass(frozen=True)
class End:
    """The moment at which a key ends (seconds since 1970), whose it is, and what that means."""

    owner: str
    fingerprint: str
    at: float
    meaning: str

    @property
    def subject(self) -> str:
        return subject(self.owner, self.fingerprint)


class KeyExpiry:
    """Looks at every key once an hour, and at the moments at which a warning is due."""

    name = "key-expiry"

    def __init__(self, context: StageContext, engine: OpenPgp) -> None:
        self._context = context
        self._engine = engine
        self._next = 0.0
        self._pending: list[str] = []
        self._soonest = 0.0
        self._seen: dict[str, float | None] = {}

    def step(self) -> Step:
        now = self._context.clock()
        if not self._pending:
            if not is_due(self._next, now, _EVERY):
                return Step(due=self._next)
            self._pending = [OWN, *self._context.settings.partners]
            self._soonest = now + _EVERY
            self._seen.clear()
        owners, self._pending = self._pending[:_AT_ONCE], self._pending[_AT_ONCE:]
        ends = [end for owner in owners for end in self._ends(owner)]
        done = self._tell(ends, now)
        moments = [end.at - days * _DAY for end in ends for days in (*WARNING_DAYS, 0)]
        self._soonest = min([self._soonest, *(moment for moment in moments if moment > now)])
        self._next = now if self._pending else self._soonest
        if not self._pending:
            note_key_ends(self._context.home.run, self._seen)
        return Step(done=done, due=self._next)

    def close(self) -> None:
        self._engine.close()

    def _ends(self, owner: str) -> Iterator[End]:
        try:
            if owner == OWN:
                yield from self._end(OWN, self._engine.own_certificate(), "sealing stops then")
                yield from self._overlap()
            else:
                meaning = "nothing is sealed to it or accepted from it then"
                yield from self._end(owner, self._engine.partner_certificate(owner), meaning)
        except (OwnKeyUnusable, PartnerKeyUnusable, CryptoFailed):
            return  # a key that is not there has no end; the stage that needs it reports it

    def _end(self, owner: str, certificate: Certificate, meaning: str) -> Iterator[End]:
        if certificate.revoked:
            return
        self._seen[owner] = certificate.expires
        if certificate.expires is not None:
            yield End(owner, certificate.fingerprint, certificate.expires, meaning)

    def _overlap(self) -> Iterator[End]:
        settings = self._context.settings
        old, until = settings.keys.old_openpgp, settings.keys.old_openpgp_until
        if old is None or until is None:
            return
        with self._context.ledger.read() as connection:
            waiting = unconfirmed(connection, settings)
        if waiting:
            meaning = f"{len(waiting)} partners are not known to know the new key; sealing to them stops then"
            yield End(OWN, old, until.timestamp(), meaning)

    def _tell(self, ends: list[End], now: float) -> int:
        with self._context.ledger.read() as connection:
            told = events.last_details(connection, TOLD, [end.subject for end in ends])
        fresh = [
            (end, event, detail) for end in ends for event, detail in [_news(end, now, told.get(end.subject))] if event
        ]
        if fresh:
            with self._context.ledger.write() as transaction:
                for end, event, detail in fresh:
                    _record(transaction, end, event, detail)
        return len(fresh)


def _news(end: End, now: float, told: tuple[str, Mapping[str, Any]] | None) -> tuple[str | None, Mapping[str, Any]]:
    """The event that is due about a key and not recorded yet, with its details; None where there is nothing new."""
    days, due = stage_of(end.at - now), to_text(end.at)
    last, before = told if told is not None else (None, {})
    if days is None:
        return (RENEWED if last in (EXPIRING, EXPIRED) else None), {"due": due}
    event = EXPIRED if days == 0 else EXPIRING
    same = last == event and before.get("due") == due and before.get("days") == days
    return (None if same else event), {"due": due, "days": days}


def _record(transaction: Transaction, end: End, event: str, detail: Mapping[str, Any]) -> None:
    transaction.record(
        event,
        "key",
        end.subject,
        None if end.owner == OWN else end.owner,
        fingerprint=end.fingerprint,
        reason=None if event == RENEWED else end.meaning,
        **detail,
    )
