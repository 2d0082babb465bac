"""`gateway nodes`: which nodes of the site are there, and which works on what."""

from __future__ import annotations

from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column

_NODES: Final = (
    Column("NODE"),
    Column("STATE"),
    Column("SINCE (UTC)"),
    Column("PARTNERS", right=True),
    Column("SITE'S OWN WORK"),
    Column("VERSION", wide=True),
)


@click.command()
@output.as_json
@output.as_csv
@click.pass_context
def nodes(ctx: click.Context, *, as_json: bool, as_csv: bool) -> None:
    """List the nodes of this site: which are there, which are gone and since when, and how many partners each works with.

    A node is gone when the database has not seen it for its lease; the others have its partners then. --json has the partners of each.

    \b
    Example:
      gateway --home /srv/gateway nodes
      gateway --home /srv/gateway nodes --json
    """
    from gateway.administration.access import reading  # noqa: PLC0415  # slow to import
    from gateway.administration.views.nodes import NodeView, listed  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    with reading(settings) as connection:
        found = listed(settings, connection)
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(NodeView, found.nodes)
    elif not found.nodes:
        output.say("This gateway is the only one of its site: [node] name is not set.")
    else:
        tables.show(
            _NODES,
            (
                (
                    node.name,
                    node.state,
                    tables.brief(node.since),
                    str(node.lanes),
                    "yes" if node.site else "",
                    node.version,
                )
                for node in found.nodes
            ),
        )
        if found.without:
            output.say(f"Nobody works now on: {', '.join(found.without)}")
