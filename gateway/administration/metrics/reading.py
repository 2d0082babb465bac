"""The figures of a site at one moment: of its ledger, in one consistent view, and of its machine.

What is asked of the ledger is cheap (`ledger.queries.figures`), but for the calendar of extracts, which is made anew every
ten minutes. Raises what the ledger raises.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final

from gateway.administration.metrics import catalogue
from gateway.administration.metrics.catalogue import OWN, Sample
from gateway.administration.notify.noted import noted
from gateway.administration.site.audit_record import last_audit
from gateway.administration.views.calendar import calendar
from gateway.administration.views.health import failing_endpoints
from gateway.administration.views.nodes import listed
from gateway.daemon.lock import holder
from gateway.daemon.pulse import last_beat, read_pulse
from gateway.daemon.roles import roles_of
from gateway.domain.identity import from_text
from gateway.domain.ownership import SITE
from gateway.ledger.dispatch import STAGE as WAKE_UPS
from gateway.ledger.queries import backlog, continuity, figures
from gateway.ledger.queries.figures import LastReceipt
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.queries.lost_files import lost_files
from gateway.ledger.retention import size_of
from gateway.ledger.store import Connection
from gateway.settings.model import Settings, SiteKind
from gateway.stages.key_ends import noted_key_ends
from gateway.stages.landing_quota import landing_usage

_CALENDAR_SECONDS: Final = 600.0


class LedgerFigures:
    """What the ledger says. `read` may be called again and again; the calendar is kept for a while."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._calendar: list[Sample] = []
        self._calendar_at: float | None = None

    def read(self, connection: Connection, now: float) -> Iterator[Sample]:
        """The samples at `now`, seconds since 1970."""
        for count in figures.transfer_counts(connection):
            yield Sample(catalogue.TRANSFERS, count[:4], count.number)
        for waiting in figures.waiting_transfers(connection):
            yield Sample(catalogue.WAITING_BYTES, waiting[:3], waiting.bytes)
            yield Sample(catalogue.OLDEST_WAITING, waiting[:3], max(0.0, now - waiting.oldest))
        yield from self._unanswered(connection, now)
        for kind, partner, number in figures.held_units(connection):
            yield Sample(catalogue.HELD, (kind, partner), number)
        if self._settings.ledger.url:
            yield Sample(catalogue.LEDGER_BYTES, (), size_of(connection))
        locked_away = dict(figures.locked_away(connection))
        overdue = figures.overdue_receipts(connection, now)
        lanes = all_lanes(connection)
        # Of each partner, so that an alert sees a figure go from 0 up and down again.
        for partner in sorted({*self._settings.codes, *locked_away, *overdue}):
            yield Sample(catalogue.QUARANTINED, (partner,), locked_away.get(partner, 0))
            yield Sample(catalogue.RECEIPTS_OVERDUE, (partner,), overdue[partner])
        yield Sample(catalogue.CONTINUITY, (OWN,), int(continuity.invoked(connection) is not None))
        for partner in self._settings.codes:
            yield Sample(catalogue.CONTINUITY, (partner,), int(continuity.noted(connection, partner) is not None))
            lane = lanes.get(partner)
            yield Sample(catalogue.LANE_FAILURES, (partner,), 0 if lane is None else lane.failures)
            yield Sample(catalogue.LANE_HELD, (partner,), int(lane is not None and lane.held))
            yield Sample(catalogue.FILES_LOST, (partner,), len(lost_files(connection, partner)))
            known = self._settings.partners.get(partner)
            failing = 0 if known is None else len(failing_endpoints(connection, known))
            yield Sample(catalogue.ENDPOINTS_FAILING, (partner,), failing)
            receipt = figures.last_receipt(connection, partner)
            if receipt is not None:
                yield Sample(catalogue.CLOCK_SKEW, (partner,), clock_skew(receipt))
        yield from self._extracts(connection, now)
        yield from _nodes(self._settings, connection)

    def _unanswered(self, connection: Connection, now: float) -> Iterator[Sample]:
        for each in backlog.backlogs(connection, now):
            yield Sample(catalogue.UNANSWERED, (each.partner, each.flow), each.number)
            yield Sample(catalogue.OLDEST_UNANSWERED, (each.partner, each.flow), max(0.0, now - each.oldest))
        days = {flow: known.answer_days for flow, known in self._settings.flows.items()}
        late = {(each.partner, each.flow): each.number for each in backlog.overdue(connection, days, now)}
        # Of each partner, so that an alert sees a figure go from 0 up and down again.
        agreed = {(partner, flow) for partner in self._settings.codes for flow in days if days[flow]}
        for about in sorted(agreed | late.keys()):
            yield Sample(catalogue.ANSWERS_OVERDUE, about, late.get(about, 0))

    def _extracts(self, connection: Connection, now: float) -> Iterator[Sample]:
        if self._settings.site.kind is not SiteKind.DWP:
            return
        if self._calendar_at is None or not 0 <= now - self._calendar_at < _CALENDAR_SECONDS:
            entries = calendar(self._settings, connection, now, None, None)
            months = Counter((entry.partner, entry.standing) for entry in entries)
            self._calendar = [Sample(catalogue.EXTRACTS, about, number) for about, number in months.items()]
            self._calendar_at = now
        yield from self._calendar


