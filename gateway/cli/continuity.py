"""`gateway continuity`: invoke business continuity, say how it stands, end it, and reconcile what was done by hand."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output, tables
from gateway.cli.since import earliest
from gateway.cli.site import decision_of, log_of, reason_option, reason_or, settings_of
from gateway.cli.tables import Column

if TYPE_CHECKING:
    from gateway.administration.continuity.invoking import Continuity

_TELL: Final = (Column("", right=True), Column("TELL", gives_way=True), Column("TOLD"))
_LINES: Final = (
    Column("LINE", right=True),
    Column("REFERENCE", gives_way=True),
    Column("NAME", gives_way=True, wide=True),
    Column("CARRIED"),
    Column("TRANSFER"),
    Column("PARTNER"),
    Column("FLOW"),
    Column("STATE"),
)


@click.group()
def continuity() -> None:
    """Business continuity: what people do when the gateway, the network or a partner fails for longer.

    \b
    Example:
      gateway --home /srv/gateway continuity invoke --reason "no network since 9:00, case 4711"
    """


@continuity.command()
@reason_option
@output.as_json
@click.pass_context
def invoke(ctx: click.Context, reason: str, *, as_json: bool) -> None:
    """Invoke business continuity, and print whom to tell, in order.

    Partners' gateways are told by a notice in every manifest and receipt that this site signs from now on; it goes with what goes to
    them next, and says since when, not why. Files go on as far as they can.

    \b
    Example:
      gateway --home /srv/gateway continuity invoke --reason "no network since 9:00, case 4711"
    """
    from gateway.administration.continuity import invoking  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    _tell(invoking.invoke(settings, log_of(settings), decision_of(ctx, settings, reason)), as_json=as_json)


@continuity.command()
@reason_option
@output.as_json
@click.pass_context
def update(ctx: click.Context, reason: str, *, as_json: bool) -> None:
    """Say how it stands: `gateway status` shows it to whoever looks.

    \b
    Example:
      gateway --home /srv/gateway continuity update --reason "the carrier says 15:00; urgent files go by hand"
    """
    from gateway.administration.continuity import invoking  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    _tell(invoking.update(settings, log_of(settings), decision_of(ctx, settings, reason)), as_json=as_json)


@continuity.command()
@click.argument("place", metavar="N", type=int)
@reason_or("told")
@output.as_json
@click.pass_context
def told(ctx: click.Context, place: int, reason: str, *, as_json: bool) -> None:
    """Note that line N of the list was told. Write no names into the reason.

    \b
    Example:
      gateway --home /srv/gateway continuity told 1
    """
    from gateway.administration.continuity import invoking  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    _tell(invoking.told(settings, log_of(settings), place, decision_of(ctx, settings, reason)), as_json=as_json)


@continuity.command()
@reason_option
@output.as_json
@click.pass_context
def end(ctx: click.Context, reason: str, *, as_json: bool) -> None:
    """End it. What waits goes in order, the oldest first; then `gateway continuity reconcile`.

    \b
    Example:
      gateway --home /srv/gateway continuity end --reason "the network is back since 15:10"
    """
    from gateway.administration.continuity import invoking  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    _tell(invoking.end(settings, log_of(settings), decision_of(ctx, settings, reason)), as_json=as_json)


@continuity.command()
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option(
    "--since",
    metavar="TIME",
    help="Compare with what was submitted, or came, from then on: 2026-11-28T09:00:00Z, or 8h.  [default: the last invocation]",
)
@output.as_json
@output.as_csv
@click.pass_context
def reconcile(ctx: click.Context, file: Path, since: str | None, *, as_json: bool, as_csv: bool) -> None:
    """Compare work that was done by hand with what the gateway carried.

    FILE.csv has a line of headings, with `reference` or `name` (of the file) among them. A line is carried: `both`, it went by the gateway
    too, and may be done twice; `waiting`, it is not packed yet, and `gateway return ID` takes it out; `hand`, by hand alone.

    \b
    Example:
      gateway --home /srv/gateway continuity reconcile by-hand.csv
      gateway --home /srv/gateway continuity reconcile by-hand.csv --since 2026-11-28T09:00:00Z --csv > compared.csv
    """
    from gateway.administration.continuity import reconciling  # noqa: PLC0415  # slow to import

    moment = None if since is None else earliest(since, time.time())
    rows = reconciling.reconcile(settings_of(ctx), file, moment)
    if as_json:
        output.show_json(rows)
        return
    if as_csv:
        output.show_csv(reconciling.Reconciled, rows)
        return
    tables.show(
        _LINES,
        [
            (
                str(each.line),
                each.reference,
                each.name,
                each.carried,
                each.transfer or "",
                each.partner or "",
                each.flow or "",
                each.state or "",
            )
            for each in rows
        ],
    )
    counts = Counter(each.carried for each in rows)
    output.say(", ".join(f"{counts[what]} {what}" for what in ("both", "waiting", "hand")))


def _tell(found: Continuity, *, as_json: bool) -> None:
    if as_json:
        output.show_json(found)
        return
    if found.since is None:
        output.say("Continuity has ended. Compare what was done by hand: `gateway continuity reconcile FILE.csv`.")
        return
    click.echo(f"Continuity is invoked since {tables.brief(found.since)} (UTC).")
    if found.tell:
        tables.show(_TELL, [(str(each.place), each.who, "yes" if each.told else "") for each in found.tell])
        output.say("Work down the list: `gateway continuity told N`.")
    else:
        output.say("Nobody is named in [continuity] tell of gateway.toml.")
