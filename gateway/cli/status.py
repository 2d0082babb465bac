"""`gateway status`: this site's health in one screen."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from gateway.cli import output, reading, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.cli.waiting import Waiting, phrase
from gateway.daemon.lock import holder
from gateway.daemon.roles import Role
from gateway.daemon.stopped_partners import noted_stopped
from gateway.domain.calendar import day_of
from gateway.domain.identity import from_text
from gateway.domain.states import Direction
from gateway.domain.windows import Timetable
from gateway.errors import ConfigurationInvalid
from gateway.ledger.queries import events, known_faults, overview, quarantine
from gateway.ledger.queries.enquiries import everything
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.queries.waiting import due_now
from gateway.ledger.store import Connection
from gateway.ledger.units import Lane, Receipt
from gateway.logs import safe_text
from gateway.settings.model import Settings, SiteKind, Stopped
from gateway.spool.passed_over import forgotten
from gateway.spool.returns import WRITTEN_LATE, letters
from gateway.stages.signing import OWN, subject, unconfirmed
from gateway.stages.timers.key_expiry import RENEWED, TOLD, stage_of
from gateway.stages.timers.overdue_enquiries import sentence

_UNAVAILABLE: Final = 69
_SHOWN: Final = 10
_LANE: Final = (
    Column("LANE"),
    Column("STATE"),
    Column("FAILURES", right=True),
    Column("NEXT TRY (UTC)"),
    Column("REASON", gives_way=True),
)
_HELD: Final = (Column("HELD"), Column("ID"), Column("PARTNER"), Column("CODE"))


@click.command()
@output.as_json
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Show this site's health in one screen: processes, lanes, what is under way, what waits for a person.

    Exit status 0 while all is well, 69 when something needs a person. Keys that end within 30 days are shown, as the
    running gateway has found them; `gateway doctor` looks at all of them now.

    \b
    Example:
      gateway --home /srv/gateway status
    """
    settings = settings_of(ctx)
    now = time.time()
    with reading.opened(settings) as ledger, ledger.read() as connection:
        health = _examine(settings, connection, now)
    if as_json:
        output.show_json(health)
    else:
        _tell(health)
    if not health["healthy"]:
        ctx.exit(_UNAVAILABLE)


def _examine(settings: Settings, connection: Connection, now: float) -> dict[str, Any]:
    home = settings.home
    oldest = overview.oldest_waiting(connection)
    counts: dict[str, dict[str, dict[str, int]]] = {
        kind: {way.value: {} for way in Direction} for kind in ("transfer", "consignment", "receipt")
    }
    for (kind, direction, state), number in sorted(overview.counts(connection).items()):
        counts[kind][direction][state] = number
    lanes, waiting = all_lanes(connection), Waiting(settings, now)
    health: dict[str, Any] = {
        "site": settings.site.code,
        "processes": {name: holder(home.run, name) for name in ("gateway", *(role.value for role in Role))},
        "counts": counts,
        "due": due_now(connection, now, Timetable.of(settings).closed, settings.stopped),
        "lanes": [
            _lane(code, lanes.get(code, Lane(code)), now)
            | {"waits": waiting.of_lane(connection, code), "limit": waiting.limit(code)}
            | {"alarm": reading.trouble(connection, code, settings.link.alarm_failures)}
            for code in settings.partners
        ]
        + [_stopped_lane(code, stopped) for code, stopped in settings.stopped.items()],
        "held": [
            {
                "kind": row.kind,
                "id": row.consignment if isinstance(row, Receipt) else row.id,
                "partner": row.partner,
                "code": row.code,
                "reason": row.reason,
                "since": reading.moment(row.updated),
            }
            for row in overview.all_held(connection)
        ],
        "stopped": [_stopped(code, stopped) for code, stopped in settings.stopped.items()],
        "not_reloaded": sorted(noted_stopped(home) & settings.partners.keys()) if holder(home.run, "gateway") else [],
        "quarantined": len(quarantine.quarantined(connection)),
        "oldest_waiting": None if oldest is None else reading.transfer(oldest),
        "passed_over": _forgotten(settings, now),
        "written_late": _written_late(settings),
        "keys": _ending(settings, connection, now),
        "enquiries": _enquiries(settings, connection, now),
        "faults": _faults(settings, connection, now),
        "disk": {
            "free_bytes": shutil.disk_usage(home.state).free,
            "needed_bytes": settings.limits.min_free_bytes,
        },
    }
    needs = list(_needs(health))
    return {"site": health.pop("site"), "healthy": not needs, "needs": needs, **health}


