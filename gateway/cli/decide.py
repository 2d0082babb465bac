"""`gateway hold`, `release`, `retry` and `return`: a person's decisions."""

from __future__ import annotations

import click

from gateway.administration.requests import actors, decisions
from gateway.administration.requests.decisions import Request
from gateway.cli import output
from gateway.cli.site import decision_of, log_of, reason_option, settings_of


@click.command()
@click.argument("identity", metavar="ID")
@reason_option
@output.as_json
@click.pass_context
def hold(ctx: click.Context, identity: str, reason: str, *, as_json: bool) -> None:
    """Keep the transfer ID, until `gateway release` lets it go on. The first characters of the id are enough.

    What has been packed into a consignment is on its way, and can be held no more.

    \b
    Example:
      gateway --home /srv/gateway hold 019ab5f0 --reason "claimant has withdrawn, waiting for the manager"
    """
    _decide(decisions.hold, ctx, identity, reason, as_json=as_json)


@click.command()
@click.argument("identity", metavar="ID|PARTNER")
@click.option(
    "--delivered",
    is_flag=True,
    help="The back office has the file already: it counts as delivered, and is not given out again. After a restoration.",
)
@reason_option
@output.as_json
@click.pass_context
def release(ctx: click.Context, identity: str, reason: str, *, delivered: bool, as_json: bool) -> None:
    """Let what is held go on where it stopped: a transfer, a consignment, or the whole lane towards a PARTNER.

    \b
    Example:
      gateway --home /srv/gateway release 019ab5f0 --reason "sent twice on purpose"
      gateway --home /srv/gateway release E09000030 --reason "new host key confirmed by telephone with J. Smith"
    """
    if not delivered:
        _decide(decisions.release, ctx, identity, reason, as_json=as_json)
        return
    from gateway.administration.backup.recovering import count_as_delivered  # noqa: PLC0415  # after a restoration only

    settings = settings_of(ctx)
    row = count_as_delivered(settings, log_of(settings), identity, decision_of(ctx, settings, reason, identity))
    if as_json:
        output.show_json({"kind": row.kind, "id": row.id, "partner": row.partner, "state": "opened"})
    else:
        output.say(f"The transfer {row.id} counts as delivered.")


@click.command()
@click.argument("identity", metavar="ID|PARTNER")
@reason_option
@output.as_json
@click.pass_context
def retry(ctx: click.Context, identity: str, reason: str, *, as_json: bool) -> None:
    """Try now what waits for later: a transfer, a consignment, or the lane towards a PARTNER.

    A consignment that was sent and is not receipted goes again, with the same bytes; the partner delivers it once.

    \b
    Example:
      gateway --home /srv/gateway retry E09000030 --reason "the partner says its server is back"
    """
    _decide(decisions.retry, ctx, identity, reason, as_json=as_json)


@click.command("return")
@click.argument("identity", metavar="ID")
@reason_option
@output.as_json
@click.pass_context
def give_back(ctx: click.Context, identity: str, reason: str, *, as_json: bool) -> None:
    """Give the transfer ID back, with the reason beside it: to spool/returned, where it was submitted here.

    A transfer from a partner that is held here is rejected, and the partner's receipt says why.

    \b
    Example:
      gateway --home /srv/gateway return 019ab5f0 --reason "this claim went last week"
    """
    _decide(decisions.give_back, ctx, identity, reason, as_json=as_json)


def _decide(request: Request, ctx: click.Context, identity: str, reason: str, *, as_json: bool) -> None:
    decision = actors.decision(reason)
    settings = settings_of(ctx)
    decided = request(settings, log_of(settings), identity, decision)
    if as_json:
        data = {"kind": decided.kind, "id": decided.identity, "partner": decided.partner, "state": str(decided.state)}
        output.show_json(data)
    elif decided.kind == "lane":
        output.say(f"The lane to {decided.identity} is open.")
    else:
        output.say(f"The {decided.kind} {decided.identity} is {decided.state} now.")
