"""Take a partner's card: hold it against what was confirmed, and make the partner's settings out of it.

Raises CardRefused for a card that must not be believed, UsageWrong for options that it cannot fulfil,
ConfigurationInvalid for what the gateway would stop the partner for. Nothing is written
here but by `keep`, in the order certificates, directories, file: the file makes the partner known, and comes last. Whether
a card is signed by a key that is known already is for `key_succession` to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import ValidationError

from gateway.administration.site.key_succession import Overlaps
from gateway.crypto.contract import Certificate, KeyStore
from gateway.domain.card import Card, require_others
from gateway.domain.identity import from_text, to_text
from gateway.errors import CardRefused, ConfigurationInvalid, UsageWrong
from gateway.flows.routes import flows_of, permitted
from gateway.preflight import would_break
from gateway.settings.directories import make, partner_directories
from gateway.settings.faults import nearest
from gateway.settings.model import EndpointSettings, Partner, Settings, kind_of
from gateway.settings.values import MAIL_ADDRESS, address_text
from gateway.settings.write import write_partner
from gateway.transport.keys import parse_public_key

Link = Literal["push", "collect", "mail", "none"]

_SPACING: Final = re.compile(r"[\s:]")
_ACCOUNT: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}")
_OURS: Final = ("max_bytes_per_second", "windows", "suspended", "landing_bytes", "landing_files", "day_bytes")
"""What of a partner's settings is our own decision, and no card changes."""


@dataclass(frozen=True)
class PartnerOptions:
    """What whoever adds the partner decides; None leaves it to the card, or to what was decided before."""

    link: Link | None = None
    mail_address: str | None = None
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
    require_others(card, settings.site.code)
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
    before = known(card, settings)
    if before is not None:
        _newer_than(card, before)
    login = parse_public_key(card.ssh_key)
    read = [each.partner for each in settings.stopped.values() if each.partner is not None]
    for other in (*settings.partners.values(), *map(_readable, read)):
        if other.code == card.site:
            continue
        if other.fingerprint == card.fingerprint:
            raise CardRefused(f"The card's certificate is that of partner {other.code}.")
        if other.ssh_key is not None and parse_public_key(other.ssh_key) == login:
            raise CardRefused(f"The card's SSH key is that of partner {other.code}.")
    return certificate


def _newer_than(card: Card, known: Partner) -> None:
    """Refuse what was true once: a key that was revoked here, or a card from before the one that was taken."""
    lines = [line for line in (card.ssh_key, card.host_key) if line is not None]
    if {card.fingerprint, *(parse_public_key(line).fingerprint for line in lines)} & set(known.revoked):
        raise CardRefused(f"The card names a key that is revoked here: `revoked` in the file of partner {known.code}.")
    if card.issued is not None and known.card_issued is not None:
        taken = known.card_issued.timestamp()
        if from_text(card.issued) < taken:
            raise CardRefused(f"The card is older than the one that was taken last, of {to_text(taken)}.")


@dataclass(frozen=True)
class Chosen:
    """A partner's settings, and in a sentence why it has that link."""

    partner: Partner
    why: str


def introduce(card: Card, settings: Settings, options: PartnerOptions, overlaps: Overlaps) -> Chosen:
    """The partner's settings: keys and endpoint from the card, the rest as asked for, or as it was, or by default.

    By default files are pushed where the card has an endpoint and its host key; else the link is one that works at this
    site. UsageWrong for a link that the card has nothing for, ConfigurationInvalid for settings that the gateway would
    stop the partner for.
    """
    before = known(card, settings)
    endpoint = _endpoint(card, overlaps)
    link = options.link or (before.link if before else None) or "push"
    if link == "push" and endpoint is None and (options.link or before):
        raise UsageWrong(f"{_lacking(card)}, so nothing can be pushed: use --link collect or --link none.")
    if options.os_account is not None and not _ACCOUNT.fullmatch(options.os_account):
        raise UsageWrong("--os-account is no name of an account.")
    flows_out, flows_in = (before.flows_out, before.flows_in) if before else (None, None)
    if options.flows is not None:
        flows_out, flows_in = _divided(options.flows, settings, card.site)
    partner = Partner(
        code=card.site,
        name=card.name,
        fingerprint=card.fingerprint,
        old_fingerprint=overlaps.openpgp.key if overlaps.openpgp else None,
        old_fingerprint_until=overlaps.openpgp.until if overlaps.openpgp else None,
        revoked=overlaps.revoked,
        card_issued=overlaps.issued,
        link=link,
        mail_address=_address(options.mail_address) or (before.mail_address if before else None),
        envelope=before.envelope if before else "gateway",
        ssh_key=parse_public_key(card.ssh_key).line,
        old_ssh_key=overlaps.ssh_key.key if overlaps.ssh_key else None,
        old_ssh_key_until=overlaps.ssh_key.until if overlaps.ssh_key else None,
        os_account=options.os_account or (before.os_account if before else None),
        flows_out=flows_out,
        flows_in=flows_in,
        endpoint=endpoint,
        **{name: getattr(before, name) for name in _OURS if before},
    )
    if link == "push" and endpoint is None:
        return _without_endpoint(card, partner, settings)
    if faults := would_break(settings, partner):
        raise ConfigurationInvalid("\n".join(f"partner {partner.code}: {fault}" for fault in faults))
    return Chosen(partner, _why(partner, before, options))


