"""Try the link to a partner. Raises UsageWrong for one without a server, and what the transport's contract names."""

# ruff: noqa: PLC0415 - the transport is imported when a link is tried
from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.administration.access import reading
from gateway.administration.views.records import LaneAlarm, trouble
from gateway.errors import GatewayError
from gateway.settings.model import Partner, Settings

if TYPE_CHECKING:
    from gateway.transport.mail.client import MailTrial as MailTrial  # noqa: PLC0414 - for the command, which asks nobody else
    from gateway.transport.sftp.check import LinkReport as LinkReport  # noqa: PLC0414 - the same
    from gateway.transport.sftp.client import SftpTransport


def try_link(settings: Settings, partner: Partner) -> LinkReport:
    """What a trial of the link to the partner's server shows, of several that of the first; the Defer or Hold that says why there is none.

    The trial leaves nothing there.
    """
    from gateway.assembly.links import sftp_transports

    return _check(next(iter(sftp_transports(settings, partner).values())), partner)


@dataclass(frozen=True)
class ServerTrial:
    """What a trial of one of a partner's servers shows: its report, or the error that says why there is none."""

    address: str
    report: LinkReport | None
    error: GatewayError | None = None

    @property
    def fault(self) -> tuple[str, str, str] | None:
        """Code, reason and remedy of what fails; None where nothing does."""
        if self.error is not None:
            return self.error.code, self.error.reason, self.error.remedy
        failed = None if self.report is None else self.report.failed
        return None if failed is None else (failed.code or "", f"{failed.name}: {failed.reason}", failed.remedy or "")


def try_servers(settings: Settings, partner: Partner) -> Iterator[ServerTrial]:
    """What a trial of each of the partner's servers shows, in the order in which they are used."""
    from gateway.assembly.links import sftp_transports

    for address, server in sftp_transports(settings, partner).items():
        try:
            yield ServerTrial(address, _check(server, partner))
        except GatewayError as error:
            yield ServerTrial(address, None, error)


def _check(server: SftpTransport, partner: Partner) -> LinkReport:
    from gateway.transport.sftp.check import check_link

    return check_link(server, secrets.token_hex(8), collects=partner.link == "collect")


def try_mail(settings: Settings, partner: Partner) -> MailTrial:
    """What a trial of both mail servers shows, with the partner's mail in the mailbox; nothing is sent, and nothing changes."""
    from gateway.assembly.links import mail_transport

    return mail_transport(settings, partner).trial()


@dataclass(frozen=True)
class Trial:
    """What a trial of the link to one of many partners came to: `seconds` by the clock; code and reason where it failed."""

    partner: str
    usable: bool
    seconds: float
    code: str | None = None
    reason: str | None = None


def try_links(settings: Settings, partners: Sequence[Partner], at_once: int) -> Iterator[Trial]:
    """Try the links to many partners, `at_once` side by side; each trial as it ends."""
    with ThreadPoolExecutor(at_once, "trial") as pool:
        for done in as_completed([pool.submit(_trial, settings, partner) for partner in partners]):
            yield done.result()


def _trial(settings: Settings, partner: Partner) -> Trial:
    begun = time.monotonic()
    try:
        if partner.link == "mail":
            try_mail(settings, partner)
            return Trial(partner.code, True, time.monotonic() - begun)
        servers = list(try_servers(settings, partner))
    except GatewayError as error:
        return Trial(partner.code, False, time.monotonic() - begun, error.code, error.reason)
    seconds = time.monotonic() - begun
    for each in servers:
        if each.fault is not None:
            code, reason, _ = each.fault
            reason = f"{each.address}: {reason}" if len(servers) > 1 else reason
            return Trial(partner.code, False, seconds, code, reason)
    return Trial(partner.code, True, seconds)


def lane_alarm(settings: Settings, code: str) -> LaneAlarm | None:
    """What keeps failing in the lane to the partner, whatever a trial shows."""
    with reading(settings) as connection:
        return trouble(connection, code, settings.link.alarm_failures)
