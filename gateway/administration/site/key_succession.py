"""Whether a card follows from what is known, and which keys before it are accepted beside those that it names.

A partner is known by the OpenPGP key that was confirmed once. What that key signed needs no second telephone call: a card
signed by it may name a new key, and say until when the one before is still used. Only the current pin vouches, never the
one before it, so a key that was replaced brings nothing in any more.

Raises CardForged where nobody confirmed the card and a signature is not what it says it is, or none is by whom is known;
CardRefused for what a card says of old and revoked keys and does not prove. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.crypto.contract import KeyStore
from gateway.domain.card import MOST_DAYS, Card, OldSsh
from gateway.domain.identity import from_text
from gateway.errors import CardForged, CardRefused, NotFound, PartnerKeyUnusable
from gateway.settings.model import Partner
from gateway.transport.keys import parse_public_key

_DAY: Final = 86_400.0


@dataclass(frozen=True)
class CardSigner:
    """Who stands for a card: the key that is pinned for the partner, or at least the key that it introduces."""

    by_partner: bool
    by_itself: bool

    @property
    def card(self) -> bool:
        """Whether all of the card's words are those of the key that it names, or of the one before."""
        return self.by_partner or self.by_itself


@dataclass(frozen=True)
class OldKey:
    """A key that is accepted beside the current one until a moment: a fingerprint, or an SSH key's line."""

    key: str
    until: datetime


@dataclass(frozen=True)
class Overlaps:
    """What is accepted besides a card's own keys, and what never. `certificate` is that of the old OpenPGP key."""

    openpgp: OldKey | None = None
    certificate: str | None = None
    ssh_key: OldKey | None = None
    host_key: OldKey | None = None
    revoked: tuple[str, ...] = ()
    issued: datetime | None = None
    """When the newest signed card was made."""


def card_signer(
    card: Card, text: bytes, before: Partner | None, keys: KeyStore, now: float, *, confirmed: bool
) -> CardSigner:
    """Who signed the card whose signed text that is.

    `confirmed` is whether somebody read the fingerprint out. Then a card may be signed by nobody, and may have been
    changed after it was signed: what it says of old keys counts for nothing, and the rest is as good as it ever was.
    """
    pinned = None if before is None else _pinned(before, card, keys)
    known = {card.fingerprint: card.openpgp}
    if before is not None and pinned is not None:
        known[before.fingerprint] = pinned
    # A signature by anybody else says nothing, good or bad.
    held = {
        each: keys.has_signed(text, card.signatures[each], known[each]) for each in known if each in card.signatures
    }
    by_partner = False
    if before is not None and pinned is not None and held.get(before.fingerprint):
        expires = keys.inspect(pinned).expires
        by_partner = before.fingerprint not in before.revoked and (expires is None or expires > now)
    if not confirmed:
        if not all(held.values()):
            raise CardForged("A signature of the card is not by the key that it names: it was changed, or is forged.")
        if before is not None and card.signatures and not by_partner:
            raise CardForged
    return CardSigner(by_partner, held.get(card.fingerprint, False))


def _pinned(before: Partner, card: Card, keys: KeyStore) -> str | None:
    """The certificate of the key that is pinned: the card's own where it is of the same key, and perhaps extended."""
    return (
        card.openpgp if card.fingerprint == before.fingerprint else _kept_certificate(before, before.fingerprint, keys)
    )


def _kept_certificate(before: Partner, fingerprint: str, keys: KeyStore) -> str | None:
    """A certificate of the partner as it lies here; None where it was lost, which a new card may put right."""
    try:
        return keys.export_partner(before.code, fingerprint)
    except PartnerKeyUnusable:
        return None


def overlaps(
    card: Card, before: Partner | None, keys: KeyStore, now: float, *, trusted: bool, days: int | None
) -> Overlaps:
    """The keys that are accepted beside the card's: as a `trusted` card asks, or for `days` what was pinned until now, or
    what was accepted so far.
    """
    revoked = dict.fromkeys((*(before.revoked if before else ()), *_revoked(card, keys)))
    openpgp, certificate = _old_openpgp(card, before, keys, now, tuple(revoked), trusted=trusted, days=days)
    said = card.before if trusted and days is None else None
    ssh_key = host_key = None
    if said is not None:
        ssh_key, host_key = (_asked(old, now) for old in (said.ssh_key, said.host_key))
    if before is not None:
        there = before.endpoint
        ssh_key = ssh_key or _kept(
            card.ssh_key, before.ssh_key, before.old_ssh_key, before.old_ssh_key_until, now, days
        )
        if there is not None and card.host_key is not None:
            host_key = host_key or _kept(
                card.host_key, there.host_key, there.old_host_key, there.old_host_key_until, now, days
            )
    return Overlaps(
        openpgp,
        certificate,
        _unless(ssh_key, {*revoked, parse_public_key(card.ssh_key).fingerprint}),
        _unless(host_key, {*revoked, "" if card.host_key is None else parse_public_key(card.host_key).fingerprint}),
        tuple(revoked),
        _issued(card, before, now, trusted=trusted),
    )


