"""`gateway enquiries`: which enquiries, of ours and of partners, are answered, and which are outstanding."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from gateway.cli import output, reading, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.calendar import day_of
from gateway.domain.enquiries import Enquiry
from gateway.ledger.queries.enquiries import everything

_COLUMNS: Final = (
    Column("REFERENCE"),
    Column("KIND"),
    Column("WITH"),
    Column("WAY"),
    Column("REPLY BY"),
    Column("STATE"),
    Column("ASKED (UTC)"),
    Column("ANSWERED (UTC)"),
    Column("TRANSFER", wide=True),
)


@click.command()
@click.option("--outstanding", is_flag=True, help="Only those without a reply.")
@click.option("--partner", metavar="CODE", help="Only those with this partner.")
@output.as_json
@click.pass_context
def enquiries(ctx: click.Context, partner: str | None, *, outstanding: bool, as_json: bool) -> None:
    """List the enquiries that were sent from here and those that came, and whether they have been answered.

    Those under way count as sent, and a reply under way as given, unless it comes back. What they say is in their
    documents: `gateway enquiry unpack`.

    \b
    Example:
      gateway --home /srv/gateway enquiries --outstanding
    """
    settings = settings_of(ctx)
    today = day_of(time.time())
    with reading.opened(settings) as ledger, ledger.read() as connection:
        found = everything(connection, settings.codes)
    chosen = [
        each
        for each in found.enquiries
        if partner in (None, each.asking.partner) and (each.outstanding or not outstanding)
    ]
    lines = [line(each, today.isoformat()) for each in chosen]
    if as_json:
        output.show_json(lines)
        return
    if lines:
        tables.show(_COLUMNS, [_cells(each) for each in lines])
    wanted = [each for each in chosen if each.outstanding]
    overdue = sum(each.overdue(today) for each in chosen)
    output.say(f"{len(chosen)} enquiries: {len(wanted)} outstanding, {overdue} of these overdue")
    if stray := len([each for each in found.unasked if partner in (None, each.partner)]):
        output.say(f"{stray} replies name a reference that was never asked")


def line(enquiry: Enquiry, today: str) -> dict[str, Any]:
    """One enquiry as data: `way` is `sent` or `received`, `state` open, overdue, answered or closed."""
    asking, answer = enquiry.asking, enquiry.answer
    due = None if asking.reply_by is None else asking.reply_by.isoformat()
    overdue = enquiry.outstanding and due is not None and today > due
    state = "overdue" if overdue else "open" if enquiry.outstanding else "answered" if answer else "closed"
    return {
        "reference": asking.reference,
        "kind": asking.kind,
        "partner": asking.partner,
        "way": "sent" if enquiry.sent else "received",
        "reply_by": due,
        "state": state,
        "outstanding": enquiry.outstanding,
        "overdue": overdue,
        "late": enquiry.late(),
        "asked": reading.moment(asking.at),
        "transfer": asking.transfer,
        "transfer_state": asking.state,
        "answered": None if answer is None else reading.moment(answer.at),
        "answer_transfer": None if answer is None else answer.transfer,
        "answer_state": None if answer is None else answer.state,
        "closed": reading.moment(enquiry.closed),
    }


def _cells(told: dict[str, Any]) -> tuple[str, ...]:
    return (
        told["reference"],
        told["kind"],
        told["partner"],
        told["way"],
        told["reply_by"] or "",
        told["state"],
        tables.brief(told["asked"]),
        tables.brief(told["answered"]),
        told["transfer"],
    )
