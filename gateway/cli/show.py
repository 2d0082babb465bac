"""`gateway show ID`: the whole story of one transfer or consignment."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click
import orjson

from gateway.cli import output, reading, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.cli.waiting import Waiting
from gateway.cli.words import describe, exceptions
from gateway.domain.redirect import FLOW
from gateway.domain.states import Direction
from gateway.ledger.queries import consignments
from gateway.ledger.queries.events import events_of
from gateway.ledger.queries.identities import one
from gateway.ledger.queries.receipts import receipts_about
from gateway.ledger.store import Connection
from gateway.ledger.units import Consignment, Transfer
from gateway.logs import safe_text
from gateway.stages.decisions import find

_COLUMNS: Final = (Column("TIME (UTC)"), Column("BY"), Column("WHAT"))
_TRANSFER: Final = (
    *("id", "flow", "partner", "name", "size", "sha256", "schema", "reference", "redirected_from"),
    *("consignment", "state", "code", "waits", "next_try", "expires"),
)
_ORIGINAL: Final = ("original_flow", "original_transfer", "original_sha256", "held_by")
_CONSIGNMENT: Final = (
    *("id", "partner", "sequence", "items", "bytes", "sealed_size", "sealed_sha256"),
    *("state", "code", "resends", "next_try", "expires"),
)


@click.command()
@click.argument("identity", metavar="ID")
@output.as_json
@click.pass_context
def show(ctx: click.Context, identity: str, *, as_json: bool) -> None:
    """Tell the whole story of one transfer or consignment: what happened when, why, and what to do next.

    The first characters of the id are enough where they are unique.

    \b
    Example:
      gateway --home /srv/gateway show 019ab5f0-1c2d
    """
    settings = settings_of(ctx)
    with reading.opened(settings) as ledger, ledger.read() as connection:
        row = find(connection, identity)
        story = _transfer(connection, row) if isinstance(row, Transfer) else _consignment(connection, row)
        if isinstance(row, Transfer):
            story["waits"] = Waiting(settings, time.time()).of_transfer(row)
    if as_json:
        output.show_json(story)
    else:
        _tell(story)


def _transfer(connection: Connection, row: Transfer) -> dict[str, Any]:
    """The transfer as `transfers --json` has it, and what happened to it and to the consignment that carries it."""
    subjects, carrier, receipts = {("transfer", row.id)}, None, []
    if row.consignment is not None:
        carrier = one(connection, Consignment, row.direction, row.partner, row.consignment)
        receipts = receipts_about(connection, row.partner, row.consignment)
        subjects |= {("consignment", row.consignment), ("receipt", row.consignment)}
    return {
        "kind": "transfer",
        **reading.transfer(row),
        "what_to_do": reading.remedy(row.code, row.state, row.direction, row.id),
        "original": _original(row),
        "carried_by": None if carrier is None else reading.consignment(carrier),
        "receipts": [_answer(receipt, row.id) for receipt in map(reading.receipt, receipts)],
        "events": _events(connection, row, subjects),
    }


def _original(row: Transfer) -> dict[str, str] | None:
    """What a redirect carries, as the validator found it: flow, first transfer, digest, and who held it last."""
    told = orjson.loads(row.facts) if row.facts and row.flow == FLOW else {}
    return {name.removeprefix("original_"): told[name] for name in _ORIGINAL if name in told} or None


def _consignment(connection: Connection, row: Consignment) -> dict[str, Any]:
    carried = consignments.carried(connection, row.direction, row.partner, row.id)
    receipts = receipts_about(connection, row.partner, row.id)
    return {
        "kind": "consignment",
        **reading.consignment(row),
        "what_to_do": reading.remedy(row.code, row.state, row.direction, row.id),
        "transfers": [reading.transfer(item) for item in carried],
        "receipts": [reading.receipt(receipt) for receipt in receipts],
        "events": _events(connection, row, {("consignment", row.id), ("receipt", row.id)}),
    }


def _answer(receipt: dict[str, Any], transfer: str) -> dict[str, Any]:
    """The receipt as far as it speaks of one transfer."""
    content = receipt["content"]
    if content is not None:
        items = [item for item in content["items"] if item["transfer"] == transfer]
        receipt = {**receipt, "content": {**content, "items": items}}
    return receipt


def _events(
    connection: Connection, row: Transfer | Consignment, subjects: Iterable[tuple[str, str]]
) -> list[dict[str, Any]]:
    wanted = set(subjects)
    found = events_of(connection, sorted({subject for _, subject in wanted}))
    return [
        reading.event(event)
        for event in found
        if event.partner == row.partner and (event.kind, event.subject) in wanted
    ]


def _tell(story: Mapping[str, Any]) -> None:
    way = "to" if story["direction"] == Direction.OUT else "from"
    click.echo(f"{story['kind'].capitalize()} {way} {story['partner']}\n")
    for word in _TRANSFER if story["kind"] == "transfer" else _CONSIGNMENT:
        if story[word] is not None:
            click.echo(f"  {word.replace('_', ' '):<14} {_shown(story[word])}")
    if odd := story.get("exceptions"):
        said = exceptions(odd["count"], odd["records"])
        click.echo(f"  with           {said}: `gateway extract exceptions {story['id']}`")
    for word, value in (story.get("original") or {}).items():
        click.echo(f"  {f'original {word}'.replace('_', ' '):<18} {_shown(value)}")
    if story["reason"]:
        click.echo("  reason")
        click.echo(textwrap.indent("\n".join(map(safe_text, story["reason"].splitlines())), "    "))
    for item in story.get("transfers", ()):
        click.echo(f"  carries        {item['id']} {_shown(item['name'])}: {item['state']}")
    for receipt in story["receipts"]:
        click.echo(f"  receipt        {_said(receipt)}")
    click.echo()
    rows = [
        (tables.brief(event["at"]), event["role"], describe(event["event"], event["detail"]))
        for event in story["events"]
    ]
    tables.show(_COLUMNS, rows)
    if story["what_to_do"]:
        click.echo(f"\nWhat to do: {story['what_to_do']}")


def _said(receipt: Mapping[str, Any]) -> str:
    ours = receipt["direction"] == Direction.OUT
    content = receipt["content"]
    if content is None:
        return f"{receipt['state']}{'' if ours else ', and not read yet'}"
    outcomes = sorted({item["outcome"] for item in content["items"]})
    who = "ours" if ours else f"by {content['sender']}"
    return f"{who}, {receipt['state']}, issued {content['issued']}: {', '.join(outcomes)}"


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else safe_text(text)
