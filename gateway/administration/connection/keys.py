"""Keys with their ages and ends, and the algorithms: those configured, and those that servers agreed on. Changes nothing.

Raises nothing of its own: an error of the gateway's own is a finding. Whether a certificate soon ends `gateway doctor` says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Final

from gateway.administration.connection.finding import Finding, Standing
from gateway.administration.site.engine_checks import holds_keys
from gateway.administration.site.link_check import try_link
from gateway.assembly.links import server_spec
from gateway.assembly.stores import open_pgp
from gateway.crypto.contract import Certificate, OpenPgp
from gateway.crypto.gnupg.engine import CIPHER, HASH
from gateway.errors import GatewayError
from gateway.settings.model import Partner, Settings
from gateway.transport.keys import parse_public_key, read_public_key
from gateway.transport.sftp.connection import CIPHERS, KEY_EXCHANGES, MACS
from gateway.transport.sshd.effective import effective_configuration

_LEAST_RSA_BITS: Final = 3072
"""128 bits of strength: NIST SP 800-57 part 1, table 2."""
_GIVEN_UP: Final = ("dsa", "elg")
"""RFC 9580, section 9.1."""

_WEAK_SSH: Final = re.compile(r"cbc|3des|arcfour|md5|sha1(?!\d)|^ssh-rsa$|^ssh-dss$|umac-64|group(?:1|14)-sha1|^none$")
"""What OpenSSH has switched off by default, or SHA-1 alone holds together."""

_ASK: Final = "Ask the partner for a new key: `gateway partner add` takes its card."
_ROTATE: Final = "`gateway keys rotate` makes a new one."
_DAY: Final = 86_400


def examine_keys(settings: Settings, now: float) -> Iterator[Finding]:
    """The site's own keys, then each partner's; where each role has an account, by the one that works with keys."""
    if not holds_keys(settings):
        says = f"only {settings.accounts.vault} works with them: make a statement as that account too"
        yield Finding("OpenPGP and SSH keys", Standing.UNMEASURED, says)
        return
    engine = open_pgp(settings)
    try:
        yield from _own(settings, engine, now)
        for partner in settings.partners.values():
            yield from _partner(partner, engine, now)
    finally:
        engine.close()


def _own(settings: Settings, engine: OpenPgp, now: float) -> Iterator[Finding]:
    yield _certificate("OpenPGP key", engine.own_certificate, now, _ROTATE)
    home = settings.home
    for subject, path in (("SSH client key", home.client_key), ("SSH host key", home.host_key)):
        if subject == "SSH host key" and not settings.sftp_server.managed:
            continue
        try:
            key, since = read_public_key(path), path.with_name(f"{path.name}.pub").stat().st_mtime
        except (GatewayError, OSError):
            yield Finding(subject, Standing.UNMEASURED, "this account may not read its public line, or it is missing")
            continue
        yield Finding(
            subject, Standing.MET, f"{key.type}, {_age(since, now)} by the date of its file, no end of its own"
        )


def _partner(partner: Partner, engine: OpenPgp, now: float) -> Iterator[Finding]:
    subject = f"OpenPGP key of {partner.code}"
    yield _certificate(subject, lambda: engine.partner_certificate(partner.code), now, _ASK)
    if partner.ssh_key is not None:
        key = parse_public_key(partner.ssh_key)
        yield Finding(f"SSH client key of {partner.code}", Standing.MET, f"{key.type}, pinned")
    if partner.endpoint is not None:
        key = parse_public_key(partner.endpoint.host_key)
        yield Finding(f"SSH host key of {partner.code}", Standing.MET, f"{key.type}, pinned")


def _certificate(subject: str, read: Callable[[], Certificate], now: float, remedy: str) -> Finding:
    try:
        found = read()
    except GatewayError as error:
        return Finding(subject, Standing.UNMEASURED, error.reason)
    end = "no end" if found.expires is None else f"ends {_date(found.expires)}"
    says = f"{found.algorithm}, {_age(found.created, now)}, {end}, {found.fingerprint}"
    weak = [name for name in found.algorithm.split("/") if is_weak_key(name)]
    if weak:
        return Finding(subject, Standing.SHORT, f"{' and '.join(weak)} is too weak ({says})", remedy)
    if found.revoked or (found.expires is not None and found.expires <= now):
        return Finding(subject, Standing.SHORT, f"{'revoked' if found.revoked else 'it has ended'} ({says})", remedy)
    return Finding(subject, Standing.MET, says)


def is_weak_key(algorithm: str) -> bool:
    """Whether a key of that algorithm, as GnuPG names it, is below what is asked for today."""
    rsa = re.fullmatch(r"rsa(\d+)", algorithm)
    return algorithm.startswith(_GIVEN_UP) if rsa is None else int(rsa[1]) < _LEAST_RSA_BITS


def examine_algorithms(settings: Settings, *, links: bool) -> Iterator[Finding]:
    """OpenPGP and SSH as configured; with `links`, what each partner's server agrees on."""
    yield Finding(
        "OpenPGP", Standing.STATED, f"sealed with {CIPHER}, signed with {HASH}; weaker signatures are refused"
    )
    client = {"ciphers": CIPHERS, "MACs": MACS, "key exchange": KEY_EXCHANGES}
    for what, names in client.items():
        yield judged(f"SSH to partners, {what}", names)
    if settings.sftp_server.managed:
        yield from _server(settings)
    for partner in settings.partners.values():
        if partner.endpoint is not None and partner.link not in {"none", "mail"}:
            yield _agreed(settings, partner) if links else _unasked(partner)