def named_key(partner: Partner, fingerprint: str | None) -> str:
    """The fingerprint of the key of the partner's that is meant; NotFound where none of its keys has that one."""
    if fingerprint is None:
        return partner.fingerprint
    meant = fingerprint if fingerprint.startswith("SHA256:") else fingerprint.replace(" ", "").upper()
    openpgp = {partner.fingerprint, partner.old_fingerprint}
    if meant not in openpgp | {parse_public_key(line).fingerprint for line in _ssh_lines(partner)}:
        raise NotFound(
            f"No key of {partner.code} has that fingerprint: `gateway keys list` shows those that there are."
        )
    return meant


def without(partner: Partner, fingerprint: str) -> Partner:
    """The partner with one of its keys revoked. An SSH key that logs in is taken out, together with the one before it."""
    change: dict[str, object] = {"revoked": tuple(dict.fromkeys((*partner.revoked, fingerprint)))}
    for line in (partner.ssh_key, partner.old_ssh_key):
        if line is not None and parse_public_key(line).fingerprint == fingerprint:
            change |= {"old_ssh_key": None, "old_ssh_key_until": None}
            if line == partner.ssh_key:
                change["ssh_key"] = None
    return partner.model_copy(update=change)


def _ssh_lines(partner: Partner) -> list[str]:
    there = partner.endpoint
    lines = [partner.ssh_key, partner.old_ssh_key]
    lines += [there.host_key, there.old_host_key] if there is not None else []
    return [line for line in lines if line is not None]


def _issued(card: Card, before: Partner | None, now: float, *, trusted: bool) -> datetime | None:
    """When the newest card was made whose word counts: a date that nobody signed would shut later ones out."""
    if trusted and card.issued is not None:
        return _until(from_text(card.issued), now, most_days=0)
    return None if before is None else before.card_issued


def _old_openpgp(
    card: Card,
    before: Partner | None,
    keys: KeyStore,
    now: float,
    revoked: tuple[str, ...],
    *,
    trusted: bool,
    days: int | None,
) -> tuple[OldKey | None, str | None]:
    """The OpenPGP key before and its certificate."""
    said = card.before.openpgp if card.before is not None else None
    if said is not None and trusted and days is None and said.fingerprint not in (*revoked, card.fingerprint):
        if keys.inspect(said.openpgp).fingerprint != said.fingerprint:
            raise CardRefused("The card's old certificate is not the one that its fingerprint names.")
        if from_text(said.until) > now:
            return OldKey(said.fingerprint, _until(from_text(said.until), now)), said.openpgp
    if before is None:
        return None, None
    old: OldKey | None = None
    if before.fingerprint != card.fingerprint:
        # A revoked key stays known, so that what it signs is refused for what it is.
        if days or before.fingerprint in revoked:
            end = now + (0 if before.fingerprint in revoked else days or 0) * _DAY
            old = OldKey(before.fingerprint, _until(end, now))
    elif before.old_fingerprint is not None and before.old_fingerprint_until is not None:
        old = OldKey(before.old_fingerprint, before.old_fingerprint_until)
    certificate = None if old is None else _kept_certificate(before, old.key, keys)
    return (None, None) if certificate is None else (old, certificate)


def _revoked(card: Card, keys: KeyStore) -> Iterator[str]:
    """The fingerprints whose revocation the card proves: a revocation is signed by the key itself."""
    for armoured in card.revoked:
        certificate = keys.inspect(armoured)
        if not certificate.revoked:
            raise CardRefused("The card calls a certificate revoked that is not.")
        yield certificate.fingerprint


def _asked(old: OldSsh | None, now: float) -> OldKey | None:
    """An SSH key before, as a trusted card asks for it."""
    if old is None or from_text(old.until) <= now:
        return None
    return OldKey(parse_public_key(old.key).line, _until(from_text(old.until), now))


def _kept(
    offered: str, pinned: str | None, old: str | None, until: datetime | None, now: float, days: int | None
) -> OldKey | None:
    """An SSH key before: the one that is replaced now, for `days`; or where none is, the one that was accepted so far."""
    if pinned is None:
        return None
    if parse_public_key(offered) != parse_public_key(pinned):
        return OldKey(pinned, _until(now + days * _DAY, now)) if days else None
    return OldKey(old, until) if old is not None and until is not None and until.timestamp() > now else None


def _unless(old: OldKey | None, fingerprints: set[str]) -> OldKey | None:
    """The SSH key before, unless it is one of these: revoked, or the current one all the same."""
    return None if old is None or parse_public_key(old.key).fingerprint in fingerprints else old


def _until(moment: float, now: float, most_days: int = MOST_DAYS) -> datetime:
    """A moment in whole seconds, as configuration has it, and never further away than may be asked for."""
    return datetime.fromtimestamp(int(min(moment, now + most_days * _DAY)), UTC)
