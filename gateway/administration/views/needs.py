"""What of a site's health does not go on without a person: a sentence each, with the command that helps, and what it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.administration.views.health_fields import Health, LandingHealth, LastAudit
from gateway.administration.views.words import bytes_of, within
from gateway.domain.identity import from_text
from gateway.domain.ownership import SITE
from gateway.errors import StoreFileLost
from gateway.ledger.queries.keys import OWN

_AUDIT_SECONDS: Final = 3 * 86400.0
"""An audit is on record every night: one that is older than this does not run any more."""

_ENDPOINT_SECONDS: Final = 900.0
"""One of a partner's servers may be restarted without anybody being asked for."""

_SHOWN: Final = 10
"""So many overdue enquiries are named one by one."""


class Topic(StrEnum):
    """What a need is about, for who shows it to lead there; what has none is mended at the machine."""

    MACHINE = "machine"
    CONTINUITY = "continuity"
    PARTNER = "partner"
    LOGS = "logs"
    LANDINGS = "landings"
    HELD = "held"
    QUARANTINE = "quarantine"
    SECOND_PERSON = "second person"
    AT_MACHINE = "at the machine"
    KEYS = "keys"
    INCIDENTS = "incidents"
    ENQUIRIES = "enquiries"
    BACK_OFFICE = "back office"
    AUDIT = "audit"
    NODES = "nodes"


@dataclass(frozen=True)
class Need:
    """`says` is a sentence without a full stop; `then` how it goes on for who has a command line; `subject` the partner's code, of a partner."""

    topic: Topic
    says: str
    then: str = ""
    subject: str = ""

    def __str__(self) -> str:
        return self.says + self.then


