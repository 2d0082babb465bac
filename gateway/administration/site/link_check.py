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
from gateway.errors import GatewayError, UsageWrong
from gateway.settings.model import Partner, Settings

if TYPE_CHECKING:
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
        failed = try_link(settings, partner).failed
    except GatewayError as error:
        return Trial(partner.code, False, time.monotonic() - begun, error.code, error.reason)
    seconds = time.monotonic() - begun
    if failed is None:
        return Trial(partner.code, True, seconds)
    return Trial(partner.code, False, seconds, failed.code, failed.reason)


def lane_alarm(settings: Settings, code: str) -> LaneAlarm | None:
    """What keeps failing in the lane to the partner, whatever a trial shows."""
    with reading(settings) as connection:
        return trouble(connection, code, settings.link.alarm_failures)
