"""Everything that has to hold before a site, or one of its partners, is worked with: asked by every start and command.

`gateway run` and its roles, `config check`, `doctor`, `partner add` and `reload` ask the same functions here, so that none
of them lets pass what another would fail on. What is wrong with one partner (its file, its keys, its account) stops that
partner alone: it is left out of `Settings.partners`, and stands in `Settings.stopped` with its faults. One that a person
suspended stands there too, without any.

`load` raises SiteMissing, and ConfigurationInvalid for faults of gateway.toml. Nothing is changed, and nothing is tried
over the network.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf

from gateway.assembly.links import server_spec
from gateway.crypto.gnupg.keybox import primary_fingerprints
from gateway.crypto.gnupg.keyrings import Keyrings
from gateway.errors import CardRefused, GatewayError, ServerFailed
from gateway.ledger.suspended import suspended_partners
from gateway.settings import read
from gateway.settings.check import check as check_files
from gateway.settings.faults import Fault
from gateway.settings.home import Home
from gateway.settings.locate import Path as KeyPath
from gateway.settings.model import Partner, Settings, Stopped
from gateway.settings.rules import Broken, between, within
from gateway.settings.secrets import Secrets
from gateway.transport.keys import parse_public_key
from gateway.transport.sshd.machine import check_server, machine_faults
from gateway.transport.sshd.spec import account_faults

_BUSY_SECONDS = 1.0
NO_CERTIFICATE = "has no certificate in state/keyrings: take the partner's card again with `gateway partner add`"
OTHER_CERTIFICATE = (
    "is not that of the certificate in state/keyrings: take the partner's card again with `gateway partner add`"
)


def load(home: Home) -> Settings:
    """The site's settings, with the partners stopped that cannot be worked with, or that are suspended: by their files, or by the ledger's word.

    Where the ledger cannot be read its word is left out: whoever works with partners opens it, and asks again.
    """
    settings = fit(read.load(home))
    try:
        return settings.with_suspended(suspended_partners(settings.ledger_place, _BUSY_SECONDS))
    except (GatewayError, OSError):
        return settings


def fit(settings: Settings, now: float | None = None) -> Settings:
    """The settings with every partner stopped whose keys or account cannot be used, or that is suspended.

    `now` is in seconds since 1970.
    """
    broken = broken_rules(settings, time.time() if now is None else now)
    stopped = {
        code: Stopped(tuple(_fault(settings.home, code, rule) for rule in broken.get(code, ())), partner)
        for code, partner in settings.partners.items()
        if code in broken or partner.suspended is not None
    }
    live = {code: partner for code, partner in settings.partners.items() if code not in stopped}
    return replace(settings, partners=live, stopped={**settings.stopped, **stopped})


def check(home: Home, secrets: Secrets) -> tuple[Fault, ...]:
    """Every fault of the site: of files, directories, keys, the SFTP server, and of what each partner needs."""
    faults = {*check_files(home, secrets)}
    settings, _ = read.examine(home)
    if settings is not None:
        settings = fit(settings)
        faults.update(faults_of_partners(settings), server_faults(settings))
    return tuple(sorted(faults))


def faults_of_partners(settings: Settings) -> tuple[Fault, ...]:
    """Why partners are stopped, in the order of files and lines."""
    return tuple(sorted({fault for stopped in settings.stopped.values() for fault in stopped.faults}))


def server_faults(settings: Settings) -> Iterator[Fault]:
    """Why the managed SFTP server could not be started for the partners that are not stopped.

    Where it runs under another account than this one, that account finds out at its start.
    """
    if not settings.sftp_server.managed or settings.accounts.split:
        return
    try:
        check_server(server_spec(settings))
    except ServerFailed as error:
        file = str(settings.home.gateway_toml.relative_to(settings.home.root))
        yield Fault(file, 0, "[sftp_server]", error.reason)


def broken_rules(settings: Settings, now: float) -> Mapping[str, list[Broken]]:
    """What keeps partners, whose files are right by themselves, from being worked with; by their codes."""
    rings = Keyrings(settings.home.keyrings)
    alone = {code: [*_keys(each), *_certificates(rings, each, now)] for code, each in settings.partners.items()}
    found = defaultdict(list, {code: rules for code, rules in alone.items() if rules})
    # Only now: whatever is a poor copy of another partner is stopped by itself, and not that other one with it.
    rest = {code: each for code, each in settings.partners.items() if code not in found}
    for code, rule in between(rest.values(), partial(_changed, settings.home)):
        found[code].append(rule)
    rest = {code: each for code, each in rest.items() if code not in found}
    for code, rule in (*_server(replace(settings, partners=rest)), *_mailbox(replace(settings, partners=rest))):
        found[code].append(rule)
    return {code: list(dict.fromkeys(rules)) for code, rules in found.items()}


def would_break(settings: Settings, partner: Partner) -> list[str]:
    """What would stop a partner if its file said this, its certificate aside: one sentence for each rule."""
    others = {code: each for code, each in settings.partners.items() if code != partner.code}
    together = replace(settings, partners={**others, partner.code: partner})
    rules = [*within(partner, partner.code, settings.site.code), *_keys(partner)]
    new = {partner.code: inf}
    rules += [
        rule
        for code, rule in between(together.partners.values(), lambda code: new.get(code, 0.0))
        if code == partner.code
    ]
    rules += [rule for code, rule in (*_server(together), *_mailbox(together)) if code == partner.code]
    return [f"{rule.path[-1]}: {rule.message}" for rule in dict.fromkeys(rules)]


def _changed(home: Home, code: str) -> float:
    """When a partner's file was last changed, in seconds since 1970; a file that is not there is the newest."""
    try:
        return (home.partners_d / f"{code}.toml").stat().st_mtime
    except OSError:
        return inf


