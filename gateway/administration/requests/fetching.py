"""A delivered payload for a program of the back office: *inspect* copies it, and the console gives the copy out.

What is asked is an event before a byte is given. Raises NotFound for what is not there, or not the token's business, and what the ledger raises.
"""

from __future__ import annotations

import os
from typing import Any

from gateway.administration.credentials.context import CredentialContext
from gateway.administration.credentials.refusals import TOKEN
from gateway.administration.requests.outcomes import seen
from gateway.daemon.wake_ups import wake
from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.people import Right, Token
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.errors import NotFound
from gateway.ledger import requests
from gateway.ledger.units import Request, Transfer
from gateway.settings.model import Settings


def fetch(context: CredentialContext, settings: Settings, token: Token, identity: str) -> tuple[Request, Transfer]:
    """Ask for a copy of a delivered transfer's payload; the request, and the transfer."""
    request = new_id(context.clock(), os.urandom(RANDOM_BYTES))
    with context.ledger.write() as transaction:
        row = seen(transaction.connection, token, identity, Right.OPEN)
        if row.direction != Direction.IN or row.state not in (State.DELIVERED, State.INGESTED):
            raise NotFound("there is no such transfer")
        asked = requests.ask(transaction, request, Act.FETCH, row.id, token.owner.user, "")
        told: dict[str, Any] = {"actor": token.owner.user, "transfer": row.id, "flow": row.flow}
        transaction.record("token.fetched", TOKEN, token.name, row.partner, **told)
    wake(settings.home.run, Act.FETCH.role)
    return asked, row


def answer(context: CredentialContext, request: Request) -> Request:
    """The request as it is now."""
    with context.ledger.read() as connection:
        return requests.find(connection, request.id)
