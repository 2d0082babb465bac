"""A site's health: what its ledger, its settings and a look at the machine say, and what does not go on without a person.

Keys that end soon are those that the running gateway has told of in the chain. Raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.administration.views.needs import needs_of
from gateway.administration.views.records import LaneAlarm, TransferView, moment, transfer, trouble
from gateway.administration.views.waiting import Waiting
from gateway.domain.calendar import day_of
from gateway.domain.enquiries import sentence
from gateway.domain.identity import from_text
from gateway.domain.states import Direction
from gateway.domain.windows import Timetable
from gateway.errors import ConfigurationInvalid
from gateway.ledger.queries import events, known_faults, overview
from gateway.ledger.queries.enquiries import everything
from gateway.ledger.queries.keys import OWN, RENEWED, TOLD, stage_of, subject, unconfirmed
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.queries.waiting import due_now
from gateway.ledger.store import Connection
from gateway.ledger.units import Lane, Receipt
from gateway.settings.model import Settings, SiteKind, Stopped


@dataclass(frozen=True)
class Disk:
    """Bytes that are free for the site's state, and how many it needs to take anything in."""

    free_bytes: int
    needed_bytes: int


@dataclass(frozen=True)
class LastAudit:
    """The audit whose result was kept last: when it ended, from which event on (0 for all) to which, and its faults."""

    verified: str
    since: int
    events: int
    faults: int


@dataclass(frozen=True)
class Machine:
    """What of a site's health is not in its ledger.

    `processes` names the supervisor (`gateway`) and each role, with its process id, or None where it does not run.
    `noted_stopped` are the partners that the running gateway works without. `passed_over` counts files that the spool
    passed over for more than a day, `written_late` those in spool/returned that were written to after they were taken and
    `late_ending` is how their letters end; None where this user may not look. `audit` is None too where none was kept.
    """

    processes: Mapping[str, int | None]
    noted_stopped: frozenset[str]
    passed_over: int | None
    written_late: int | None
    late_ending: str
    disk: Disk
    audit: LastAudit | None = None


@dataclass(frozen=True)
class LaneHealth:
    """The lane to one partner: open, deferred, held, or stopped with the partner."""

    partner: str
    state: str
    failures: int
    next_try: str | None
    code: str | None
    reason: str | None
    waits: tuple[str, ...] = ()
    limit: str | None = None
    alarm: LaneAlarm | None = None


@dataclass(frozen=True)
class HeldUnit:
    """What waits for a decision. The id of a receipt is that of its consignment."""

    kind: str
    id: str
    partner: str
    code: str | None
    reason: str | None
    since: str | None


@dataclass(frozen=True)
class StoppedPartner:
    """A partner that the gateway does not work with, and the faults of its file, keys or account."""

    partner: str
    code: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class EndingKey:
    """A key whose end is near: within `days` days, 0 where it has come."""

    owner: str
    fingerprint: str
    due: str
    days: int
    meaning: str


@dataclass(frozen=True)
class OverdueEnquiry:
    """An enquiry, theirs or ours, that was not answered in time; `says` is a sentence without a full stop."""

    reference: str
    partner: str
    says: str


@dataclass(frozen=True)
class EnquiriesHealth:
    """How many enquiries wait for a reply, and which of them for too long."""

    outstanding: int
    overdue: tuple[OverdueEnquiry, ...]


@dataclass(frozen=True)
class OpenFault:
    """A known fault that is not mended."""

    id: str
    what: str


@dataclass(frozen=True)
class BoardHealth:
    """The open faults on the board that counts here; issue 0 where there is no board."""

    issue: int
    open: tuple[OpenFault, ...]


@dataclass(frozen=True)
class Health:
    """A site's health: the contract of `status --json`. `needs` is what does not go on without a person."""

    site: str
    healthy: bool
    needs: tuple[str, ...]
    processes: Mapping[str, int | None]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    due: int
    lanes: tuple[LaneHealth, ...]
    held: tuple[HeldUnit, ...]
    stopped: tuple[StoppedPartner, ...]
    not_reloaded: tuple[str, ...]
    quarantined: int
    oldest_waiting: TransferView | None
    passed_over: int | None
    written_late: int | None
    keys: tuple[EndingKey, ...]
    enquiries: EnquiriesHealth
    faults: BoardHealth
    disk: Disk
    audit: LastAudit | None