def _fault(home: Home, code: str, rule: Broken) -> Fault:
    file = str((home.partners_d / f"{code}.toml").relative_to(home.root))
    if not rule.path:
        return Fault(file, 0, "", rule.message)  # no line of the file is wrong
    return Fault(file, read.line_of(home, code, rule.path), rule.path[-1], rule.message)


def _keys(partner: Partner) -> Iterator[Broken]:
    """SSH keys that no server and no connection takes."""
    there = partner.endpoint
    lines: list[tuple[KeyPath, str | None]] = [
        (("ssh_key",), partner.ssh_key),
        (("old_ssh_key",), partner.old_ssh_key),
        (("endpoint", "host_key"), None if there is None else there.host_key),
        (("endpoint", "old_host_key"), None if there is None else there.old_host_key),
    ]
    for path, line in lines:
        if line is None:
            continue
        try:
            parse_public_key(line)
        except CardRefused as error:
            yield Broken(path, f"cannot be used: {error.reason}")


def _certificates(rings: Keyrings, partner: Partner, now: float) -> Iterator[Broken]:
    """Certificates that are not here. Where this account may not look, the one that may says it."""
    wanted: list[tuple[str, str]] = [("fingerprint", partner.fingerprint)]
    old, until = partner.old_fingerprint, partner.old_fingerprint_until
    if old is not None and until is not None and until.timestamp() > now:
        wanted.append(("old_fingerprint", old))
    for key, fingerprint in wanted:
        found: list[tuple[str, ...]] = []
        try:
            for ring in (rings.partner_ring(partner.code), rings.old_ring(partner.code, fingerprint)):
                with suppress(FileNotFoundError):
                    found.append(primary_fingerprints(ring))
        except PermissionError:
            continue
        except OSError as error:
            yield Broken((key,), f"has a certificate in state/keyrings that cannot be read: {error.strerror}")
            continue
        if not found:
            yield Broken(() if key == "fingerprint" else (key,), NO_CERTIFICATE)
        elif (fingerprint,) not in found:
            yield Broken((key,), OTHER_CERTIFICATE)


def _mailbox(settings: Settings) -> Iterator[tuple[str, Broken]]:
    """Partners that are reached by e-mail, where this site has no mailbox."""
    if missing := settings.mail.missing:
        message = f'"mail" needs {", ".join(missing)} in [mail] of config/gateway.toml'
        yield from (
            (code, Broken(("link",), message)) for code, each in settings.partners.items() if each.link == "mail"
        )


def _server(settings: Settings) -> Iterator[tuple[str, Broken]]:
    """Partners whom the managed SFTP server could not let in."""
    if not settings.sftp_server.managed:
        return
    try:
        spec = server_spec(settings)
    except ServerFailed:
        return  # that is no partner's fault, and is said by `server_faults`
    # Where each role has an account of its own, so has the server, and that one is not root's.
    as_root = os.geteuid() == 0 and not settings.accounts.split
    for fault in (*account_faults(spec, as_root=as_root), *machine_faults(spec)):
        yield fault.partner, Broken((fault.setting,), fault.message)
