"""Introduce a partner without a gateway: a certificate and, where files are pushed, the SFTP server of its own.

There is no card, since no gateway made one. CardRefused for a certificate that must not be believed, AuthorityUnlisted for a code
of nobody, UsageWrong for options that do not fit, ConfigurationInvalid for what the gateway would stop the partner for; all before
anything is changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from gateway.administration.site import authorities, key_events
from gateway.administration.site.introduction import normal_fingerprint
from gateway.administration.site.settings import load, require_unchanged, share_out
from gateway.assembly.stores import key_store
from gateway.crypto.contract import Certificate
from gateway.domain.decision import Decision
from gateway.errors import CardRefused, ConfigurationInvalid, UsageWrong
from gateway.flows.routes import flows_of
from gateway.logs import Logger
from gateway.preflight import would_break
from gateway.settings.directories import make, partner_directories
from gateway.settings.model import EndpointSettings, Partner, Settings, Stopped
from gateway.settings.write import write_partner
from gateway.transport.keys import parse_public_key


@dataclass(frozen=True)
class PlainOffer:
    """What is known of the partner. Without a `host` its files wait in landing/CODE/out, to be carried by hand."""

    code: str
    name: str
    certificate: str
    host: str | None
    port: int
    user: str | None
    path: str
    host_key: str | None
    flows: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PlainProposal:
    """The certificate and what the partner's file would say; a person has to confirm the fingerprint."""

    offer: PlainOffer
    certificate: Certificate
    partner: Partner
    before: Partner | None


@dataclass(frozen=True)
class PlainIntroduced:
    """The flows to the partner, and all partners that the gateway does not work with now."""

    flows_out: tuple[str, ...]
    stopped: dict[str, Stopped]


def propose(
    settings: Settings, offer: PlainOffer, now: float, *, fingerprint: str | None, unlisted: bool
) -> PlainProposal:
    """What would become of the partner, if its certificate can be believed; `fingerprint` is the one that was confirmed."""
    before = settings.partners.get(offer.code)
    if offer.code in settings.stopped:
        raise ConfigurationInvalid(settings.stopped[offer.code].why)
    if before is not None and before.envelope != "plain":
        raise UsageWrong(f"Partner {offer.code} has a gateway: `gateway partner add CARD` takes its card.")
    if before is None:
        authorities.require_listed(settings.authorities, offer.code, unlisted=unlisted)
        authorities.require_another(settings, offer.code)
    certificate = _believable(settings, offer, now)
    if fingerprint is not None and normal_fingerprint(fingerprint) != certificate.fingerprint:
        raise CardRefused("The certificate's fingerprint is not the one that was confirmed.")
    partner = _partner(offer, certificate, before)
    if faults := would_break(settings, partner):
        raise ConfigurationInvalid("\n".join(f"partner {partner.code}: {fault}" for fault in faults))
    return PlainProposal(offer, certificate, partner, before)


def introduce(settings: Settings, log: Logger, proposal: PlainProposal, decision: Decision) -> PlainIntroduced:
    """Take the certificate: the partner is known from here on. Its file comes last, as for a card."""
    new = proposal.partner
    outgoing, incoming = flows_of(settings, new)
    require_unchanged(settings, new.code)
    key_store(settings.home.keyrings).pin(new.code, proposal.offer.certificate)
    make(partner_directories(settings.home, new.code, outgoing, incoming))
    write_partner(settings.home, new)
    key_events.introduced(settings, log, proposal.before, new, decision)
    share_out(settings.home)
    return PlainIntroduced(outgoing, dict(load(settings.home).stopped))


def _believable(settings: Settings, offer: PlainOffer, now: float) -> Certificate:
    found = key_store(settings.home.keyrings).inspect(offer.certificate)
    if found.revoked:
        raise CardRefused("The certificate is revoked.")
    if found.expires is not None and found.expires <= now:
        raise CardRefused("The certificate has expired.")
    if not found.can_encrypt:
        raise CardRefused("The certificate cannot be encrypted to.")
    if found.fingerprint == settings.openpgp.fingerprint:
        raise CardRefused("The certificate is this site's own.")
    for other in settings.partners.values():
        if other.code != offer.code and other.fingerprint == found.fingerprint:
            raise CardRefused(f"The certificate is that of partner {other.code}.")
        if other.code == offer.code and found.fingerprint in other.revoked:
            raise CardRefused(f"The certificate is revoked here: `revoked` in the file of partner {other.code}.")
    return found


def _partner(offer: PlainOffer, certificate: Certificate, before: Partner | None) -> Partner:
    said = {"code": offer.code, "name": offer.name, "fingerprint": certificate.fingerprint, "envelope": "plain"}
    try:
        return Partner.model_validate(
            {
                **({} if before is None else before.model_dump(exclude={"endpoint"})),
                **said,
                "link": "none" if offer.host is None else "push",
                "endpoint": _endpoint(offer),
                **({} if offer.flows is None else {"flows_out": offer.flows}),
            }
        )
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        keys = ", ".join(".".join(map(str, detail["loc"])) for detail in faults)
        raise UsageWrong(f"The partner's settings are not valid: see {keys}.") from error


def _endpoint(offer: PlainOffer) -> EndpointSettings | None:
    if offer.host is None:
        return None
    if offer.user is None or offer.host_key is None:
        raise UsageWrong("A server needs --user and --host-key too: ask the partner for both.")
    line = parse_public_key(offer.host_key.strip()).line
    return EndpointSettings(host=offer.host, port=offer.port, user=offer.user, path=offer.path, host_key=line)
