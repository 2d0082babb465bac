"""`gateway show ID|NAME`: the whole story of one transfer or consignment, and of what belongs together with it."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from gateway.administration.access import reading
from gateway.administration.views.conversation import ConversationView
from gateway.administration.views.records import EventView, ReceiptView
from gateway.administration.views.story import ConsignmentStory, TransferStory, story
from gateway.administration.views.words import describe, exceptions
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.states import Direction
from gateway.logs import safe_text

_COLUMNS: Final = (Column("TIME (UTC)"), Column("BY"), Column("WHAT"))
_OF: Final = (Column("OF", right=True), *_COLUMNS)
_MEMBERS: Final = (
    Column("NO.", right=True),
    *(Column("CAME (UTC)"), Column("WAY"), Column("FLOW"), Column("STATE"), Column("ID"), Column("WHICH")),
    Column("NAME", gives_way=True),
)
_TRANSFER: Final = (
    *("id", "flow", "partner", "name", "size", "sha256", "schema", "reference", "redirected_from"),
    *("consignment", "state", "code", "waits", "next_try", "expires"),
)
_CONSIGNMENT: Final = (
    *("id", "partner", "sequence", "items", "bytes", "sealed_size", "sealed_sha256"),
    *("state", "code", "resends", "next_try", "expires"),
)


@click.command()
@click.argument("identity", metavar="ID|NAME")
@output.as_json
@click.pass_context
def show(ctx: click.Context, identity: str, *, as_json: bool) -> None:
    """Tell the whole story of one transfer or consignment: what happened when, why, and what to do next.

    The first characters of the id are enough where they are unique; a transfer's whole name will do where one has it. Where a
    transfer belongs to others (passed on, answered, sent again), the story of all of them is told, in the order in which they
    came; `>` marks the one that was asked for.

    \b
    Example:
      gateway --home /srv/gateway show 019ab5f0-1c2d
      gateway --home /srv/gateway show claims-1.xml --json
    """
    settings = settings_of(ctx)
    with reading(settings) as connection:
        found = story(settings, connection, identity, time.time())
    data = _data(found)
    if as_json:
        output.show_json(data)
    else:
        _tell(found, data)


def _data(story: TransferStory | ConsignmentStory) -> Mapping[str, Any]:
    """The unit as `transfers --json` has it, and its story beside it."""
    told = dict(vars(story))
    kind = "transfer" if isinstance(story, TransferStory) else "consignment"
    return {"kind": kind, **vars(told.pop(kind)), **told}


def _tell(story: TransferStory | ConsignmentStory, data: Mapping[str, Any]) -> None:
    way = "to" if data["direction"] == Direction.OUT else "from"
    click.echo(f"{data['kind'].capitalize()} {way} {data['partner']}\n")
    for label in _TRANSFER if data["kind"] == "transfer" else _CONSIGNMENT:
        if data[label] not in (None, ""):
            click.echo(f"  {label.replace('_', ' '):<14} {_shown(data[label])}")
    if data["erased"]:
        click.echo(f"  erased         {tables.brief(data['erased'])}: what may name people; its time was over")
    for hold in story.legal_holds:
        what = "" if hold.unit == data["id"] else f" on {hold.kind} {hold.unit}"
        click.echo(f"  legal hold     since {tables.brief(hold.placed)}{what}: {safe_text(hold.reason)}")
    if data.get("unconfirmed"):
        click.echo("  unconfirmed    the partner has no gateway: nobody confirms that it arrived")
    if odd := data.get("exceptions"):
        said = exceptions(odd.count, odd.records)
        click.echo(f"  with           {said}: `gateway extract exceptions {data['id']}`")
    for label, value in (data.get("original") or {}).items():
        click.echo(f"  {f'original {label}'.replace('_', ' '):<18} {_shown(value)}")
    if data["reason"]:
        click.echo("  reason")
        click.echo(textwrap.indent("\n".join(map(safe_text, data["reason"].splitlines())), "    "))
    for item in data.get("transfers", ()):
        click.echo(f"  carries        {item.id} {_shown(item.name)}: {item.state}")
    for receipt in story.receipts:
        click.echo(f"  receipt        {_said(receipt)}")
    click.echo()
    talk = story.conversation if isinstance(story, TransferStory) else None
    if talk is None:
        tables.show(_COLUMNS, [_event(event) for event in story.events])
    else:
        _tell_conversation(talk, story.events)
    if story.what_to_do:
        click.echo(f"\nWhat to do: {story.what_to_do}")


def _event(event: EventView) -> tuple[str, str, str]:
    return tables.brief(event.at), event.role, describe(event.event, event.detail)


def _tell_conversation(talk: ConversationView, events: Sequence[EventView]) -> None:
    """The members by numbers, and what happened to each, in one order."""
    numbers = {each.id: str(number) for number, each in enumerate(talk.members, 1)}
    click.echo(f"Belongs together: {output.counted(len(numbers) + talk.more, 'transfer')}\n")
    rows = [
        (
            f"{'>' if each.asked else ' '}{numbers[each.id]}",
            tables.brief(each.created),
            f"{'to' if each.direction == Direction.OUT else 'from'} {each.partner}",
            each.flow,
            each.state if each.code is None else f"{each.state} [{each.code}]",
            each.id,
            "" if each.words is None or each.other is None else each.words.replace(each.other, numbers[each.other]),
            _shown(each.name),
        )
        for each in talk.members
    ]
    tables.show(_MEMBERS, rows)
    if talk.more:
        click.echo(f"... and {talk.more} more, which `gateway referrals`, `enquiries` and `find` list")
    click.echo()
    told = {event.sequence: (numbers[each.id], event) for each in talk.members for event in each.events}
    (asked,) = (numbers[each.id] for each in talk.members if each.asked)
    told |= {event.sequence: (asked, event) for event in events}
    tables.show(_OF, [(of, *_event(event)) for _, (of, event) in sorted(told.items())])


def _said(receipt: ReceiptView) -> str:
    ours, content = receipt.direction == Direction.OUT, receipt.content
    if content is None:
        return f"{receipt.state}{'' if ours else ', and not read yet'}"
    outcomes = sorted({item["outcome"] for item in content["items"]})
    who = "ours" if ours else f"by {content['sender']}"
    return f"{who}, {receipt.state}, issued {content['issued']}: {', '.join(outcomes)}"


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else safe_text(text)
