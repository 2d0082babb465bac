"""Ask a running gateway for an act through its ledger, and read the answer: the road of whoever holds no key.

Needs the ledger and the domain only. Raises UsageWrong for what no request can be made of, NotFound for a request that there is not,
NotPermitted where this user may not change the site's state, and what the ledger raises.
"""

from __future__ import annotations

import os
import time
from typing import Final

from gateway.administration.access import opened, reading
from gateway.daemon.wake_ups import wake
from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.requests import Act
from gateway.errors import UsageWrong
from gateway.ledger import requests
from gateway.ledger.units import Request
from gateway.logs import safe_text
from gateway.settings.model import Settings

_LONGEST_REASON: Final = 300
_LONGEST_SUBJECT: Final = 100
_LONGEST_ACTOR: Final = 64


def ask(settings: Settings, act: Act, subject: str, actor: str, reason: str) -> str:
    """Ask for an act about what `subject` names, in the name of `actor`; returns the request's id.

    The request is committed, and the role that carries it out is woken. `answer` tells what became of it.
    """
    text = reason_text(reason)
    if not _is_plain(subject, _LONGEST_SUBJECT):
        raise UsageWrong("Give the whole id of what the request is about, or a partner's code.")
    if not _is_plain(actor, _LONGEST_ACTOR):
        raise UsageWrong(f"The name of whoever asks has 1 to {_LONGEST_ACTOR} printable characters.")
    identity = new_id(time.time(), os.urandom(RANDOM_BYTES))
    with opened(settings) as ledger, ledger.write() as transaction:
        requests.ask(transaction, identity, act, subject, actor, text)
    wake(settings.home.run, act.role)
    return identity


def answer(settings: Settings, identity: str) -> Request:
    """The request of that id as it is now: asked, or done, or refused with code, refusal and remedy."""
    with reading(settings) as connection:
        return requests.find(connection, identity)


def reason_text(reason: str) -> str:
    """A person's reason, masked and on one line; UsageWrong for one that says nothing."""
    text = " ".join(reason.split())
    if not 3 <= len(text) <= _LONGEST_REASON:
        raise UsageWrong(f"Give a --reason of 3 to {_LONGEST_REASON} characters that others will understand.")
    return safe_text(text)


def _is_plain(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text == safe_text(text)
