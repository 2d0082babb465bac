"""What is said about one partner beside its name: its limits, what each means and what is used of it now; its keys and their ends; the last
trials of its link. Raises nothing of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.administration.views.health_fields import EndingKey
from gateway.administration.views.waiting import Waiting
from gateway.administration.views.words import bytes_of
from gateway.flows.routes import flows_of
from gateway.ledger.queries.landed import taken_since
from gateway.ledger.queries.trials import last_tried as last_tried  # noqa: PLC0414 - for the page, which asks the ledger nothing
from gateway.ledger.store import Connection
from gateway.settings.model import Partner, Settings

_DAY: Final = 86_400.0
_UNSEEN: Final = "seen at the machine: gateway status"
_IN_USE: Final = "in use"


@dataclass(frozen=True)
class Limit:
    """One limit: `most` is what is set, `where` the setting that says so, `used` what counts against it now."""

    name: str
    meaning: str
    most: str
    where: str
    used: str


@dataclass(frozen=True)
class PartnerKey:
    """One key of a partner's that is pinned here. `state` is one of `in use`, `replaced`, `ending`, `ended` and `revoked`."""

    what: str
    fingerprint: str
    state: str
    words: str


def limits(settings: Settings, connection: Connection, code: str, now: float) -> Iterator[Limit]:
    """The limits of a partner whose file can be read; none of another."""
    partner = partner_of(settings, code)
    if partner is None:
        return
    waiting, file = Waiting(settings, now), f"config/partners.d/{code}.toml"

    def whose(own: object, name: str) -> str:
        return f"{name} in {file}" if own else f"[limits] {name} in config/gateway.toml"

    most = partner.max_bytes_per_second
    yield Limit(
        "Rate",
        "What we send to its server and fetch from it, at most, so that a narrow line is left to others",
        "none" if most is None else f"{bytes_of(most)} a second",
        f"max_bytes_per_second in {file}",
        "kept while files travel",
    )
    yield Limit(
        "Windows",
        "When files for it may leave; a flow may have windows of its own, and then both count",
        ", ".join(map(str, partner.windows)) or "always",
        f"windows in {file}",
        _open(waiting, code),
    )
    taken = sum(size for whose_, _, size in taken_since(connection, now - _DAY) if whose_ == code)
    day = settings.day_bytes(code)
    yield Limit(
        "Quota of a day",
        "What is taken from it within 24 hours; beyond it files wait in its landing",
        bytes_of(day),
        whose(partner.day_bytes, "day_bytes"),
        f"{bytes_of(taken)} in the last 24 hours, {taken / day:.0%}",
    )
    quota = settings.landing_quota(code)
    yield Limit(
        "Landing",
        "What may lie in its landing before it is taken; beyond it the managed server does not let it in",
        f"{bytes_of(quota.bytes)}, {quota.files} files",
        f"{whose(partner.landing_bytes, 'landing_bytes')}; {whose(partner.landing_files, 'landing_files')}",
        _UNSEEN,
    )
    for flow in sorted({name for way in flows_of(settings, partner) for name in way}):
        yield Limit(
            f"Size of {flow}",
            "One file of this flow, in either direction; a larger one is refused",
            bytes_of(settings.flows[flow].max_bytes),
            f"[flows.{flow}] max_bytes in config/gateway.toml, for all partners",
            "each file by itself",
        )


def keys(settings: Settings, ending: Iterable[EndingKey], code: str, now: float) -> Iterator[PartnerKey]:
    """The keys of a partner whose file can be read. `ending` are those of which the running gateway has told that they end."""
    partner = partner_of(settings, code)
    if partner is None:
        return
    told = {each.fingerprint: each for each in ending if each.owner == code}
    there = partner.endpoint
    yield _key("OpenPGP key, signs and decrypts", partner.fingerprint, partner, told)
    yield from _old("OpenPGP key before", partner.old_fingerprint, partner.old_fingerprint_until, partner, now)
    yield from _ssh("SSH key, logs in here", partner.ssh_key, partner)
    yield from _old("SSH key before", _sha256(partner.old_ssh_key), partner.old_ssh_key_until, partner, now)
    if there is not None:
        yield from _ssh("Host key of its server", there.host_key, partner)
        yield from _old("Host key before", _sha256(there.old_host_key), there.old_host_key_until, partner, now)
    shown = {partner.fingerprint, partner.old_fingerprint, _sha256(partner.ssh_key), _sha256(partner.old_ssh_key)}
    shown |= set() if there is None else {_sha256(there.host_key), _sha256(there.old_host_key)}
    for fingerprint in partner.revoked:
        if fingerprint not in shown:
            yield PartnerKey("Key of former times", fingerprint, "revoked", "trusted no more")


def partner_of(settings: Settings, code: str) -> Partner | None:
    """The partner as its file has it, whether it is stopped or not; None where the file cannot be read."""
    stopped = settings.stopped.get(code)
    return settings.partners.get(code) if stopped is None else stopped.partner


def _open(waiting: Waiting, code: str) -> str:
    return waiting.window(code) or "open now"


def _key(what: str, fingerprint: str, partner: Partner, told: dict[str, EndingKey]) -> PartnerKey:
    if fingerprint in partner.revoked:
        return PartnerKey(what, fingerprint, "revoked", "trusted no more")
    if (ends := told.get(fingerprint)) is None:
        return PartnerKey(what, fingerprint, _IN_USE, "no end within 30 days")
    if ends.days == 0:
        return PartnerKey(what, fingerprint, "ended", f"ended on {ends.due[:10]}: {ends.meaning}")
    days = f"{ends.days} day{'s' if ends.days > 1 else ''}"
    return PartnerKey(what, fingerprint, "ending", f"ends within {days}, on {ends.due[:10]}: {ends.meaning}")


def _ssh(what: str, line: str | None, partner: Partner) -> Iterator[PartnerKey]:
    if (fingerprint := _sha256(line)) is not None:
        revoked = fingerprint in partner.revoked
        words = "trusted no more" if revoked else "SSH keys have no end of their own"
        yield PartnerKey(what, fingerprint, "revoked" if revoked else _IN_USE, words)


def _old(
    what: str, fingerprint: str | None, until: datetime | None, partner: Partner, now: float
) -> Iterator[PartnerKey]:
    if fingerprint is None or until is None:
        return
    if fingerprint in partner.revoked:
        yield PartnerKey(what, fingerprint, "revoked", "trusted no more")
    elif until.timestamp() <= now:
        yield PartnerKey(what, fingerprint, "ended", f"accepted until {until:%Y-%m-%d}, which has passed")
    else:
        yield PartnerKey(what, fingerprint, "replaced", f"accepted beside the new one until {until:%Y-%m-%d}")


def _sha256(line: str | None) -> str | None:
    """The fingerprint of an SSH key's line, as `ssh-keygen -l` says it; None of what is no such line."""
    try:
        digest = hashlib.sha256(base64.b64decode((line or "").split()[1], validate=True)).digest()
    except (IndexError, binascii.Error):
        return None
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
