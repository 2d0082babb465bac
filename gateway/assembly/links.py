"""How a site reaches its partners, and they reach it: transports, their trials, the managed SFTP server, and who stamps its statements."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gateway.errors import ConfigurationInvalid, GatewayError, ServerFailed, UsageWrong
from gateway.settings.model import Partner, Settings
from gateway.settings.secrets import secrets_of

if TYPE_CHECKING:
    from gateway.stages.timers.link_trials import Trial
    from gateway.transport.contract import Transport
    from gateway.transport.mail.client import MailTransport
    from gateway.transport.sftp.client import SftpTransport
    from gateway.transport.sshd.spec import ServerSpec


def transport(
    settings: Settings,
    partner: Partner,
    note: Callable[[str], None] = lambda _habit: None,
    passed_over: Callable[[str], None] = lambda _why: None,
    answering: Callable[[str, GatewayError | None], None] = lambda _name, _error: None,
) -> Transport:
    """How sealed files get to a partner: to its server, by e-mail, or into the directory that it collects from.

    `note` is told what its server does otherwise than the protocol has it, and what is done instead; `passed_over` why a mail from its
    address was left in the mailbox; `answering` which of its servers begins to fail, or works again, where it has several.
    """
    if partner.link == "mail":
        return mail_transport(settings, partner, passed_over)
    if partner.endpoint is None or partner.link == "none":
        from gateway.transport.folder import FolderTransport

        return FolderTransport(settings.home.landing_out(partner.code))
    servers = sftp_transports(settings, partner, note)
    if len(servers) == 1:
        (server,) = servers.values()
        return server
    from gateway.transport.endpoints import SeveralEndpoints

    return SeveralEndpoints(servers, settings.link.endpoint_rest_seconds, time.monotonic, answering)


def sftp_transports(
    settings: Settings, partner: Partner, note: Callable[[str], None] = lambda _habit: None
) -> Mapping[str, SftpTransport]:
    """The partner's SFTP servers by HOST:PORT, in the order in which they are tried. UsageWrong for one that has none, or that is not
    reached so.
    """
    from gateway.transport.contract import Endpoint, Pace
    from gateway.transport.sftp.bandwidth import Bandwidth
    from gateway.transport.sftp.client import SftpTransport

    there, link, most = partner.endpoint, settings.link, partner.max_bytes_per_second
    if there is None or partner.link in {"mail", "none"}:
        raise UsageWrong(f"Partner {partner.code} has no server that could be tested: its link is {partner.link}.")
    pace = Pace(link.connect_timeout, link.auth_timeout, link.answer_timeout, link.least_bytes_per_second, link.grace)
    until = there.old_host_key_until
    pins = (
        _unless_revoked(there.host_key, partner) or "",
        _unless_revoked(there.old_host_key, partner),
        0.0 if until is None else until.timestamp(),
    )
    secrets = secrets_of(settings.home, os.environ)
    old = None if settings.keys.old_client_key_until is None else secrets.old_client_key
    bandwidth = None if most is None else Bandwidth(most, time.monotonic, time.sleep)
    return {
        name: SftpTransport(
            Endpoint(host, port, there.user, there.path, *pins),
            secrets.client_key,
            pace,
            bandwidth=bandwidth,
            old_client_key=old,
            note=note,
        )
        for name, (host, port) in there.addresses.items()
    }


def mail_transport(
    settings: Settings, partner: Partner, passed_over: Callable[[str], None] = lambda _why: None
) -> MailTransport:
    """How sealed files get to a partner by e-mail. ConfigurationInvalid for one without an address."""
    from gateway.transport.mail.client import MailTransport
    from gateway.transport.mail.servers import MailRoute, MailServer

    if partner.mail_address is None:
        raise ConfigurationInvalid(f"partner {partner.code}: mail_address is missing")
    ours, secrets = settings.mail, secrets_of(settings.home, os.environ)
    submission = MailServer(
        *(ours.submission_host, ours.submission_port, ours.submission_tls, ours.submission_user, secrets.submission)
    )
    imap = MailServer(ours.imap_host, ours.imap_port, ours.imap_tls, ours.imap_user, secrets.imap)
    route = MailRoute(
        submission, imap, ours.imap_folder, ours.address, partner.mail_address, ours.max_message_bytes, ours.ca_file
    )
    return MailTransport(route, settings.link.answer_timeout, time.time, lambda: os.urandom(16).hex(), passed_over)


def server_spec(settings: Settings) -> ServerSpec:
    """What the managed SFTP server is to serve, to whom, under the account of this process; ServerFailed without one."""
    from gateway.transport.sshd.spec import Account, Chroot, ServerSpec

    home, server = settings.home, settings.sftp_server
    accounts = tuple(
        Account(
            partner.code,
            partner.ssh_key,
            partner.link == "collect" and partner.endpoint is None,
            partner.os_account,
            partner.old_ssh_key,
            0.0 if partner.old_ssh_key_until is None else partner.old_ssh_key_until.timestamp(),
        )
        for partner in settings.partners.values()
        if partner.ssh_key is not None and partner.link not in {"none", "mail"}
    )
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError as error:
        raise ServerFailed(f"the user id {os.getuid()}, which the gateway runs under, has no account here") from error
    secrets = secrets_of(home, os.environ)
    chroot = Chroot(server.chroot)
    old = None if settings.keys.old_host_key_until is None else secrets.old_host_key
    listens = (server.host, server.port, secrets.host_key)
    return ServerSpec(*listens, home.sshd, home.landing, account, accounts, chroot, old, shared=settings.accounts.split)


def trial(settings: Settings) -> Trial:
    """How the link to a partner is tried, and its steps told."""
    from gateway.stages.timers.link_trials import TrialEnd, TrialStep
    from gateway.transport.sftp.check import check_link

    def tried(partner: Partner, tell: Callable[[TrialStep], None]) -> TrialEnd:
        if partner.link == "mail":
            found = mail_transport(settings, partner).trial()
            tell(TrialStep("submission", "worked", f"{found.submission_seconds:.2f} s"))
            tell(TrialStep("imap", "worked", f"{found.imap_seconds:.2f} s"))
            return TrialEnd()
        servers = sftp_transports(settings, partner)
        ends = [_one(name if len(servers) > 1 else "", each, partner, tell) for name, each in servers.items()]
        return next((end for end in ends if end.code is not None), TrialEnd())

    def _one(name: str, server: SftpTransport, partner: Partner, tell: Callable[[TrialStep], None]) -> TrialEnd:
        """How the trial of one server ended; `name` is said before its steps where the partner has several."""
        before = f"{name}: " if name else ""
        try:
            failed = check_link(
                server,
                os.urandom(8).hex(),
                collects=partner.link == "collect",
                tell=lambda step: tell(TrialStep(before + step.name, str(step.outcome), step.reason, step.code)),
            ).failed
        except GatewayError as error:
            if not name:
                raise
            tell(TrialStep(f"{before}log in", "failed", error.reason, error.code))
            return TrialEnd(error.code, before + error.reason)
        return TrialEnd() if failed is None else TrialEnd(failed.code, f"{before}{failed.name}: {failed.reason}")

    return tried


def stamp(settings: Settings) -> Callable[[bytes], bytes] | None:
    """How an authority stamps the time of a statement, where the site has named one."""
    url = settings.audit.timestamp_url
    if not url or not settings.audit.statements:
        return None
    from gateway.transport import timestamps

    return lambda content: timestamps.stamp(url, settings.home.timestamp_roots, content, settings.link.connect_timeout)


def _unless_revoked(line: str | None, partner: Partner) -> str | None:
    from gateway.transport.keys import parse_public_key

    return None if line is None or parse_public_key(line).fingerprint in partner.revoked else line
