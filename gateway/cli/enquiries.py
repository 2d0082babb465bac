"""`gateway enquiries`: which enquiries, of ours and of partners, are answered, and which are outstanding."""

from __future__ import annotations

import time
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.views.enquiries import EnquiryView
from gateway.administration.views.enquiries import enquiries as list_enquiries
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column

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
@output.as_csv
@output.as_json
@click.pass_context
def enquiries(ctx: click.Context, partner: str | None, *, outstanding: bool, as_csv: bool, as_json: bool) -> None:
    """List the enquiries that were sent from here and those that came, and whether they have been answered.

    Those under way count as sent, and a reply under way as given, unless it comes back. What they say is in their
    documents: `gateway enquiry unpack`.

    \b
    Example:
      gateway --home /srv/gateway enquiries --outstanding
    """
    settings = settings_of(ctx)
    with reading(settings) as connection:
        found = list_enquiries(settings, connection, time.time(), partner, outstanding=outstanding)
    if as_json:
        output.show_json(found.enquiries)
        return
    if as_csv:
        output.show_csv(EnquiryView, found.enquiries)
        return
    if found.enquiries:
        tables.show(_COLUMNS, [_cells(each) for each in found.enquiries])
    wanted = sum(each.outstanding for each in found.enquiries)
    overdue = sum(each.overdue for each in found.enquiries)
    output.say(f"{len(found.enquiries)} enquiries: {wanted} outstanding, {overdue} of these overdue")
    if found.unasked:
        output.say(f"{found.unasked} replies name a reference that was never asked")


def _cells(each: EnquiryView) -> tuple[str, ...]:
    return (
        each.reference,
        each.kind,
        each.partner,
        each.way,
        each.reply_by or "",
        each.state,
        tables.brief(each.asked),
        tables.brief(each.answered),
        each.transfer,
    )
