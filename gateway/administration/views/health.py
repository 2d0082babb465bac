"""A site's health: what its ledger, its settings and a look at the machine say, and what does not go on without a person.

Keys that end soon are those that the running gateway has told of in the chain. Raises nothing of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from gateway.administration.views.health_fields import (
    BoardHealth,
    CarriedHealth,
    ContinuityHealth,
    EndingKey,
    EnquiriesHealth,
    Health,
    HeldUnit,
    LandingHealth,
    LaneHealth,
    Machine,
    OpenFault,
    OverdueAnswers,
    OverdueEnquiry,
    PartnerContinuity,
    StoppedPartner,
)
from gateway.administration.views.needs import needs_of
from gateway.administration.views.nodes import listed as nodes_of
from gateway.administration.views.records import moment, transfer, trouble
from gateway.administration.views.waiting import Waiting
from gateway.domain.calendar import day_of
from gateway.domain.enquiries import sentence
from gateway.domain.identity import from_text, to_text
from gateway.domain.landing_quota import NEARLY_FULL
from gateway.domain.people import PersonRole, PersonState
from gateway.domain.states import Direction
from gateway.domain.windows import Timetable
from gateway.errors import ConfigurationInvalid, PartnerSuspended
from gateway.ledger.queries import backlog, carried, continuity, endpoints, events, known_faults, overview
from gateway.ledger.queries.endpoints import FailingEndpoint
from gateway.ledger.queries.enquiries import everything
from gateway.ledger.queries.incidents import incidents
from gateway.ledger.queries.keys import OWN, RENEWED, TOLD, stage_of, subject, unconfirmed
from gateway.ledger.queries.landed import taken_since
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.queries.people import people
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.queries.requests import count_at_machine, count_proposed
from gateway.ledger.queries.waiting import due_now
from gateway.ledger.store import Connection
from gateway.ledger.units import Lane, Receipt
from gateway.settings.model import Partner, Settings, SiteKind, Stopped

_DAY: Final = 86_400.0


def health(settings: Settings, connection: Connection, machine: Machine, now: float) -> Health:
    """The site's health at a moment. It counts all units that there are: who needs a part of it asks for that part."""
    oldest = overview.oldest_waiting(connection)
    site_nodes = nodes_of(settings, connection, moves=False)
    running = machine.processes["gateway"] is not None
    found = Health(
        site=settings.site.code,
        healthy=True,
        needs=(),
        processes=machine.processes,
        counts=_counts(connection),
        unconfirmed=overview.count_unconfirmed(connection),
        due=due_now(connection, now, Timetable.of(settings).closed, settings.stopped),
        lanes=tuple(lane_healths(settings, connection, now)),
        held=tuple(held_units(connection)),
        stopped=tuple(
            StoppedPartner(code, _code_of(stopped), _faults_of(stopped), stopped.suspended)
            for code, stopped in settings.stopped.items()
        ),
        not_reloaded=tuple(sorted(machine.noted_stopped & settings.partners.keys())) if running else (),
        quarantined=len(quarantined(connection)),
        proposed=count_proposed(connection),
        at_machine=count_at_machine(connection),
        incidents=len(incidents(connection)),
        administrators=_administrators(connection),
        oldest_waiting=None if oldest is None else transfer(oldest),
        passed_over=machine.passed_over,
        written_late=machine.written_late,
        keys=tuple(ending_keys(settings, connection, now)),
        enquiries=_enquiries(settings, connection, now),
        faults=_faults(settings, connection, now),
        disk=machine.disk,
        audit=machine.audit,
        restored=machine.restored,
        untold=machine.untold,
        held_up=machine.held_up,
        shared_away=machine.shared_away,
        landings=tuple(_landings(settings, connection, machine, now)),
        continuity=_continuity(settings, connection),
        carried=tuple(_carried(settings, connection)),
        unanswered=tuple(_unanswered(settings, connection, now)),
        nodes=site_nodes.nodes,
        lanes_late=site_nodes.late,
        node=settings.node.name,
        away=machine.away,
    )
    needs = tuple(str(each) for each in needs_of(found, machine.late_ending, now))
    return replace(found, healthy=not needs, needs=needs)


def _administrators(connection: Connection) -> int | None:
    there = [each.state for each in people(connection) if PersonRole.ADMINISTRATOR in each.roles]
    return there.count(PersonState.ACTIVE) if there else None


