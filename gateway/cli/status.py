"""`gateway status`: this site's health in one screen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.site.machine import look
from gateway.administration.views.health import health
from gateway.administration.views.health_fields import Health, HeldUnit, LaneHealth
from gateway.administration.views.waiting import phrase
from gateway.cli import output, tables
from gateway.cli import watch as watching
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.logs import safe_text

_UNAVAILABLE: Final = 69
_SHOWN: Final = 10
_NO_RECEIPTS: Final = "no gateway there: nobody confirms what arrives"
_LANE: Final = (
    Column("LANE"),
    Column("STATE"),
    Column("FAILURES", right=True),
    Column("NEXT TRY (UTC)"),
    Column("REASON", gives_way=True),
)
_HELD: Final = (Column("HELD"), Column("ID"), Column("PARTNER"), Column("CODE"))


@click.command()
@watching.option
@output.as_json
@click.pass_context
def status(ctx: click.Context, *, watch: float | None, as_json: bool) -> None:
    """Show this site's health in one screen: processes, lanes, what is under way, what waits for a person.

    Exit status 0 while all is well, 69 when something needs a person. Keys that end within 30 days are shown, as the
    running gateway has found them; `gateway doctor` looks at all of them now.

    \b
    Example:
      gateway --home /srv/gateway status
      gateway --home /srv/gateway status --watch 10
    """
    if watch is not None:
        watching.repeat(lambda: _found(ctx), _tell, watch, as_data=as_json)
        return
    found = _found(ctx)
    if as_json:
        output.show_json(found)
    else:
        _tell(found)
    if not found.healthy:
        ctx.exit(_UNAVAILABLE)


def _found(ctx: click.Context) -> Health:
    settings, now = settings_of(ctx), time.time()
    with reading(settings) as connection:
        return health(settings, connection, look(settings, now), now)


def _tell(health: Health) -> None:
    running = {name: process for name, process in health.processes.items() if process is not None}
    waits = {"console": f" (waits: it is at {health.console_at})"} if health.console_at else {}
    processes = ", ".join(f"{name} {process}{waits.get(name, '')}" for name, process in running.items())
    here = f"{health.site}, node {health.node}," if health.node else health.site
    click.echo(f"{here} {f'runs: {processes}' if running else 'does not run'}")
    _tell_counts(health.counts["transfer"], health.unconfirmed)
    if oldest := health.oldest_waiting:
        when = tables.brief(oldest.created)
        click.echo(f"longest without a receipt: {oldest.id} to {oldest.partner}, {oldest.state}, since {when}")
    free, needed = health.disk.free_bytes, health.disk.needed_bytes
    click.echo(f"disk: {tables.bytes_of(free)} free, {tables.bytes_of(needed)} needed")
    if (audit := health.audit) and audit.verified is not None:
        outcome = output.counted(audit.faults, "fault") if audit.faults else "no faults"
        click.echo(f"audit: {tables.brief(audit.verified)}, as far as event {audit.events}, {outcome}")
    if number := health.passed_over:
        click.echo(f"passed over in the spool for more than a day: {number} files (`gateway doctor` says where)")
    if number := health.enquiries.outstanding:
        click.echo(f"enquiries without a reply: {number} (`gateway enquiries --outstanding`)")
    for fault in health.faults.open:
        click.echo(f"known fault {fault.id}: {safe_text(fault.what)}")
    _tell_nodes(health)
    _tell_continuity(health)
    _tell_lanes(health.lanes)
    _tell_held(health.held)
    click.echo()
    for need in health.needs:
        click.echo(f"{click.style('needs a person', fg='yellow')}: {need}")
    if health.healthy and any(process is not None for process in health.processes.values()):
        click.echo(click.style("All is well.", fg="green"))
    elif health.healthy:
        click.echo("Nothing waits for anybody, and nothing is received: the gateway does not run.")


def _tell_nodes(health: Health) -> None:
    for node in health.nodes:
        since = tables.brief(node.since)
        if node.state == "up":
            site = ", and for the site" if node.site else ""
            console = "; the console is there" if node.console else ""
            click.echo(
                f"node {node.name} works with {output.counted(node.lanes, 'partner')}{site}, since {since}{console}"
            )
        else:
            console = ", and the console with it" if node.console else ""
            click.echo(click.style(f"node {node.name} is gone since {since}{console}", fg="yellow"))


def _tell_continuity(health: Health) -> None:
    here = health.continuity
    if here is not None and here.since is not None:
        told = f", {here.told} of {here.to_tell} told" if here.to_tell else ""
        words = f"continuity is invoked since {tables.brief(here.since)}{told}"
        click.echo(click.style(f"{words}: {safe_text(here.reason or '(erased)')}", fg="yellow"))
    for partner in () if here is None else here.partners:
        said = f", last said {tables.brief(partner.updated)}" if partner.updated != partner.since else ""
        click.echo(f"{partner.partner} has invoked continuity since {tables.brief(partner.since)}{said}")
    for each in health.carried:
        what = output.counted(each.consignments, "consignment")
        numbers = ", ".join(each.waybills)
        click.echo(
            f"carried by hand to {each.partner} since {tables.brief(each.since)}, no receipt yet: {what}, waybill {numbers}"
        )


def _tell_counts(counts: Mapping[str, Mapping[str, int]], unconfirmed: int) -> None:
    for direction, label in (("out", "sent by us"), ("in", "sent to us")):
        states = ", ".join(f"{number} {state}" for state, number in counts[direction].items())
        click.echo(f"{label}: {states or 'nothing yet'}")
    if unconfirmed:
        click.echo(
            f"of what is sent, {unconfirmed} went to partners without a gateway: nobody confirms that it arrived"
        )


def _tell_lanes(lanes: Sequence[LaneHealth]) -> None:
    if not lanes:
        return
    rows = [
        (
            lane.partner,
            lane.state,
            str(lane.failures or ""),
            tables.brief(lane.next_try),
            phrase(
                [
                    lane.reason,
                    *_failing(lane),
                    *lane.waits,
                    lane.limit,
                    _NO_RECEIPTS if lane.envelope == "plain" else None,
                ]
            ),
        )
        for lane in lanes
    ]
    click.echo()
    tables.show(_LANE, rows)


def _failing(lane: LaneHealth) -> Iterator[str]:
    return (f"not reached at {each.address} [{each.code}]" for each in lane.failing)


def _tell_held(held: Sequence[HeldUnit]) -> None:
    if not held:
        return
    click.echo()
    tables.show(_HELD, [(each.kind, each.id, each.partner, each.code or "") for each in held[:_SHOWN]])
    if len(held) > _SHOWN:
        click.echo(f"... and {len(held) - _SHOWN} more: `gateway transfers --state held`")
