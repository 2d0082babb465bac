"""What the audit chain is told of keys: who changed which, and that a partner has changed its own.

Raises what the ledger raises. Each event is about one key: `own/FINGERPRINT`, or `CODE/FINGERPRINT` of a partner's.
"""

from __future__ import annotations

from gateway.administration.requests.actors import stage_context
from gateway.administration.site.key_rotation import Changed
from gateway.domain.decision import Decision
from gateway.errors import HostKeyChanged, KeyUnconfirmed, PartnerKeyRevoked
from gateway.ledger.queries.keys import CONFIRMED, OWN, subject
from gateway.ledger.store import Transaction
from gateway.logs import Logger
from gateway.settings.model import Partner, Settings
from gateway.stages.context import StageContext
from gateway.stages.decisions import hold_lane
from gateway.transport.keys import parse_public_key


def changed(context: StageContext, event: str, changed: Changed, decision: Decision) -> None:
    """Record that a key of ours took the place of another."""
    with context.ledger.write() as transaction:
        transaction.record(
            event,
            "key",
            subject(OWN, changed.fingerprint),
            fingerprint=changed.fingerprint,
            until=None if changed.until is None else changed.until.isoformat(),
            **decision.detail,
            old=[changed.old],
        )


def confirmed(context: StageContext, partner: str, decision: Decision) -> None:
    """Record a person's word that a partner knows our new key; what waited for that is due at once."""
    own = context.settings.openpgp.fingerprint
    with context.ledger.write() as transaction:
        transaction.record(
            CONFIRMED,
            "key",
            subject(partner, own),
            partner,
            fingerprint=own,
            **decision.detail,
        )
        transaction.try_again(partner, KeyUnconfirmed.code)


def ended(context: StageContext, event: str, owner: str, fingerprint: str, decision: Decision) -> None:
    """Record that a key, ours or a partner's, is used no more."""
    with context.ledger.write() as transaction:
        transaction.record(
            event,
            "key",
            subject(owner, fingerprint),
            None if owner == OWN else owner,
            fingerprint=fingerprint,
            **decision.detail,
        )


def lost(context: StageContext, partner: Partner, fingerprint: str, decision: Decision) -> None:
    """Record that a partner's key is trusted no more, and hold its lane where nothing may go there without a new one."""
    there = partner.endpoint
    with context.ledger.write() as transaction:
        transaction.record(
            "key.revoked",
            "key",
            subject(partner.code, fingerprint),
            partner.code,
            fingerprint=fingerprint,
            **decision.detail,
        )
        if fingerprint == partner.fingerprint:
            hold_lane(transaction, partner.code, PartnerKeyRevoked(), decision)
        elif there is not None and fingerprint == parse_public_key(there.host_key).fingerprint:
            hold_lane(transaction, partner.code, HostKeyChanged("the host key is revoked here"), decision)


def introduced(settings: Settings, log: Logger, before: Partner | None, new: Partner, decision: Decision) -> None:
    """Record that a partner's card was taken; `key.rotated` where it has changed the keys of one that was known."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        record_introduced(transaction, before, new, decision)


def record_introduced(transaction: Transaction, before: Partner | None, new: Partner, decision: Decision) -> None:
    """The same in the caller's transaction."""
    rotated = before is not None and _pins(before) != _pins(new)
    transaction.record(
        "key.rotated" if rotated else "partner.added",
        "key",
        subject(new.code, new.fingerprint),
        new.code,
        fingerprint=new.fingerprint,
        until=None if new.old_fingerprint_until is None else new.old_fingerprint_until.isoformat(),
        **decision.detail,
    )


def _pins(partner: Partner) -> tuple[str | None, ...]:
    """Everything that a partner is recognised by."""
    host_key = None if partner.endpoint is None else partner.endpoint.host_key
    return partner.fingerprint, partner.ssh_key, host_key
