"""Idempotency keys of programs: the same request with the same key is one request, for a day. Raises KeyReused, and what the ledger raises."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Final

from gateway.administration.credentials.context import CredentialContext
from gateway.administration.credentials.rows import Reply
from gateway.administration.credentials.store import Records
from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.people import Token
from gateway.errors import KeyReused
from gateway.ledger import requests
from gateway.ledger.units import Request

KEY_SECONDS: Final = 86_400.0
"""For so long the same key is the same request."""


def reply_of(context: CredentialContext, token: Token, key: str, content: bytes) -> Reply:
    """What to keep of a request with that key; `content` is all that it says."""
    now = context.clock()
    identity = new_id(now, os.urandom(RANDOM_BYTES))
    return Reply(token.name, sha256(key.encode()).hexdigest(), sha256(content).hexdigest(), identity, now)


def known(context: CredentialContext, records: Records, reply: Reply) -> Request | None:
    """The request that the key became before, None for a new key; KeyReused where it said something else.

    What came while this waited for its turn, or through a node whose clock goes before, was kept after `reply` was made: it stays.
    """
    now = context.clock()
    records.clear_replies(now - KEY_SECONDS, now + KEY_SECONDS)
    before = records.reply(reply.token, reply.key)
    if before is None:
        return None
    if before.digest != reply.digest:
        raise KeyReused
    with context.ledger.read() as connection:
        return requests.find(connection, before.request)