def health(settings: Settings, connection: Connection, machine: Machine, now: float) -> Health:
    """The site's health at a moment."""
    oldest = overview.oldest_waiting(connection)
    running = machine.processes["gateway"] is not None
    found = Health(
        site=settings.site.code,
        healthy=True,
        needs=(),
        processes=machine.processes,
        counts=_counts(connection),
        due=due_now(connection, now, Timetable.of(settings).closed, settings.stopped),
        lanes=tuple(_lanes(settings, connection, now)),
        held=tuple(_held(connection)),
        stopped=tuple(
            StoppedPartner(code, ConfigurationInvalid.code, _faults_of(stopped))
            for code, stopped in settings.stopped.items()
        ),
        not_reloaded=tuple(sorted(machine.noted_stopped & settings.partners.keys())) if running else (),
        quarantined=len(quarantined(connection)),
        oldest_waiting=None if oldest is None else transfer(oldest),
        passed_over=machine.passed_over,
        written_late=machine.written_late,
        keys=tuple(_ending(settings, connection, now)),
        enquiries=_enquiries(settings, connection, now),
        faults=_faults(settings, connection, now),
        disk=machine.disk,
        audit=machine.audit,
    )
    needs = tuple(needs_of(found, machine.late_ending))
    return replace(found, healthy=not needs, needs=needs)


def _counts(connection: Connection) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """How many units there are, by kind, direction and state."""
    counts: dict[str, dict[str, dict[str, int]]] = {
        kind: {way.value: {} for way in Direction} for kind in ("transfer", "consignment", "receipt")
    }
    for (kind, direction, state), number in sorted(overview.counts(connection).items()):
        counts[kind][direction][state] = number
    return counts


def _lanes(settings: Settings, connection: Connection, now: float) -> Iterator[LaneHealth]:
    lanes, waiting = all_lanes(connection), Waiting(settings, now)
    for code in settings.partners:
        yield replace(
            _lane(code, lanes.get(code, Lane(code)), now),
            waits=tuple(waiting.of_lane(connection, code)),
            limit=waiting.limit(code),
            alarm=trouble(connection, code, settings.link.alarm_failures),
        )
    for code, stopped in settings.stopped.items():
        yield LaneHealth(code, "stopped", 0, None, ConfigurationInvalid.code, "; ".join(_faults_of(stopped)))


def _lane(partner: str, lane: Lane, now: float) -> LaneHealth:
    return LaneHealth(
        partner=partner,
        state="held" if lane.held else "deferred" if lane.failures else "open",
        failures=lane.failures,
        next_try=moment(lane.due) if lane.due > now and not lane.held else None,
        code=lane.code,
        reason=lane.reason,
    )


def _held(connection: Connection) -> Iterator[HeldUnit]:
    for row in overview.all_held(connection):
        identity = row.consignment if isinstance(row, Receipt) else row.id
        yield HeldUnit(row.kind, identity, row.partner, row.code, row.reason, moment(row.updated))


def _faults_of(stopped: Stopped) -> tuple[str, ...]:
    return tuple(str(fault) for fault in stopped.faults)


def _ending(settings: Settings, connection: Connection, now: float) -> Iterator[EndingKey]:
    """The keys whose end is near or has come, by the last that the chain has about each."""
    pins = [(OWN, settings.openpgp.fingerprint), (OWN, settings.keys.old_openpgp)]
    pins += [(code, partner.fingerprint) for code, partner in settings.partners.items()]
    owners = {subject(owner, pin): (owner, pin) for owner, pin in pins if pin is not None}
    for about, (event, detail) in events.last_details(connection, TOLD, list(owners)).items():
        days = stage_of(from_text(detail["due"]) - now)
        if event != RENEWED and days is not None and not _is_settled(about, settings, connection):
            owner, fingerprint = owners[about]
            yield EndingKey(owner, fingerprint, detail["due"], days, detail["reason"])


def _is_settled(about: str, settings: Settings, connection: Connection) -> bool:
    """Whether the old key's date concerns nobody any more: every partner knows the new one."""
    old = settings.keys.old_openpgp
    return old is not None and about == subject(OWN, old) and not unconfirmed(connection, settings)


def _enquiries(settings: Settings, connection: Connection, now: float) -> EnquiriesHealth:
    waiting = [each for each in everything(connection, settings.codes).enquiries if each.outstanding]
    overdue = [each for each in waiting if each.overdue(day_of(now))]
    return EnquiriesHealth(
        len(waiting),
        tuple(OverdueEnquiry(each.asking.reference, each.asking.partner, sentence(each)) for each in overdue),
    )


def _faults(settings: Settings, connection: Connection, now: float) -> BoardHealth:
    board = known_faults.shown_board(connection, own=settings.site.kind is SiteKind.DWP, now=now)
    return BoardHealth(board.issue, tuple(OpenFault(fault.id, fault.what) for fault in board.open))