def _landings(settings: Settings, connection: Connection, machine: Machine, now: float) -> Iterator[LandingHealth]:
    """The landings that are nearly full, and those from which no more is taken now."""
    taken: Counter[str] = Counter()
    if machine.landings:  # else nobody waits for a day to end
        for code, _, size in taken_since(connection, now - _DAY):
            taken[code] += size
    for code, lies in machine.landings.items():
        shut_out = code in machine.shut_out and any(machine.processes.values())
        filled, limited = lies.filled(settings.landing_quota(code)), taken[code] >= settings.day_bytes(code)
        if filled >= NEARLY_FULL or shut_out or limited:
            yield LandingHealth(code, lies.bytes, lies.files, round(filled, 3), shut_out, limited)


def _counts(connection: Connection) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """How many units there are, by kind, direction and state."""
    counts: dict[str, dict[str, dict[str, int]]] = {
        kind: {way.value: {} for way in Direction} for kind in ("transfer", "consignment", "receipt")
    }
    for (kind, direction, state), number in sorted(overview.counts(connection).items()):
        counts[kind][direction][state] = number
    return counts


def lane_healths(settings: Settings, connection: Connection, now: float) -> Iterator[LaneHealth]:
    """Every partner's lane at a moment, stopped and suspended partners' last."""
    lanes, waiting = all_lanes(connection), Waiting(settings, now)
    for code, partner in settings.partners.items():
        yield replace(
            _lane(code, lanes.get(code, Lane(code)), now),
            waits=tuple(waiting.of_lane(connection, code)),
            limit=waiting.limit(code),
            alarm=trouble(connection, code, settings.link.alarm_failures),
            link=partner.link,
            envelope=partner.envelope,
            failing=failing_endpoints(connection, partner),
        )
    for code, stopped in settings.stopped.items():
        state = "suspended" if _code_of(stopped) == PartnerSuspended.code else "stopped"
        why = "; ".join(_faults_of(stopped)) or stopped.suspended
        yield LaneHealth(code, state, 0, None, _code_of(stopped), why)


def failing_endpoints(connection: Connection, partner: Partner) -> tuple[FailingEndpoint, ...]:
    """The servers of a partner with several that failed when they were tried last."""
    there = partner.endpoint
    several = () if there is None or not there.other_addresses else there.addresses
    return tuple(endpoints.failing(connection, partner.code, several))


def _lane(partner: str, lane: Lane, now: float) -> LaneHealth:
    return LaneHealth(
        partner=partner,
        state="held" if lane.held else "deferred" if lane.failures else "open",
        failures=lane.failures,
        next_try=moment(lane.due) if lane.due > now and not lane.held else None,
        code=lane.code,
        reason=lane.reason,
    )


def held_units(connection: Connection) -> Iterator[HeldUnit]:
    """What waits for a person's decision: transfers, consignments, then receipts, of each the oldest first."""
    for row in overview.all_held(connection):
        identity = row.consignment if isinstance(row, Receipt) else row.id
        yield HeldUnit(row.kind, identity, row.partner, row.code, row.reason, moment(row.updated))


def _code_of(stopped: Stopped) -> str:
    """What stops the partner: a fault goes before a suspension, since to resume would not mend it."""
    return PartnerSuspended.code if stopped.suspended is not None and not stopped.faults else ConfigurationInvalid.code


def _faults_of(stopped: Stopped) -> tuple[str, ...]:
    return tuple(str(fault) for fault in stopped.faults)


def ending_keys(settings: Settings, connection: Connection, now: float) -> Iterator[EndingKey]:
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


def _continuity(settings: Settings, connection: Connection) -> ContinuityHealth:
    here = continuity.standing(connection)
    noted = {code: continuity.noted(connection, code) for code in settings.codes}
    return ContinuityHealth(
        None if here is None else here.since,
        None if here is None else here.updated,
        None if here is None else here.reason,
        0 if here is None else len(here.told),
        len(settings.continuity.tell),
        tuple(PartnerContinuity(code, *said) for code, said in noted.items() if said is not None),
    )


def _carried(settings: Settings, connection: Connection) -> Iterator[CarriedHealth]:
    for code in settings.codes:
        if found := carried.carried(connection, code):
            first = min(row.updated for row, _ in found)
            yield CarriedHealth(code, len(found), to_text(first), tuple(dict.fromkeys(number for _, number in found)))


def _unanswered(settings: Settings, connection: Connection, now: float) -> Iterator[OverdueAnswers]:
    days = {name: flow.answer_days for name, flow in settings.flows.items()}
    for each in backlog.overdue(connection, days, now):
        yield OverdueAnswers(each.flow, each.partner, each.number, to_text(each.oldest), days[each.flow])
