"""A partner's card, taken by two people: one asks with the card's text, another one calls the partner and hears its fingerprint read out.

Whoever agrees types the last digits as they heard them, and does not see them before. No role may write partners' files and keyrings in the
split installation, so a person at the machine carries it out (`requests.carrying_out`), where the card is held against its certificate.

Needs the ledger and the domain only. Raises CardRefused for what is no card, and what `requests.asking` raises.
"""

from __future__ import annotations

import hmac
from typing import Final

from gateway.administration.requests import asking
from gateway.administration.requests.asking import reason_text
from gateway.domain.card import Card, parse, require_others
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.errors import UsageWrong
from gateway.ledger import proposals, requests
from gateway.ledger.store import Ledger
from gateway.ledger.units import Request
from gateway.settings.model import Settings

HEARD: Final = 8
"""So many digits, the last ones, the second person types."""
_GROUP: Final = 4


def ask(settings: Settings, ledger: Ledger, text: str, actor: str, reason: str) -> str:
    """Ask that a card is taken; the request's id."""
    card = card_of(text)
    require_others(card, settings.site.code)
    return asking.ask(settings, ledger, Act.TAKE_CARD, card.site, actor, reason, text)


def card_of(text: str) -> Card:
    """The card of that text; CardRefused where it is none."""
    return parse(text.encode(errors="replace"))


def in_groups(card: Card, *, whole: bool) -> str:
    """The fingerprint to be read out; for who has to hear it, without the last digits."""
    shown = card.fingerprint if whole else card.fingerprint[:-HEARD] + "\u2022" * HEARD
    return " ".join(shown[start : start + _GROUP] for start in range(0, len(shown), _GROUP))


def agree(settings: Settings, ledger: Ledger, identity: str, user: str, heard: str, reason: str) -> Request:
    """Agree, as the second person, with the last digits of the fingerprint as the partner read them out."""
    decision = Decision(user, reason_text(reason))
    with ledger.write() as transaction:
        asked = requests.find(transaction.connection, identity)
        if asked.act is not Act.TAKE_CARD:
            raise UsageWrong("That request is about no card.")
        wanted = card_of(asked.argument or "").fingerprint[-HEARD:]
        if not hmac.compare_digest("".join(heard.split()).upper().encode(errors="replace"), wanted.encode()):
            raise UsageWrong(
                f"These are not the last {HEARD} digits of the card's fingerprint. If the partner read them out so, it is not their card: decline."
            )
        return proposals.agree(transaction, identity, decision, asking.oldest(settings.console, transaction.now))