def needs_of(health: Health, late_ending: str, now: float) -> Iterator[Need]:
    """What there is; `late_ending` is how letters of files that were written late end."""
    if health.restored:
        yield Need(
            Topic.MACHINE, "the site was put back from a copy, and does nothing yet", ": `gateway recover --help`"
        )
    if (here := health.continuity) is not None and here.since is not None:
        since = here.since[:16].replace("T", " ")
        yield Need(
            Topic.CONTINUITY,
            f"business continuity is invoked since {since}",
            ": `gateway continuity end` once it is over",
        )
    for partner in health.stopped:
        for fault in partner.faults:
            says = f"partner {partner.partner} is stopped: {fault}"
            yield Need(Topic.PARTNER, says, "; correct it, then `gateway reload`", partner.partner)
        if partner.suspended is not None:
            says = f"partner {partner.partner} is suspended: {partner.suspended}"
            yield Need(Topic.PARTNER, says, f"; `gateway partner resume {partner.partner}`", partner.partner)
    for code in health.not_reloaded:
        says = f"partner {code} is stopped in the gateway that runs, and its file is right by now"
        yield Need(Topic.MACHINE, says, ": `gateway reload`")
    yield from (Need(Topic.MACHINE, *each) for each in _missing_roles(health))
    yield from _nodes(health)
    if health.shared_away is not None:
        says = f"what people and back offices are to get waits: {health.shared_away}"
        yield Need(Topic.MACHINE, says, "; mount it, and make nothing in its place: docs/operators/nodes.md")
    for held in health.held_up:
        since = f"for {held.seconds / 60:.0f} minutes"
        says = f"{held.role} has put off all work of its stage {held.stage} {since} [{held.code}]: its log says why"
        yield Need(Topic.LOGS, says, ", docs/operators/logs.md")
    for lane in health.lanes:
        if lane.state == "held":
            says = f"the lane to {lane.partner} is held: {lane.reason}"
            yield Need(Topic.HELD, says, f"; `gateway release {lane.partner} --reason TEXT`")
        elif lane.alarm is not None:
            is_lost = lane.alarm.code == StoreFileLost.code
            then = (
                "; put the object back, docs/operators/nodes.md"
                if is_lost
                else f"; `gateway partner test {lane.partner}`"
            )
            yield Need(Topic.PARTNER, lane.alarm.words, then, lane.partner)
        for server in lane.failing if lane.state == "open" else ():
            if now - from_text(server.since) >= _ENDPOINT_SECONDS:
                says = f"{lane.partner} is not reached at {server.address} since {server.since[:16]}Z: {within(server.reason)}"
                yield Need(Topic.PARTNER, says, f"; `gateway partner test {lane.partner}`", lane.partner)
    for landing in health.landings:
        yield Need(Topic.LANDINGS, _landing(landing), "; docs/operators/limits-and-windows.md")
    if number := len(health.held):
        yield Need(
            Topic.HELD,
            f"{number} held for a decision",
            ": `gateway release ID --reason TEXT`, or `gateway return ID --reason TEXT`",
        )
    if number := health.written_late or 0:
        says = f"{number} written to after they were taken"
        yield Need(Topic.MACHINE, says, f": spool/returned has each, with NAME{late_ending}")
    if number := health.quarantined:
        yield Need(Topic.QUARANTINE, f"{number} locked away", ": `gateway quarantine list`")
    if number := health.proposed:
        yield second_person(number)
    if number := health.at_machine:
        says = f"{number} decided by two people, waiting for somebody at the machine"
        yield Need(Topic.AT_MACHINE, says, ": `gateway carry-out`")
    if number := health.incidents:
        says = f"{number} incident{' is' if number == 1 else 's are'} open"
        yield Need(Topic.INCIDENTS, says, ": supervisors and checking officers work on them in the console")
    if health.administrators == 0:
        says = "every administrator of the console is suspended: nobody there can give rights back"
        yield Need(Topic.MACHINE, says, "; `gateway people resume USER --reason TEXT`")
    for key in health.keys:
        whose = "our key" if key.owner == OWN else f"the key of {key.owner}"
        when = "has ended" if key.days == 0 else f"ends within {key.days} day{'s' if key.days > 1 else ''}"
        yield Need(Topic.KEYS, f"{whose} {key.fingerprint[-16:]} {when}, on {key.due[:10]}: {key.meaning}")
    late = health.enquiries.overdue
    for each in late[:_SHOWN]:
        yield Need(Topic.ENQUIRIES, each.says, "; `gateway enquiries --outstanding`")
    if len(late) > _SHOWN:
        says = f"{len(late) - _SHOWN} more enquiries are overdue"
        yield Need(Topic.ENQUIRIES, says, ": `gateway enquiries --outstanding`")
    for waits in health.unanswered:
        what = f"{waits.number} {waits.flow} file{'s' if waits.number > 1 else ''} from {waits.partner}"
        agreed = f"{waits.answer_days} day{'s' if waits.answer_days > 1 else ''}"
        says = f"{what} not answered within {agreed}, the oldest since {waits.since[:10]}"
        yield Need(Topic.BACK_OFFICE, says, ": `gateway inbound pending`")
    if health.audit is not None:
        yield from audit_needs(health.audit, now)
    for channel in health.untold:
        says = f"nobody is told through {channel}, whose server takes no notices"
        yield Need(Topic.MACHINE, says, f": `gateway notify test {channel}`")
    if health.disk.free_bytes < health.disk.needed_bytes:
        yield Need(Topic.MACHINE, "the disk is nearly full: nothing is taken in")


def second_person(number: int) -> Need:
    """So many requests wait for one: of all that there are, or of those that a reader may see."""
    says = f"{number} asked for, waiting for a second person in the console"
    return Need(Topic.SECOND_PERSON, says, ": `gateway requests --state proposed`")


