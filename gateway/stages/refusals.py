"""A decision that was refused, or failed: an event about what it was meant for. Raises what the ledger raises."""

from __future__ import annotations

import re
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.identity import is_id
from gateway.errors import NotFound
from gateway.ledger.queries.continuity import SUBJECT as CONTINUITY
from gateway.ledger.queries.identities import find
from gateway.ledger.queries.people import find_person
from gateway.ledger.queries.quarantine import find_quarantined
from gateway.ledger.queries.retention import SUBJECT as RETENTION
from gateway.ledger.store import Transaction
from gateway.settings.model import Settings

_START_OF_ID: Final = re.compile(r"[0-9a-f][0-9a-f-]{0,35}")


def record_refused(
    transaction: Transaction, settings: Settings, act: str, about: str, decision: Decision, code: str
) -> None:
    """Record that `decision` to do `act` about what `about` names (an id or its start, a partner) came to nothing.

    The error's code goes into the chain and not its words, which may name a file.
    """
    if act.startswith("people ") and find_person(transaction.connection, about) is not None:
        kind, subject, partner = "person", about, None
    else:
        kind, subject, partner = _meant(transaction, settings, about)
    transaction.record("decision.refused", kind, subject, partner, act=act, code=code, **decision.detail)


def _meant(transaction: Transaction, settings: Settings, about: str) -> tuple[str, str, str | None]:
    """Kind, id and partner of what is meant; a site's continuity and its retention are things of their own. Of what there is not here, the start of an id or a listed code and no other word."""
    if about in (CONTINUITY, RETENTION):
        return about, about, None
    if about in settings.codes:
        return "lane", about, about
    if settings.authorities.find(about) is not None:
        return "decision", about, None
    if _START_OF_ID.fullmatch(about) is None:
        return "decision", "unnamed", None
    try:
        row = find(transaction.connection, about)
    except NotFound:
        return _locked_away(transaction, about) or ("decision", about, None)
    return row.kind, row.id, row.partner


def _locked_away(transaction: Transaction, about: str) -> tuple[str, str, str] | None:
    """Kind, id and partner of what is locked away under that id; the id is its consignment's where that has one."""
    try:
        row = find_quarantined(transaction.connection, about)
    except NotFound:
        return None
    return row.kind, row.consignment if is_id(row.consignment) else row.id, row.partner
