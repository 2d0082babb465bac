"""Take a partner's card: hold it against what was confirmed, and make the partner's settings out of it.

Raises CardRefused for a card that must not be believed, UsageWrong for wishes that it cannot fulfil. Nothing is written
here but by `keep`, in the order certificate, directories, file: the file makes the partner known, and comes last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.crypto.contract import Certificate, KeyStore
from gateway.errors import CardRefused, UsageWrong
from gateway.flows.catalog import flows_of, permitted
from gateway.settings.directories import make, partner_directories
from gateway.settings.faults import nearest
from gateway.settings.model import EndpointSettings, Partner, Settings, kind_of
from gateway.settings.write import write_partner
from gateway.transfer.card import Card
from gateway.transport.keys import parse_public_key

Link = Literal["push", "collect", "none"]

_SPACING: Final = re.compile(r"[\s:]")
_ACCOUNT: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}")


@dataclass(frozen=True)
class Wishes:
    """What whoever adds the partner decides; None leaves it to the card, or to what was decided before."""

    link: Link | None = None
    flows: tuple[str, ...] | None = None
    os_account: str | None = None


def normal_fingerprint(text: str) -> str:
    """A fingerprint as somebody wrote it (spaces, colons, small letters), as the gateway writes it; UsageWrong."""
    fingerprint = _SPACING.sub("", text).upper().removeprefix("0X")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise UsageWrong("A fingerprint is 40 hexadecimal digits; spaces between them do not matter.")
    return fingerprint


def believable(card: Card, settings: Settings, keys: KeyStore, now: float) -> Certificate:
    """The card's certificate, if the card agrees with itself and fits this site; CardRefused otherwise."""
    if card.site == settings.site.code:
        raise CardRefused("This is this site's own card.")
    certificate = keys.inspect(card.openpgp)
    if certificate.fingerprint != card.fingerprint:
        raise CardRefused("The card's certificate is not the one that its fingerprint names.")
    if certificate.revoked:
        raise CardRefused("The card's certificate is revoked.")
    if certificate.expires is not None and certificate.expires <= now:
        raise CardRefused("The card's certificate has expired.")
    if not (certificate.can_sign and certificate.can_encrypt):
        raise CardRefused("The card's certificate cannot both sign and be encrypted to.")
    if card.fingerprint == settings.openpgp.fingerprint:
        raise CardRefused("The card's certificate is this site's own.")
    login = parse_public_key(card.ssh_key)
    for other in settings.partners.values():
        if other.code == card.site:
            continue
        if other.fingerprint == card.fingerprint:
            raise CardRefused(f"The card's certificate is that of partner {other.code}.")
        if other.ssh_key is not None and parse_public_key(other.ssh_key) == login:
            raise CardRefused(f"The card's SSH key is that of partner {other.code}.")
    return certificate


def introduce(card: Card, settings: Settings, wishes: Wishes) -> Partner:
    """The partner's settings: keys and endpoint from the card, the rest as wished, or as it was, or by default."""
    before = settings.partners.get(card.site)
    endpoint = _endpoint(card)
    link = wishes.link or (before.link if before else None) or ("push" if endpoint else "collect")
    if link == "push" and endpoint is None:
        lacking = "no endpoint" if card.endpoint is None else "no host key"
        raise UsageWrong(f"The card has {lacking}, so nothing can be pushed: use --link collect or --link none.")
    if wishes.os_account is not None and not _ACCOUNT.fullmatch(wishes.os_account):
        raise UsageWrong("--os-account is no name of an account.")
    flows_out, flows_in = (before.flows_out, before.flows_in) if before else (None, None)
    if wishes.flows is not None:
        flows_out, flows_in = _divided(wishes.flows, settings, card.site)
    return Partner(
        code=card.site,
        name=card.name,
        fingerprint=card.fingerprint,
        link=link,
        envelope=before.envelope if before else "gateway",
        ssh_key=parse_public_key(card.ssh_key).line,
        os_account=wishes.os_account or (before.os_account if before else None),
        flows_out=flows_out,
        flows_in=flows_in,
        max_bytes_per_second=before.max_bytes_per_second if before else None,
        windows=before.windows if before else (),
        endpoint=endpoint,
    )


def keep(card: Card, partner: Partner, settings: Settings, keys: KeyStore) -> None:
    """Pin the certificate, make the directories, write the partner's file."""
    keys.pin(partner.code, card.openpgp)
    make(partner_directories(settings.home, partner.code, *flows_of(settings, partner)))
    write_partner(settings.home, partner)


def _endpoint(card: Card) -> EndpointSettings | None:
    if card.endpoint is None or card.host_key is None:
        return None
    there = card.endpoint
    host_key = parse_public_key(card.host_key).line
    return EndpointSettings(host=there.host, port=there.port, user=there.user, path=there.path, host_key=host_key)


def _divided(flows: Iterable[str], settings: Settings, code: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The wished flows, those to the partner and those from it; UsageWrong for one that goes neither way."""
    outgoing, incoming = permitted(settings.site.kind, kind_of(code))
    for flow in flows:
        if flow not in (*outgoing, *incoming):
            hint = nearest(flow, (*outgoing, *incoming))
            raise UsageWrong(f"The flow {flow!r} does not go between {settings.site.code} and {code}{hint}")
    wished = tuple(flows)
    return tuple(flow for flow in outgoing if flow in wished), tuple(flow for flow in incoming if flow in wished)