def _nodes(settings: Settings, connection: Connection) -> Iterator[Sample]:
    """The nodes of the site, each as any of them sees it; nothing of a gateway that works alone."""
    found = listed(settings, connection, moves=False)
    for node in found.nodes:
        up = node.state == "up"
        yield Sample(catalogue.NODE_UP, (node.name,), int(up))
        yield Sample(catalogue.NODE_LANES, (node.name,), node.lanes)
        if up:
            yield Sample(catalogue.NODE_VERSION, (node.name, node.version), 1)
            yield Sample(catalogue.WAKE_UPS_WAITING, (node.name,), node.wake_ups)
            yield Sample(catalogue.OLDEST_WAKE_UP, (node.name,), node.wake_up_seconds)
    if settings.node.name:
        yield Sample(catalogue.LANES_WITHOUT_NODE, (), len({*found.late} - {SITE}))
        yield Sample(catalogue.SITE_WITHOUT_NODE, (), int(SITE in found.late))


def clock_skew(receipt: LastReceipt) -> float:
    """By how many seconds at least the partner's clock is ahead of ours; below 0 behind, 0 where none need be.

    The receipt was issued after the consignment was sent and before the receipt landed, both by our clock. What it says itself
    lies outside of that by the skew, or by less: how long either was under way is not known.
    """
    return max(0.0, receipt.issued - receipt.landed) + min(0.0, receipt.issued - receipt.sent)


def machine_samples(settings: Settings) -> Iterator[Sample]:
    """What is not in the ledger: roles, keys, disk, the last audit."""
    home = settings.home
    for partner in settings.codes:
        stopped = settings.stopped.get(partner)
        yield Sample(catalogue.PARTNER_STOPPED, (partner,), int(stopped is not None and bool(stopped.faults)))
        yield Sample(
            catalogue.PARTNER_SUSPENDED, (partner,), int(stopped is not None and stopped.suspended is not None)
        )
        yield from _landing(settings, partner)
    for role in roles_of(settings):
        yield Sample(catalogue.ROLE_RUNNING, (role,), int(holder(home.run, role) is not None))
        beat = last_beat(home.run, role)
        if beat is not None:
            yield Sample(catalogue.ROLE_BEAT, (role,), beat / 1e9)
        pulse = read_pulse(home.run, role)
        if pulse is not None:
            yield Sample(catalogue.ROLE_STARTS, (role,), pulse.starts)
            for stage, steps in pulse.steps.items():
                yield Sample(catalogue.STAGE_SECONDS, (role, stage), steps)
            for stage, failures in pulse.failures.items():
                yield Sample(catalogue.STAGE_FAILURES, (role, stage), failures)
            for outcome, number in pulse.counts.get(WAKE_UPS, {}).items():
                yield Sample(catalogue.WAKE_UPS, (role, outcome), number)
    notices = noted(home.run)
    for channel in settings.notify.channels:
        if channel in notices:
            yield Sample(catalogue.NOTICES, (channel,), notices[channel].sent)
            yield Sample(catalogue.NOTICE_FAILURES, (channel,), notices[channel].failures)
    for (owner, use), end in key_ends(settings):
        yield Sample(catalogue.KEY_END, (owner, use), end)
    yield Sample(catalogue.DISK_FREE, (), shutil.disk_usage(home.state).free)
    yield Sample(catalogue.DISK_NEEDED, (), settings.limits.min_free_bytes)
    if not settings.ledger.url:
        with suppress(OSError):
            yield Sample(catalogue.LEDGER_BYTES, (), home.ledger.stat().st_size)
    audit = last_audit(home)
    if audit is not None:
        yield Sample(catalogue.AUDIT_FAULTS, (), audit.faults if audit.verified is not None else 1)
        if audit.verified is not None:
            yield Sample(catalogue.AUDIT_VERIFIED, (), from_text(audit.verified))


def _landing(settings: Settings, partner: str) -> Iterator[Sample]:
    """What lies in a partner's landing; nothing where this account may not look."""
    lies = landing_usage(settings.home.landing_in(partner))
    if lies is not None:
        yield Sample(catalogue.LANDING_BYTES, (partner,), lies.bytes)
        yield Sample(catalogue.LANDING_FILLED, (partner,), lies.filled(settings.landing_quota(partner)))


def key_ends(settings: Settings) -> Iterator[tuple[tuple[str, str], float]]:
    """When keys end: whose, its use, seconds since 1970. Certificates' ends are those that the vault noted."""
    for owner, end in (noted_key_ends(settings.home.run) or {}).items():
        if end is not None:
            yield (owner, "openpgp"), end
    keys = settings.keys
    until: list[tuple[str, str, datetime | None]] = [
        (OWN, "old_openpgp", keys.old_openpgp_until),
        (OWN, "old_client_key", keys.old_client_key_until),
        (OWN, "old_host_key", keys.old_host_key_until),
    ]
    for code, partner in settings.partners.items():
        until += [
            (code, "old_openpgp", partner.old_fingerprint_until),
            (code, "old_ssh_key", partner.old_ssh_key_until),
        ]
        if partner.endpoint is not None:
            until.append((code, "old_host_key", partner.endpoint.old_host_key_until))
    yield from (((owner, use), moment.timestamp()) for owner, use, moment in until if moment is not None)