def _forgotten(settings: Settings, now: float) -> int | None:
    """How many files in the spool were passed over for more than a day; None where this user may not look."""
    home = settings.home
    try:
        return sum(forgotten((home.outbound, home.outcomes), settings.spool.passed_over, now).values())
    except OSError:
        return None


def _written_late(settings: Settings) -> int | None:
    """How many files were written to after they were taken, and lie in spool/returned yet; None where this user may not look."""
    try:
        return letters(settings.home.returned, WRITTEN_LATE)
    except OSError:
        return None


def _ending(settings: Settings, connection: Connection, now: float) -> list[dict[str, Any]]:
    """The keys whose end is near or has come, by the last that the chain has about each."""
    pins = [(OWN, settings.openpgp.fingerprint), (OWN, settings.keys.old_openpgp)]
    pins += [(code, partner.fingerprint) for code, partner in settings.partners.items()]
    owners = {subject(owner, pin): (owner, pin) for owner, pin in pins if pin is not None}
    ending = []
    for about, (event, detail) in events.last_details(connection, TOLD, list(owners)).items():
        days = stage_of(from_text(detail["due"]) - now)
        if event != RENEWED and days is not None and not _is_settled(about, settings, connection):
            owner, fingerprint = owners[about]
            said = {"due": detail["due"], "days": days, "meaning": detail["reason"]}
            ending.append({"owner": owner, "fingerprint": fingerprint, **said})
    return ending


def _enquiries(settings: Settings, connection: Connection, now: float) -> dict[str, Any]:
    """How many enquiries wait for a reply, theirs or ours, and which of them for too long."""
    waiting = [each for each in everything(connection, settings.codes).enquiries if each.outstanding]
    overdue = [each for each in waiting if each.overdue(day_of(now))]
    return {
        "outstanding": len(waiting),
        "overdue": [
            {"reference": each.asking.reference, "partner": each.asking.partner, "says": sentence(each)}
            for each in overdue
        ],
    }


def _faults(settings: Settings, connection: Connection, now: float) -> dict[str, Any]:
    """The open faults on the board that counts here."""
    board = known_faults.shown_board(connection, own=settings.site.kind is SiteKind.DWP, now=now)
    return {"issue": board.issue, "open": [{"id": fault.id, "what": fault.what} for fault in board.open]}


def _is_settled(about: str, settings: Settings, connection: Connection) -> bool:
    """Whether the old key's date concerns nobody any more: every partner knows the new one."""
    old = settings.keys.old_openpgp
    return old is not None and about == subject(OWN, old) and not unconfirmed(connection, settings)


def _lane(partner: str, lane: Lane, now: float) -> dict[str, Any]:
    return {
        "partner": partner,
        "state": "held" if lane.held else "deferred" if lane.failures else "open",
        "failures": lane.failures,
        "next_try": reading.moment(lane.due) if lane.due > now and not lane.held else None,
        "code": lane.code,
        "reason": lane.reason,
    }


def _stopped(code: str, stopped: Stopped) -> dict[str, Any]:
    return {"partner": code, "code": ConfigurationInvalid.code, "faults": [str(fault) for fault in stopped.faults]}


def _stopped_lane(code: str, stopped: Stopped) -> dict[str, Any]:
    """The lane of a partner that the gateway does not work with."""
    reasons = {"code": ConfigurationInvalid.code, "reason": "; ".join(str(fault) for fault in stopped.faults)}
    return {
        "partner": code,
        "state": "stopped",
        "failures": 0,
        "next_try": None,
        **reasons,
        "waits": [],
        "limit": None,
        "alarm": None,
    }