def decided(settings: Settings, partner: Partner, options: PartnerOptions) -> dict[str, object]:
    """What somebody decides about a partner that is known, without a card: its link and its flows, as settings of its file."""
    changes: dict[str, object] = {} if options.link is None else {"link": options.link}
    if options.flows is not None:
        changes["flows_out"], changes["flows_in"] = _divided(options.flows, settings, partner.code)
    return changes


def _without_endpoint(card: Card, partner: Partner, settings: Settings) -> Chosen:
    """The link that works here with a partner that cannot be connected to: it fetches from us, or a person carries."""
    collects = partner.model_copy(update={"link": "collect"})
    server = settings.sftp_server
    if not server.managed and server.public_host is None:
        hindrance = "this site has no SFTP server ([sftp_server] in config/gateway.toml)"
    elif faults := would_break(settings, collects):
        hindrance = "; ".join(faults)
    else:
        return Chosen(collects, f"{_lacking(card)}, so the partner collects from landing/{partner.code}/out.")
    carried = partner.model_copy(update={"link": "none"})
    if faults := would_break(settings, carried):
        raise ConfigurationInvalid("\n".join(f"partner {partner.code}: {fault}" for fault in faults))
    return Chosen(
        carried,
        f"{_lacking(card)}, so nothing can be pushed; and the partner cannot collect from here ({hindrance}). Sealed files "
        f"for it wait in landing/{partner.code}/out, to be carried by hand, and its own are put into "
        f"landing/{partner.code}/in.",
    )


def _lacking(card: Card) -> str:
    return f"The card has {'no endpoint' if card.endpoint is None else 'no host key'}"


def _why(partner: Partner, before: Partner | None, options: PartnerOptions) -> str:
    """Why the partner has this link."""
    if options.link is not None:
        return "It was asked for."
    if before is not None:
        may = ""
        if partner.link == "none" and partner.endpoint is not None:
            may = " The card has an endpoint: with --link push files go there by themselves."
        return f"It stays as it was.{may}"
    return "The card has an endpoint and its host key."


def known(card: Card, settings: Settings) -> Partner | None:
    """The partner as its file has it, though it is stopped; ConfigurationInvalid where the file cannot be read."""
    stopped = settings.stopped.get(card.site)
    if stopped is None:
        return settings.partners.get(card.site)
    if stopped.partner is None or stopped.partner.code != card.site:
        # What the file says of revoked keys must not be lost with it.
        raise ConfigurationInvalid("\n".join(str(fault) for fault in stopped.faults))
    return _readable(stopped.partner)


def _readable(partner: Partner) -> Partner:
    """The partner without SSH keys that no server takes: there is nothing to hold a new card against in them."""
    change: dict[str, object] = {}
    for key in ("ssh_key", "old_ssh_key"):
        if not _usable(getattr(partner, key)):
            change |= {"old_ssh_key": None, "old_ssh_key_until": None, key: None}
    there = partner.endpoint
    if there is not None and not (_usable(there.host_key) and _usable(there.old_host_key)):
        change["endpoint"] = None
    return partner.model_copy(update=change)


def _usable(line: str | None) -> bool:
    try:
        return line is None or bool(parse_public_key(line))
    except CardRefused:
        return False


def keep(card: Card, partner: Partner, settings: Settings, keys: KeyStore, overlaps: Overlaps) -> None:
    """Pin the certificates, make the directories, write the partner's file."""
    keys.pin(partner.code, card.openpgp, overlaps.certificate)
    make(partner_directories(settings.home, partner.code, *flows_of(settings, partner)))
    write_partner(settings.home, partner)


def _endpoint(card: Card, overlaps: Overlaps) -> EndpointSettings | None:
    if card.endpoint is None or card.host_key is None:
        return None
    there = card.endpoint
    host_key = parse_public_key(card.host_key).line
    old = overlaps.host_key
    try:
        return EndpointSettings(
            host=there.host,
            port=there.port,
            other_addresses=tuple(address_text(each.host, each.port) for each in there.others),
            user=there.user,
            path=there.path,
            host_key=host_key,
            old_host_key=old.key if old else None,
            old_host_key_until=old.until if old else None,
        )
    except ValidationError as error:
        keys = ", ".join(str(detail["loc"][0]) for detail in error.errors(include_url=False, include_context=False))
        raise CardRefused(f"The card's endpoint cannot be used: {keys}.") from error


def _address(text: str | None) -> str | None:
    """An e-mail address; UsageWrong for what is none, or for one that the protocol cannot carry."""
    if text is not None and not re.fullmatch(MAIL_ADDRESS, text):
        raise UsageWrong("--mail-address is no e-mail address of ASCII characters.")
    return text


def _divided(flows: Iterable[str], settings: Settings, code: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The flows that were asked for, those to the partner and those from it; UsageWrong for one that goes neither way."""
    outgoing, incoming = permitted(settings.site.kind, kind_of(code))
    for flow in flows:
        if flow not in (*outgoing, *incoming):
            hint = nearest(flow, (*outgoing, *incoming))
            raise UsageWrong(f"The flow {flow!r} does not go between {settings.site.code} and {code}{hint}")
    asked = tuple(flows)
    return tuple(flow for flow in outgoing if flow in asked), tuple(flow for flow in incoming if flow in asked)