def _nodes(health: Health) -> Iterator[Need]:
    """What is the matter with the nodes of the site."""
    if health.away is not None:
        says = f"this node, {health.node}, does not reach {health.away.what} for {_lasting(health.away.seconds)} [{health.away.code}]"
        then = ": the log of its vault says why, docs/operators/nodes.md; after a lease other nodes have its partners"
        yield Need(Topic.NODES, says, then)
    for node in health.nodes:
        if node.state == "gone" and node.name == health.node:
            says = f"this node, {node.name}, is gone since {node.since[:16].replace('T', ' ')}"
            runs = health.processes.get("vault") is not None
            if health.away is None:
                then = ", although its vault runs: its log says why" if runs else ": `gateway run` here"
                yield Need(Topic.NODES, says, then)
        elif node.state == "gone":
            console = ", and the console with it" if node.console else ""
            says = f"node {node.name} is gone since {node.since[:16].replace('T', ' ')}{console}"
            waits = "; what partners left there and what was dropped there waits until it is back"
            look = (
                "what it does not reach may be what this node does not reach" if health.away else "look at its machine"
            )
            then = f": {look}; given up for good, `gateway nodes forget {node.name}`"
            yield Need(Topic.NODES, says + waits, then)
    if SITE in health.lanes_late:
        yield Need(
            Topic.NODES,
            "no node has the site's own work: no timer runs, and no decision is carried out",
            ": `gateway nodes`",
        )
    if partners := [lane for lane in health.lanes_late if lane != SITE]:
        named = ", ".join(partners[:_SHOWN]) + (f" and {len(partners) - _SHOWN} more" if len(partners) > _SHOWN else "")
        yield Need(Topic.NODES, f"no node works with {named}", ": `gateway nodes`")
    likenesses: dict[str | None, list[str]] = {}
    for node in [each for each in health.nodes if each.state == "up" and each.likeness is not None]:
        likenesses.setdefault(node.likeness, []).append(node.name)
    versions = sorted({node.version for node in health.nodes if node.state == "up"})
    if len(likenesses) > 1 and len(versions) == 1:  # another version may put it into other words
        named = " and ".join(", ".join(names) for names in likenesses.values())
        says = f"nodes have different partners' files, keys or addresses: {named}"
        yield Need(
            Topic.NODES,
            says,
            ": bring the changes of one to the others, docs/operators/nodes.md, and `gateway reload` there",
        )
    for node in health.nodes:
        if node.unheard:
            says = f"node {node.name} has not heard {node.wake_ups} wake-ups of other nodes, the oldest for {node.wake_up_seconds / 60:.0f} minutes"
            yield Need(
                Topic.NODES, says, ": its work is found by rescans meanwhile; its log says why, docs/operators/nodes.md"
            )
    if len(versions) > 1:
        says = f"nodes of this site run different versions: {', '.join(versions)}"
        yield Need(Topic.NODES, says, ": bring all to the newest, docs/operators/upgrading.md")


def _lasting(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def _landing(landing: LandingHealth) -> str:
    lies = f"{bytes_of(landing.bytes)} in {landing.files} files, {landing.filled:.0%} of what may lie there"
    code = landing.partner
    if landing.shut_out:
        why = f"it is full, and the server does not let {code} in ({lies})"
    elif landing.limited:
        why = f"within 24 hours so much came from {code} that no more is taken until tomorrow ({lies})"
    else:
        why = f"it fills ({lies})"
    return f"the landing of {code}: {why}"


def audit_needs(last: LastAudit, now: float) -> Iterator[Need]:
    """What the last audit that was to be kept asks for."""
    if last.verified is None:
        says = "the record of the last audit, state/audit.json, is damaged"
        yield Need(Topic.AUDIT, says, ": `gateway audit verify --record`")
        return
    if number := last.faults:
        found = f"{number} fault{'s' if number > 1 else ''}"
        yield Need(Topic.AUDIT, f"the audit of {last.verified[:10]} found {found}", ": `gateway audit verify`")
    if now - from_text(last.verified) > _AUDIT_SECONDS:
        says = f"the nightly audit has not run since {last.verified[:10]}"
        yield Need(Topic.MACHINE, says, ": `systemctl status gateway-audit.timer`")


def _missing_roles(health: Health) -> Iterator[tuple[str, str]]:
    roles = [name for name in health.processes if name != "gateway" and (name != "console" or not health.console_at)]
    missing = [name for name in roles if health.processes[name] is None]
    if missing and health.due:
        yield f"{health.due} units of work are due, and {', '.join(missing)} does not run", ": `gateway run`"
    elif missing and health.processes["gateway"] is not None:
        yield f"{', '.join(missing)} does not run, although the gateway does: it starts, or its log says why not", ""
    elif missing and len(missing) < len(roles):
        yield f"{', '.join(missing)} does not run, although the other roles do", ""
