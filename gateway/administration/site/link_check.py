"""Try the link to a partner. Raises UsageWrong for one without a server, and what the transport's contract names."""

# ruff: noqa: PLC0415 - the transport is imported when a link is tried
from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gateway.administration.access import reading
from gateway.administration.views.records import LaneAlarm, trouble
from gateway.errors import UsageWrong
from gateway.settings.model import Partner, Settings

if TYPE_CHECKING:
    from gateway.transport.mail.client import MailTrial as MailTrial  # noqa: PLC0414 - for the command, which asks nobody else
    from gateway.transport.sftp.check import LinkReport


def try_link(settings: Settings, partner: Partner) -> LinkReport:
    """What a trial of the link to the partner's server shows; the Defer or Hold that says why there is none.

    The trial leaves nothing there.
    """
    from gateway.assembly import transport
    from gateway.transport.sftp.check import check_link
    from gateway.transport.sftp.client import SftpTransport

    there = transport(settings, partner)
    if not isinstance(there, SftpTransport):
        raise UsageWrong(f"Partner {partner.code} has no server that could be tested: its link is {partner.link}.")
    return check_link(there, secrets.token_hex(8), collects=partner.link == "collect")


def try_mail(settings: Settings, partner: Partner) -> MailTrial:
    """What a trial of both mail servers shows, with the partner's mail in the mailbox; nothing is sent, and nothing changes."""
    from gateway.assembly import mail_transport

    return mail_transport(settings, partner).trial()


def lane_alarm(settings: Settings, code: str) -> LaneAlarm | None:
    """What keeps failing in the lane to the partner, whatever a trial shows."""
    with reading(settings) as connection:
        return trouble(connection, code, settings.link.alarm_failures)
