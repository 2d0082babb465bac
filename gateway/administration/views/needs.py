"""What of a site's health does not go on without a person, a sentence each, with the command that helps. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.administration.views.health_fields import Health, LandingHealth, LastAudit
from gateway.administration.views.words import bytes_of
from gateway.domain.identity import from_text
from gateway.ledger.queries.keys import OWN

_AUDIT_SECONDS: Final = 3 * 86400.0
"""An audit is on record every night: one that is older than this does not run any more."""

_SHOWN: Final = 10
"""So many overdue enquiries are named one by one."""


def needs_of(health: Health, late_ending: str, now: float) -> Iterator[str]:
    """The sentences; `late_ending` is how letters of files that were written late end."""
    if health.restored:
        yield "the site was put back from a copy, and does nothing yet: `gateway recover --help`"
    if (here := health.continuity) is not None and here.since is not None:
        yield f"business continuity is invoked since {here.since[:16].replace('T', ' ')}: `gateway continuity end` once it is over"
    for partner in health.stopped:
        for fault in partner.faults:
            yield f"partner {partner.partner} is stopped: {fault}; correct it, then `gateway reload`"
        if partner.suspended is not None:
            yield f"partner {partner.partner} is suspended: {partner.suspended}; `gateway partner resume {partner.partner}`"
    for code in health.not_reloaded:
        yield f"partner {code} is stopped in the gateway that runs, and its file is right by now: `gateway reload`"
    yield from _missing_roles(health)
    for held in health.held_up:
        since = f"for {held.seconds / 60:.0f} minutes"
        yield f"{held.role} has put off all work of its stage {held.stage} {since} [{held.code}]: its log says why, docs/operators/logs.md"
    for lane in health.lanes:
        if lane.state == "held":
            yield f"the lane to {lane.partner} is held: {lane.reason}; `gateway release {lane.partner}`"
        elif lane.alarm is not None:
            yield f"{lane.alarm.words}; `gateway partner test {lane.partner}`"
    for landing in health.landings:
        yield _landing(landing)
    if number := len(health.held):
        yield f"{number} held for a decision: `gateway release ID`, or `gateway return ID`"
    if number := health.written_late or 0:
        yield f"{number} written to after they were taken: spool/returned has each, with NAME{late_ending}"
    if number := health.quarantined:
        yield f"{number} locked away: `gateway quarantine list`"
    if number := health.proposed:
        yield f"{number} asked for, waiting for a second person in the console: `gateway requests --state proposed`"
    if number := health.at_machine:
        yield f"{number} decided by two people, waiting for somebody at the machine: `gateway carry-out`"
    for key in health.keys:
        whose = "our key" if key.owner == OWN else f"the key of {key.owner}"
        when = "has ended" if key.days == 0 else f"ends within {key.days} day{'s' if key.days > 1 else ''}"
        yield f"{whose} {key.fingerprint[-16:]} {when}, on {key.due[:10]}: {key.meaning}"
    late = health.enquiries.overdue
    for each in late[:_SHOWN]:
        yield f"{each.says}; `gateway enquiries --outstanding`"
    if len(late) > _SHOWN:
        yield f"{len(late) - _SHOWN} more enquiries are overdue: `gateway enquiries --outstanding`"
    for waits in health.unanswered:
        what = f"{waits.number} {waits.flow} file{'s' if waits.number > 1 else ''} from {waits.partner}"
        agreed = f"{waits.answer_days} day{'s' if waits.answer_days > 1 else ''}"
        yield f"{what} not answered within {agreed}, the oldest since {waits.since[:10]}: `gateway inbound pending`"
    if health.audit is not None:
        yield from audit_needs(health.audit, now)
    for channel in health.untold:
        yield f"nobody is told through {channel}, whose server takes no notices: `gateway notify test {channel}`"
    if health.disk.free_bytes < health.disk.needed_bytes:
        yield "the disk is nearly full: nothing is taken in"


def _landing(landing: LandingHealth) -> str:
    lies = f"{bytes_of(landing.bytes)} in {landing.files} files, {landing.filled:.0%} of what may lie there"
    code = landing.partner
    if landing.shut_out:
        why = f"it is full, and the server does not let {code} in ({lies})"
    elif landing.limited:
        why = f"within 24 hours so much came from {code} that no more is taken until tomorrow ({lies})"
    else:
        why = f"it fills ({lies})"
    return f"the landing of {code}: {why}; docs/operators/limits-and-windows.md"


def audit_needs(last: LastAudit, now: float) -> Iterator[str]:
    """What the last audit that was to be kept asks for."""
    if last.verified is None:
        yield "the record of the last audit, state/audit.json, is damaged: `gateway audit verify --record`"
        return
    if number := last.faults:
        found = f"{number} fault{'s' if number > 1 else ''}"
        yield f"the audit of {last.verified[:10]} found {found}: `gateway audit verify`"
    if now - from_text(last.verified) > _AUDIT_SECONDS:
        yield f"the nightly audit has not run since {last.verified[:10]}: `systemctl status gateway-audit.timer`"


def _missing_roles(health: Health) -> Iterator[str]:
    roles = [name for name in health.processes if name != "gateway"]
    missing = [name for name in roles if health.processes[name] is None]
    if missing and health.due:
        yield f"{health.due} units of work are due, and {', '.join(missing)} does not run: `gateway run`"
    elif missing and health.processes["gateway"] is not None:
        yield f"{', '.join(missing)} does not run, although the gateway does: it starts, or its log says why not"
    elif missing and len(missing) < len(roles):
        yield f"{', '.join(missing)} does not run, although the other roles do"