def _server(settings: Settings) -> Iterator[Finding]:
    """The managed SFTP server, by sshd's own word."""
    try:
        told = effective_configuration(server_spec(settings).config_file)
    except GatewayError as error:
        yield Finding("SSH from partners", Standing.UNMEASURED, error.reason)
        return
    lists = {"ciphers": "ciphers", "MACs": "macs", "key exchange": "kexalgorithms", "host keys": "hostkeyalgorithms"}
    for what, setting in lists.items():
        yield judged(f"SSH from partners, {what}", told.get(setting, "").split(","))
    wanted = {
        "passwordauthentication": "no",
        "kbdinteractiveauthentication": "no",
        "disableforwarding": "yes",
        "permittty": "no",
        "authenticationmethods": "publickey",
    }
    says = ", ".join(f"{setting} {told.get(setting, 'unknown')}" for setting in wanted)
    met = all(told.get(setting) == value for setting, value in wanted.items())
    remedy = "" if met else "Restart the gateway: it writes state/sshd/sshd_config anew."
    yield Finding("log-in at the SFTP server", Standing.MET if met else Standing.SHORT, says, remedy)


def judged(subject: str, names: tuple[str, ...] | list[str]) -> Finding:
    weak = [name for name in names if _WEAK_SSH.search(name)]
    if weak:
        remedy = "Report it: the gateway chooses these itself."
        return Finding(subject, Standing.SHORT, f"{', '.join(weak)} is too weak", remedy)
    return Finding(subject, Standing.MET, ", ".join(names))


def _agreed(settings: Settings, partner: Partner) -> Finding:
    subject = f"SSH agreed with {partner.code}"
    try:
        report = try_link(settings, partner)
    except GatewayError as error:
        return Finding(subject, Standing.UNMEASURED, error.reason)
    return Finding(subject, Standing.STATED, f"{report.cipher}, with {report.server_version}")


def _unasked(partner: Partner) -> Finding:
    return Finding(
        f"SSH agreed with {partner.code}", Standing.UNMEASURED, "no connection was made: `--links` makes one"
    )


def _age(since: float, now: float) -> str:
    days = max(0, int((now - since) / _DAY))
    return f"made {_date(since)}, {days} day{'' if days == 1 else 's'} ago"


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