def _needs(health: Mapping[str, Any]) -> Iterator[str]:
    """Whatever does not go on without a person, a sentence each."""
    for partner in health["stopped"]:
        for fault in partner["faults"]:
            yield f"partner {partner['partner']} is stopped: {fault}; correct it, then `gateway reload`"
    for code in health["not_reloaded"]:
        yield f"partner {code} is stopped in the gateway that runs, and its file is right by now: `gateway reload`"
    missing = [name for name in (role.value for role in Role) if health["processes"][name] is None]
    if missing and health["due"]:
        yield f"{health['due']} units of work are due, and {', '.join(missing)} does not run: `gateway run`"
    elif missing and health["processes"]["gateway"] is not None:
        yield f"{', '.join(missing)} does not run, although the gateway does: it starts, or its log says why not"
    elif missing and len(missing) < len(Role):
        yield f"{', '.join(missing)} does not run, although the other roles do"
    for lane in health["lanes"]:
        if lane["state"] == "held":
            yield f"the lane to {lane['partner']} is held: {lane['reason']}; `gateway release {lane['partner']}`"
        elif alarm := lane["alarm"]:
            yield f"{alarm['words']}; `gateway partner test {lane['partner']}`"
    if number := len(health["held"]):
        yield f"{number} held for a decision: `gateway release ID`, or `gateway return ID`"
    if number := health["written_late"]:
        yield f"{number} written to after they were taken: spool/returned has each, with NAME{WRITTEN_LATE}"
    if number := health["quarantined"]:
        yield f"{number} locked away: `gateway quarantine list`"
    for key in health["keys"]:
        whose = "our key" if key["owner"] == OWN else f"the key of {key['owner']}"
        when = "has ended" if key["days"] == 0 else f"ends within {key['days']} day{'s' if key['days'] > 1 else ''}"
        yield f"{whose} {key['fingerprint'][-16:]} {when}, on {key['due'][:10]}: {key['meaning']}"
    late = health["enquiries"]["overdue"]
    for each in late[:_SHOWN]:
        yield f"{each['says']}; `gateway enquiries --outstanding`"
    if len(late) > _SHOWN:
        yield f"{len(late) - _SHOWN} more enquiries are overdue: `gateway enquiries --outstanding`"
    if health["disk"]["free_bytes"] < health["disk"]["needed_bytes"]:
        yield "the disk is nearly full: nothing is taken in"


def _tell(health: Mapping[str, Any]) -> None:
    running = {name: process for name, process in health["processes"].items() if process is not None}
    processes = ", ".join(f"{name} {process}" for name, process in running.items())
    click.echo(f"{health['site']} {f'runs: {processes}' if running else 'does not run'}")
    _tell_counts(health["counts"]["transfer"])
    if oldest := health["oldest_waiting"]:
        when = tables.brief(oldest["created"])
        click.echo(f"longest without a receipt: {oldest['id']} to {oldest['partner']}, {oldest['state']}, since {when}")
    free, needed = health["disk"]["free_bytes"], health["disk"]["needed_bytes"]
    click.echo(f"disk: {tables.bytes_of(free)} free, {tables.bytes_of(needed)} needed")
    if number := health["passed_over"]:
        click.echo(f"passed over in the spool for more than a day: {number} files (`gateway doctor` says where)")
    if number := health["enquiries"]["outstanding"]:
        click.echo(f"enquiries without a reply: {number} (`gateway enquiries --outstanding`)")
    for fault in health["faults"]["open"]:
        click.echo(f"known fault {fault['id']}: {safe_text(fault['what'])}")
    _tell_lanes(health["lanes"])
    _tell_held(health["held"])
    click.echo()
    for need in health["needs"]:
        click.echo(f"{click.style('needs a person', fg='yellow')}: {need}")
    if health["healthy"]:
        click.echo(click.style("All is well.", fg="green"))


def _tell_counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    for direction, word in (("out", "sent by us"), ("in", "sent to us")):
        states = ", ".join(f"{number} {state}" for state, number in counts[direction].items())
        click.echo(f"{word}: {states or 'nothing yet'}")


def _tell_lanes(lanes: Sequence[Mapping[str, Any]]) -> None:
    if not lanes:
        return
    rows = [
        (
            lane["partner"],
            lane["state"],
            str(lane["failures"] or ""),
            tables.brief(lane["next_try"]),
            phrase([lane["reason"], *lane["waits"], lane["limit"]]),
        )
        for lane in lanes
    ]
    click.echo()
    tables.show(_LANE, rows)


def _tell_held(held: Sequence[Mapping[str, Any]]) -> None:
    if not held:
        return
    click.echo()
    tables.show(_HELD, [(each["kind"], each["id"], each["partner"], each["code"] or "") for each in held[:_SHOWN]])
    if len(held) > _SHOWN:
        click.echo(f"... and {len(held) - _SHOWN} more: `gateway transfers --state held`")
