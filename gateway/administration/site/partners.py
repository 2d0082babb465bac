"""Introduce partners by their cards, and trust a key of theirs no more.

Raises CardRefused, CardForged, AuthorityUnlisted, UsageWrong, NotFound and ConfigurationInvalid, all before anything is
changed, and what the key store, the ledger and the disk raise.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from gateway.administration.requests.actors import stage_context
from gateway.administration.site import authorities, introduction, key_events, key_succession
from gateway.administration.site.introduction import Chosen, PartnerOptions
from gateway.administration.site.key_succession import CardSigner, Overlaps
from gateway.administration.site.reload import TakeOver, take_over_where_running
from gateway.administration.site.settings import load, partner_of, require_unchanged, share_out
from gateway.assembly.stores import key_store
from gateway.domain.calendar import day_of
from gateway.domain.card import Card, parse, signed_text
from gateway.domain.decision import Decision
from gateway.errors import CardRefused
from gateway.flows.routes import flows_of
from gateway.logs import Logger
from gateway.settings.model import Partner, Settings, Stopped
from gateway.settings.write import render_partner, write_partner


@dataclass(frozen=True)
class OfferedCard:
    """A card as it was read; `before` is the partner that it is of, where that is known already.

    `warning` says in a sentence that another code stands for the partner's today.
    """

    card: Card
    signed_text: bytes
    before: Partner | None
    warning: str | None


@dataclass(frozen=True)
class Proposal:
    """What taking a card would make of the partner. A person has to confirm it, unless the signer or somebody else has."""

    offered: OfferedCard
    chosen: Chosen
    overlaps: Overlaps
    signer: CardSigner
    confirmed: bool

    @property
    def change(self) -> tuple[str, ...] | None:
        """The partner's file before and after, as a diff; None for a new partner."""
        return None if self.offered.before is None else difference(self.offered.before, self.chosen.partner)

    @property
    def is_signed_by_partner(self) -> bool:
        """Whether the key that is pinned here for the partner stands for the card."""
        return self.offered.before is not None and self.signer.by_partner


@dataclass(frozen=True)
class Introduced:
    """A partner that was added or updated, its flows, and all partners that the gateway does not work with now."""

    partner: Partner
    flows_out: tuple[str, ...]
    flows_in: tuple[str, ...]
    stopped: dict[str, Stopped]


@dataclass(frozen=True)
class KeyRevocation:
    """A key of a partner's that is to be trusted no more."""

    partner: Partner
    without: Partner
    fingerprint: str

    @property
    def change(self) -> tuple[str, ...]:
        """The partner's file before and after, as a diff."""
        return difference(self.partner, self.without)


def open_card(settings: Settings, data: bytes, now: float, *, unlisted: bool) -> OfferedCard:
    """A card's bytes, if they are a card of an authority that may be a partner here."""
    offered = parse(data)
    before = introduction.known(offered, settings)
    if before is None:  # what was taken once is not asked about again
        authorities.require_listed(settings.authorities, offered.site, unlisted=unlisted)
        authorities.require_another(settings, offered.site)
    warning = authorities.successor_warning(settings.authorities, offered.site, day_of(now))
    return OfferedCard(offered, signed_text(data), before, warning)


def propose(
    settings: Settings,
    offered: OfferedCard,
    options: PartnerOptions,
    now: float,
    *,
    fingerprint: str | None,
    overlap: int | None,
) -> Proposal:
    """What taking the card would make of the partner, if it can be believed.

    `fingerprint` is the one that was confirmed by another channel, `overlap` for how many days the keys that the card
    replaces are accepted; None leaves either to the card's signature.
    """
    card, before, keys = offered.card, offered.before, key_store(settings.home.keyrings)
    introduction.believable(card, settings, keys, now)
    confirmed = None if fingerprint is None else introduction.normal_fingerprint(fingerprint)
    if confirmed is not None and confirmed != card.fingerprint:
        raise CardRefused("The card's fingerprint is not the one that was confirmed: this may be somebody else's card.")
    signer = key_succession.card_signer(card, offered.signed_text, before, keys, now, confirmed=confirmed is not None)
    overlaps = key_succession.overlaps(card, before, keys, now, trusted=signer.card, days=overlap)
    chosen = introduction.introduce(card, settings, options, overlaps)
    return Proposal(offered, chosen, overlaps, signer, confirmed is not None)


def introduce(settings: Settings, log: Logger, proposal: Proposal, decision: Decision) -> Introduced:
    """Take the card: the partner is known from here on."""
    new, keys = proposal.chosen.partner, key_store(settings.home.keyrings)
    require_unchanged(settings, new.code)
    introduction.keep(proposal.offered.card, new, settings, keys, proposal.overlaps)
    key_events.introduced(settings, log, proposal.offered.before, new, decision)
    share_out(settings.home)
    outgoing, incoming = flows_of(settings, new)
    return Introduced(new, tuple(outgoing), tuple(incoming), dict(load(settings.home).stopped))


def key_to_revoke(settings: Settings, code: str, fingerprint: str | None) -> KeyRevocation:
    """The key of a partner that is meant; its current OpenPGP key where none is named."""
    # A key is revoked for a partner that is stopped too, as long as its file can be read.
    stopped = settings.stopped.get(code)
    known = stopped.partner if stopped and stopped.partner else partner_of(settings, code)
    lost = key_succession.named_key(known, fingerprint)
    return KeyRevocation(known, key_succession.without(known, lost), lost)


def revoke(settings: Settings, log: Logger, key: KeyRevocation, decision: Decision) -> TakeOver:
    """Trust the key no more, at once and for good."""
    require_unchanged(settings, key.partner.code)
    with stage_context(settings, log) as context:
        key_events.lost(context, key.partner, key.fingerprint, decision)
    write_partner(settings.home, key.without)
    return take_over_where_running(settings.home, regardless=key.partner.code in settings.partners)


def difference(before: Partner, new: Partner) -> tuple[str, ...]:
    """What changes in a partner's file, as a diff without context."""
    old, now = (render_partner(each).splitlines() for each in (before, new))
    return tuple(difflib.unified_diff(old, now, "before", "now", n=0, lineterm=""))
