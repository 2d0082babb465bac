"""Whose subject at an identity provider is whose user id here: pinned at the first sign-in, and let go of by a person's decision alone.

Raises UsageWrong, PersonUnknown, and what the store and the ledger raise.
"""

from __future__ import annotations

from gateway.administration.credentials.context import CredentialContext
from gateway.administration.people.roster import find
from gateway.domain.decision import Decision
from gateway.errors import UsageWrong
from gateway.ledger.people import KIND


def unpin(context: CredentialContext, user: str, decision: Decision) -> None:
    """Let whoever has that user id at the provider next be this person. UsageWrong where nothing is pinned, PersonUnknown."""
    with context.store.write() as records, context.ledger.write() as transaction:
        find(transaction.connection, user)
        if not records.unpin(user):
            raise UsageWrong(f"{user} has not signed in by an identity provider: nothing is pinned.")
        transaction.record("identity.unpinned", KIND, user, log={"user": user}, **decision.detail)
