"""`gateway nodes`: which nodes of the site are there, and which works on what; and what a person decides about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output, tables
from gateway.cli.nodes_join import join, package, share, store
from gateway.cli.site import decision_of, log_of, reason_option, settings_of
from gateway.cli.tables import Column
from gateway.domain.ownership import SITE

if TYPE_CHECKING:
    from gateway.administration.site.nodes import Forgotten
    from gateway.administration.views.nodes import LaneMove, NodesView

_NODES: Final = (
    Column("NODE"),
    Column("STATE"),
    Column("SINCE (UTC)"),
    Column("PARTNERS", right=True),
    Column("ALSO"),
    Column("VERSION", wide=True),
)
_MOVES: Final = (Column("MOVED (UTC)"), Column("NODE"), Column("WHAT"))
_SHOWN: Final = 5


@click.group(invoke_without_command=True)
@output.as_json
@output.as_csv
@click.pass_context
def nodes(ctx: click.Context, *, as_json: bool, as_csv: bool) -> None:
    """List the nodes of this site: which are there, which are gone and since when, how many partners each works with, and what moved.

    A node is gone when the database has not seen it for its lease; the others have its partners then. --json has the partners of each.

    \b
    Example:
      gateway --home /srv/gateway nodes
      gateway --home /srv/gateway nodes --json
    """
    if ctx.invoked_subcommand is not None:
        return
    from gateway.administration.access import reading  # noqa: PLC0415  # slow to import
    from gateway.administration.site.held_up import away_from  # noqa: PLC0415  # slow to import
    from gateway.administration.views.nodes import NodeView, listed  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    with reading(settings) as connection:
        found = listed(settings, connection)
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(NodeView, found.nodes)
    elif not found.nodes and settings.node.name:
        output.say(f"This is node {settings.node.name}, and no node of the site has run yet: `gateway run`.")
    elif not found.nodes:
        output.say("This gateway is the only one of its site: [node] name is not set.")
    else:
        _tell(found)
        if (away := away_from(settings)) is not None:
            output.say(
                f"This node, {settings.node.name}, does not reach {away.what} for {away.seconds:.0f} s [{away.code}]: its vault's log says why."
            )


@nodes.command()
@click.argument("name", metavar="NAME")
@reason_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@output.as_json
@click.pass_context
def forget(ctx: click.Context, name: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Take the node NAME off the list: its machine is gone for good. Refused while it is there.

    Others have its partners already. What only that machine had is not at the site any more: files that were dropped there and not taken in,
    what was asked at its console, and the console's passwords and tokens, where the console was there. What it was about to deliver another node
    delivers, and its hidden copies of that beside people's files are removed.

    \b
    Example:
      gateway --home /srv/gateway nodes forget north-2 --reason "machine scrapped, ticket 4711"
    """
    settings = settings_of(ctx)
    from gateway.administration.site import nodes as site_nodes  # noqa: PLC0415  # slow to import

    decision = decision_of(ctx, settings, reason, name, dry_run=dry_run)
    done = site_nodes.forget(settings, log_of(settings), name, decision, dry_run=dry_run)
    if as_json:
        output.show_json({**asdict(done), "dry_run": dry_run})
    else:
        _tell_forgotten(done, dry_run=dry_run)


@nodes.command("take-console")
@reason_option
@output.as_json
@click.pass_context
def take_console(ctx: click.Context, reason: str, *, as_json: bool) -> None:
    """Have the console served at this node from now on. The node that served it ends doing so within seconds.

    Passwords, passkeys, sessions and tokens are in state/console of the node that served it. Copy that directory here first, with the gateway
    stopped there; or let everybody have a new link: `gateway people link USER --reason TEXT`.

    \b
    Example:
      gateway --home /srv/gateway nodes take-console --reason "north-1 is being replaced"
    """
    settings = settings_of(ctx)
    from gateway.administration.site import nodes as site_nodes  # noqa: PLC0415  # slow to import

    decision = decision_of(ctx, settings, reason, settings.node.name)
    done = site_nodes.take_console(settings, log_of(settings), decision)
    if as_json:
        output.show_json(done)
        return
    before = "no node before" if done.before is None else f"{done.before} before"
    output.say(f"The console is served at {done.node} now ({before}).")
    if not settings.home.console_store.exists():
        output.say(
            "There is no state/console here: everybody needs a new link, `gateway people link USER --reason TEXT`."
        )


def _tell(found: NodesView) -> None:
    tables.show(
        _NODES,
        (
            (
                node.name,
                node.state,
                tables.brief(node.since),
                str(node.lanes),
                ", ".join((["the site"] if node.site else []) + (["console"] if node.console else [])),
                node.version,
            )
            for node in found.nodes
        ),
    )
    if found.moved:
        click.echo()
        tables.show(_MOVES, ((tables.brief(each.at), each.node, _said(each)) for each in found.moved[:_SHOWN]))
    for name in found.gone:
        output.say(
            f"{name} is gone: files that partners left in its landing, or that were dropped in its spool/outbound, wait there until it is back"
            " (docs/operators/nodes.md)."
        )
    if found.without:
        late = " for longer than it should take" if found.late else ""
        lanes = ["the site's own work" if lane == SITE else lane for lane in found.without]
        output.say(f"Nobody works now on: {', '.join(lanes)}{late}")
    for node in found.nodes:
        if node.unheard:
            number = output.counted(node.wake_ups, "wake-up")
            output.say(
                f"{node.name} has not heard {number} of other nodes, the oldest for {node.wake_up_seconds:.0f} s: look at its log for `wake-ups`"
            )
    if len(found.versions) > 1:
        output.say(f"Versions differ: {', '.join(found.versions)}")


def _said(move: LaneMove) -> str:
    partners = [lane for lane in move.lanes if lane != SITE]
    what = [output.counted(len(partners), "partner")] if partners else []
    what += ["the site's own work"] if SITE in move.lanes else []
    gone = f" of {', '.join(move.gone)}, which was gone" if move.gone else ""
    verb = "gave up" if move.event == "node.freed" else "took"
    return f"{verb} {' and '.join(what)}{gone}"


def _tell_forgotten(done: Forgotten, *, dry_run: bool) -> None:
    output.say(f"Node {done.node}, seen last {tables.brief(done.seen)}, {'would be' if dry_run else 'is'} forgotten.")
    if done.lanes:
        output.say(f"It still had {output.counted(len(done.lanes), 'lane')}: other nodes take them at once.")
    if done.files:
        files = output.counted(done.files, "file")
        output.say(f"{files} that were taken in there may still lie in its spool: they are in custody, and go on.")
    if done.requests:
        output.say(
            f"{output.counted(done.requests, 'request')} asked there can be answered by nobody: refused with `node-gone`."
        )
    output.say(
        "Files that were dropped there and not taken in are on that machine alone: whoever dropped them drops them again."
    )
    output.say("So is what partners left in its landing: they have no receipt for it, and send it again.")
    if done.console:
        output.say("It served the console: `gateway nodes take-console` at the node that is to serve it.")


for _each in (store, share, package, join):
    nodes.add_command(_each)
