"""`gateway tokens`: which programs may use the interface for programs, and what they may do there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output, tables
from gateway.cli.site import decision_of, log_of, reason_option, settings_of
from gateway.cli.tables import Column
from gateway.domain.people import PROGRAMS, Right

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gateway.administration.credentials.context import CredentialContext
    from gateway.settings.model import Settings

_COLUMNS: Final = (
    Column("NAME"),
    Column("OWNER"),
    Column("RIGHTS"),
    Column("FLOWS", gives_way=True),
    Column("PARTNERS", gives_way=True),
    Column("ENDS"),
    Column("LAST USED"),
    Column("STATE"),
)
clock: Callable[[], float] = time.time
"""The time by which tokens end."""


@click.group()
def tokens() -> None:
    """Which programs may use the interface for programs (/api/v1), and what they may do there.

    \b
    Example:
      gateway --home /srv/gateway tokens list
    """


@tokens.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--owner", required=True, metavar="USER", help="Who answers for the program: a token may do no more than its owner."
)
@click.option(
    "--right",
    "rights",
    multiple=True,
    required=True,
    type=click.Choice(sorted(map(str, PROGRAMS))),
    help="May be given again.",
)
@click.option("--flow", "flows", multiple=True, required=True, metavar="FLOW", help="May be given again.")
@click.option(
    "--partner", "partners", multiple=True, metavar="CODE", help="May be given again; all partners without it."
)
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="After so many days it ends.")
@reason_option
@output.as_json
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    owner: str,
    rights: tuple[str, ...],
    flows: tuple[str, ...],
    partners: tuple[str, ...],
    days: int,
    reason: str,
    *,
    as_json: bool,
) -> None:
    """Make a token and print it, once. NAME is the program's, and stays in the audit chain for good.

    \b
    Example:
      gateway --home /srv/gateway tokens add back-office --owner hb2210 --right look --right answer --flow claim --reason "new interface"
    """
    from gateway.administration.credentials.tokens import Grant, add  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, name)
    grant = Grant([Right(right) for right in rights], flows, partners, days)
    with _credentials(settings) as context:
        secret, view = add(context, settings, name, owner, grant, decision)
    if as_json:
        output.show_json({"token": secret, **vars(view)})
    else:
        click.echo(secret)
        output.say(f"Shown this once. Until {view.ends} whoever has it is {name}: keep it as you keep a password.")


@tokens.command("list")
@output.as_csv
@output.as_json
@click.pass_context
def list_tokens(ctx: click.Context, *, as_csv: bool, as_json: bool) -> None:
    """List all tokens: whose they are, what they may do, when they end and were used last.

    \b
    Example:
      gateway --home /srv/gateway tokens list
    """
    from gateway.administration.credentials.tokens import TokenView, listed  # noqa: PLC0415  # slow to import

    with _credentials(settings_of(ctx)) as context:
        found = listed(context)
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(TokenView, found)
    elif not found:
        output.say("None: `gateway tokens add` makes one.")
    else:
        rows = [
            (
                *(each.name, each.owner, " ".join(each.rights), " ".join(each.flows), " ".join(each.partners) or "all"),
                *(each.ends[:10], "never" if each.used is None else tables.brief(each.used), each.state),
            )
            for each in found
        ]
        tables.show(_COLUMNS, rows)


@tokens.command()
@click.argument("name", metavar="NAME")
@reason_option
@click.pass_context
def revoke(ctx: click.Context, name: str, reason: str) -> None:
    """End a token at once.

    \b
    Example:
      gateway --home /srv/gateway tokens revoke back-office --reason "the program was replaced"
    """
    from gateway.administration.credentials.tokens import revoke  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, name)
    with _credentials(settings) as context:
        revoke(context, name, decision)
    output.say(f"{name} is worth nothing any more.")


def _credentials(settings: Settings) -> AbstractContextManager[CredentialContext]:
    from gateway.administration.access import ROLE  # noqa: PLC0415  # slow to import
    from gateway.administration.credentials.context import credentials  # noqa: PLC0415  # slow to import

    return credentials(settings, log_of(settings), clock, ROLE)
