"""Show the keys of a site, and change those of its own.

Raises KeyStillNeeded while an old key may be needed, NotFound where there is none, UsageWrong for an overlap that cannot be,
and what the key store, the ledger and the disk raise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from gateway.administration.access import reading
from gateway.administration.requests.actors import stage_context
from gateway.administration.site import key_events, key_rotation, key_table
from gateway.administration.site.key_rotation import Changed
from gateway.administration.site.key_table import KeyRow, Use
from gateway.administration.site.reload import TakeOver, take_over_where_running
from gateway.administration.site.settings import load
from gateway.assembly.stores import key_store, open_pgp
from gateway.domain.decision import Decision
from gateway.errors import KeyStillNeeded, NotFound
from gateway.ledger.queries.keys import OWN, confirmed_since, unconfirmed
from gateway.logs import Logger
from gateway.settings.model import Settings

_DAY: Final = 86_400.0

__all__ = [
    "KeyList",
    "Retired",
    "Revoked",
    "Use",
    "confirm",
    "finish_revocation",
    "key_to_revoke",
    "list_keys",
    "retire",
    "revoke",
    "rotate",
    "spare_key",
    "sweep",
]


@dataclass(frozen=True)
class KeyList:
    """Every key of a site and of its partners, the site's own first.

    `unconfirmed` are the partners that have not shown that they know the new OpenPGP key; None while none is being changed.
    """

    rows: tuple[KeyRow, ...]
    unconfirmed: tuple[str, ...] | None


@dataclass(frozen=True)
class Retired:
    """An old key that is deleted, and whether the gateway that runs knows."""

    fingerprint: str
    taken: TakeOver


@dataclass(frozen=True)
class Revoked:
    """A key of ours that is trusted no more, and the one in its place, where that was the current one."""

    fingerprint: str
    changed: Changed | None


def list_keys(settings: Settings) -> KeyList:
    """Every key of this site and of its partners."""
    engine = open_pgp(settings)
    try:
        rows = list(key_table.own_keys(settings, engine))
        for partner in settings.partners.values():
            rows += key_table.partner_keys(partner, engine)
    finally:
        engine.close()
    if settings.keys.old_openpgp is None:
        return KeyList(tuple(rows), None)
    with reading(settings) as connection:
        return KeyList(tuple(rows), tuple(unconfirmed(connection, settings)))


def rotate(
    settings: Settings, log: Logger, use: Use, decision: Decision, *, overlap_days: int, key_days: int
) -> Changed:
    """Make a new key, and go on using the old one beside it; a gateway that runs does not know yet."""
    store = key_store(settings.home.keyrings)
    changed = key_rotation.rotate(settings, use, store, time.time(), overlap_days, key_days)
    with stage_context(settings, log) as context:
        key_events.changed(context, "key.rotated", changed, decision)
    return changed


def confirm(settings: Settings, log: Logger, partner: str, decision: Decision) -> None:
    """Note a person's word that a partner knows this site's new OpenPGP key."""
    with stage_context(settings, log) as context:
        if partner not in settings.codes:
            raise NotFound(f"There is no partner {partner}: `gateway partner list` shows those that there are.")
        if settings.keys.old_openpgp is None:
            raise NotFound("There is no old openpgp key: nothing is being changed.")
        key_events.confirmed(context, partner, decision)


def sweep(settings: Settings, log: Logger, use: Use, decision: Decision) -> list[str]:
    """Delete what an earlier command, broken off, has left, where that kind of key is not being changed; the fingerprints."""
    if key_rotation.until_of(settings, use) is not None:
        return []
    gone = key_rotation.sweep(settings, key_store(settings.home.keyrings))
    if gone:
        with stage_context(settings, log) as context:
            for fingerprint in gone:
                key_events.ended(context, "key.retired", OWN, fingerprint, decision)
    return gone


def spare_key(settings: Settings, use: Use, *, at_once: bool) -> str:
    """The fingerprint of the old key of that kind; KeyStillNeeded where it may be needed yet, unless `at_once`."""
    old = key_rotation.old_fingerprint(settings, use)
    if not at_once:
        _require_spare(settings, use)
    return old


def retire(settings: Settings, log: Logger, use: Use, decision: Decision, fingerprint: str) -> Retired:
    """End the change of a key: delete the old one, which `spare_key` named, for good."""
    key_rotation.retire(settings, use)
    taken = take_over_where_running(settings.home)
    key_rotation.sweep(load(settings.home), key_store(settings.home.keyrings))
    with stage_context(settings, log) as context:
        key_events.ended(context, "key.retired", OWN, fingerprint, decision)
    return Retired(fingerprint, taken)


def revoke(settings: Settings, log: Logger, use: Use, decision: Decision, *, key_days: int, old: bool) -> Revoked:
    """Trust a key of this site no more; a gateway that runs does not know before `finish_revocation`."""
    store, now = key_store(settings.home.keyrings), time.time()
    changed = None
    if old:
        lost = key_rotation.old_fingerprint(settings, use)
        key_rotation.revoke_old(settings, store, now)
    else:
        changed = key_rotation.revoke(settings, use, store, now, key_days)
        lost = changed.old
    with stage_context(settings, log) as context:
        key_events.ended(context, "key.revoked", OWN, lost, decision)
        if changed is not None:
            key_events.changed(context, "key.rotated", changed, decision)
    return Revoked(lost, changed)


def finish_revocation(settings: Settings, use: Use) -> TakeOver:
    """Let a gateway that runs take it over, and delete the SSH key that was revoked."""
    taken = take_over_where_running(settings.home, regardless=use is Use.OPENPGP)
    if use is not Use.OPENPGP:
        key_rotation.sweep(load(settings.home), key_store(settings.home.keyrings))
    return taken


def key_to_revoke(settings: Settings, use: Use, *, old: bool) -> str:
    """What is to be revoked, in words; NotFound for an old key that there is not, or that is not revoked but retired."""
    if old and use is not Use.OPENPGP:
        raise NotFound(f"An old {use} key is not revoked but retired: `gateway keys retire --{use} --now`.")
    return key_rotation.old_fingerprint(settings, use) if old else f"current {use} key"


def _require_spare(settings: Settings, use: Use) -> None:
    """KeyStillNeeded where the old key may be needed yet."""
    now, until = time.time(), key_rotation.until_of(settings, use)
    if until is not None and now < until.timestamp():
        raise KeyStillNeeded(f"Partners accept the old key until {until:%Y-%m-%d %H:%M} UTC.")
    if use is not Use.OPENPGP:
        return
    with reading(settings) as connection:
        waiting, since = unconfirmed(connection, settings), confirmed_since(connection, settings)
    if since is None:
        raise KeyStillNeeded(f"Not known to know the new key: {', '.join(waiting)}.")
    longest = max(flow.expires_hours for flow in settings.flows.values()) * 3600
    if now < since + longest:
        days = (since + longest - now) / _DAY
        raise KeyStillNeeded(f"What was sealed to the old key may be underway for {days:.0f} more days.")
