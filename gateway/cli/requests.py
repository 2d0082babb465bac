"""`gateway requests`: what people asked of this site, what waits for a second person, and the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.requests import Act, RequestState

if TYPE_CHECKING:
    from gateway.administration.views.requests import RequestStory, RequestView

_COLUMNS: Final = (
    Column("ASKED (UTC)"),
    Column("ID"),
    Column("ACT"),
    Column("ABOUT"),
    Column("STATE"),
    Column("BY"),
    Column("WHY", gives_way=True),
)
_MOST: Final = 10_000


@click.command()
@click.argument("identity", metavar="[ID]", required=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in RequestState]),
    help="Only those in this state: `proposed` waits for a second person. May be given again.",
)
@click.option("--act", type=click.Choice([str(act) for act in Act]), help="Only those for this act.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=50, show_default=True, help="At most so many.")
@output.as_json
@click.pass_context
def requests(
    ctx: click.Context, identity: str | None, states: tuple[str, ...], act: str | None, limit: int, *, as_json: bool
) -> None:
    """List what people asked, the newest first; or with its whole ID tell all about one request. It changes nothing.

    A release and a discard that are asked for in the console take two people: one asks, another one agrees or declines, there.
    Commands such as `gateway release` are listed too: who has the machine's account needs no second person.

    \b
    Example:
      gateway --home /srv/gateway requests --state proposed
    """
    from gateway.administration.access import reading  # noqa: PLC0415  # slow to import
    from gateway.administration.views import requests as views  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    if identity is not None:
        with reading(settings) as connection:
            told = views.story(settings, connection, identity)
        if as_json:
            output.show_json(told)
        else:
            _tell(told)
        return
    wanted = [RequestState(state) for state in states]
    with reading(settings) as connection:
        found = views.listed(
            settings, connection, limit, states=wanted, acts=[each for each in Act if act in (None, each)]
        )
    if as_json:
        output.show_json(found.rows)
    elif not found.rows:
        output.say("Nobody asked for anything.")
    else:
        tables.show(_COLUMNS, [_row(each) for each in found.rows])
        if found.after is not None:
            output.say(f"There are more: these are the newest {limit}. --limit shows more of them.")


def _row(each: RequestView) -> tuple[str, ...]:
    people = each.actor if each.decider is None else f"{each.actor}, {each.decider}"
    return (tables.brief(each.asked), each.id, each.act, each.subject, each.state, people, each.reason)


def _tell(told: RequestStory) -> None:
    from gateway.administration.views.words import describe  # noqa: PLC0415  # slow to import

    request = told.request
    click.echo(f"Request to {request.act} {tables.printable(request.subject)}: {request.state}\n")
    said = {
        "in particular": request.argument and request.argument[:100],
        "asked by": f"{request.actor}, {tables.brief(request.asked)}",
        "because": request.reason,
        "second person": request.decider and f"{request.decider}, {tables.brief(request.decided)}",
        "who says": request.decider_reason,
        "ends": request.ends and f"{tables.brief(request.ends)}, if no second person decides before",
        "about": request.unit and f"{request.kind} {request.unit}",
        "which is now": request.became,
        "refused": request.refusal,
        "what to do": request.remedy,
    }
    for label, text in said.items():
        if text:
            click.echo(f"  {label:<14} {tables.printable(text)}")
    if told.events:
        click.echo()
    for event in told.events:
        click.echo(f"  {tables.brief(event.at)}  {tables.printable(describe(event.event, event.detail))}")
