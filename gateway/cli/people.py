"""`gateway people`: who may use the console, and what they may do there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli import output, tables
from gateway.cli.site import decision_of, log_of, reason_option, settings_of
from gateway.cli.tables import Column
from gateway.domain.people import PersonRole

if TYPE_CHECKING:
    from gateway.administration.people.roster import Decided

_COLUMNS: Final = (
    Column("USER"),
    Column("NAME", gives_way=True),
    Column("UNIT", gives_way=True),
    Column("ROLES"),
    Column("AGREEMENT", wide=True),
    Column("TRAINING", wide=True),
    Column("STATE"),
)
clock: Callable[[], float] = time.time
"""The time by which links end."""

_user = click.argument("user", metavar="USER")
_roles = click.option(
    "--role", "roles", multiple=True, type=click.Choice([str(role) for role in PersonRole]), help="May be given again."
)
_agreement = click.option(
    "--agreement", metavar="YYYY-MM-DD", help="The day on which the confidentiality agreement was signed."
)
_training = click.option("--training", metavar="YYYY-MM-DD", help="The day of the training.")


@click.group()
def people() -> None:
    """Who may use the console, and what they may do there.

    \b
    Example:
      gateway --home /srv/gateway people list
    """


@people.command()
@_user
@click.option("--name", required=True, help="The display name. It is erased some time after the person has left.")
@click.option("--unit", required=True, help="Where the person works.")
@_roles
@_agreement
@_training
@reason_option
@output.as_json
@click.pass_context
def add(
    ctx: click.Context,
    user: str,
    name: str,
    unit: str,
    roles: tuple[str, ...],
    agreement: str | None,
    training: str | None,
    reason: str,
    *,
    as_json: bool,
) -> None:
    """Add somebody. USER is a staff number or another id that is no name: it stays in the audit chain for good.

    Then `gateway people link USER --reason TEXT` prints the link by which the person sets a password.

    \b
    Example:
      gateway --home /srv/gateway people add hb1042 --name "Benefits administrator" --unit "Revenues" --role administrator --reason "first one"
      gateway --home /srv/gateway people add hb2210 --name "Assessor 3" --unit "Assessment" --role operator \\
        --agreement 2026-10-01 --training 2026-10-12 --reason "joins the team"
    """
    from gateway.administration.people import roster  # noqa: PLC0415  # slow to import

    details = roster.Details(name, unit, agreement, training)
    wanted = frozenset(map(PersonRole, roles))
    _do(
        ctx, user, reason, lambda ledger, decision: roster.add(ledger, user, wanted, details, decision), as_json=as_json
    )


@people.command("list")
@click.option("--all", "left", is_flag=True, help="Those who have left as well.")
@output.as_csv
@output.as_json
@click.pass_context
def list_people(ctx: click.Context, *, left: bool, as_csv: bool, as_json: bool) -> None:
    """List everybody with roles, dates and state.

    \b
    Example:
      gateway --home /srv/gateway people list --all
    """
    from gateway.administration.access import reading  # noqa: PLC0415  # slow to import
    from gateway.administration.people import roster  # noqa: PLC0415  # slow to import

    with reading(settings_of(ctx)) as connection:
        found = [roster.shown(person) for person in roster.listed(connection, left=left)]
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(roster.PersonView, found)
    elif not found:
        output.say("Nobody: `gateway people add` adds somebody.")
    else:
        rows = [
            (p.user, p.name, p.unit, ", ".join(p.roles), p.agreement or "", p.training or "", p.state) for p in found
        ]
        tables.show(_COLUMNS, rows)


@people.command()
@_user
@_roles
@click.option("--no-roles", is_flag=True, help="Take all roles away.")
@_agreement
@_training
@click.option("--name", help="Another display name.")
@click.option("--unit", help="Another place of work.")
@reason_option
@output.as_json
@click.pass_context
def role(
    ctx: click.Context,
    user: str,
    roles: tuple[str, ...],
    agreement: str | None,
    training: str | None,
    name: str | None,
    unit: str | None,
    reason: str,
    *,
    no_roles: bool,
    as_json: bool,
) -> None:
    """Change what somebody is. The roles that are given take the place of those before; without any, they stay.

    The person's sessions end, and a link that was not used yet.

    \b
    Example:
      gateway --home /srv/gateway people role hb2210 --role operator --role checking-officer --reason "second team"
      gateway --home /srv/gateway people role hb2210 --training 2026-11-02 --reason "yearly training"
    """
    from gateway.administration.people import roster  # noqa: PLC0415  # slow to import

    if no_roles and roles:
        raise click.UsageError("Give --role or --no-roles.")
    wanted = frozenset(map(PersonRole, roles)) if roles or no_roles else None
    details = roster.Details(name, unit, agreement, training)
    _do(
        ctx,
        user,
        reason,
        lambda ledger, decision: roster.change(ledger, user, wanted, details, decision),
        as_json=as_json,
    )


def _ending(name: str, told: str, example: str) -> Any:
    """The commands that take a user id and a reason alone."""

    @_user
    @reason_option
    @output.as_json
    @click.pass_context
    def command(ctx: click.Context, user: str, reason: str, *, as_json: bool) -> None:
        from gateway.administration.people import roster  # noqa: PLC0415  # slow to import

        change = {"suspend": roster.suspend, "resume": roster.resume, "remove": roster.remove}[name]
        _do(ctx, user, reason, lambda ledger, decision: change(ledger, user, decision), as_json=as_json)

    command.__doc__ = (
        f'{told}\n\n    \b\n    Example:\n      gateway --home /srv/gateway people {name} hb2210 --reason "{example}"\n'
    )
    return people.command(name)(command)


_ending("suspend", "End somebody's rights and sessions at once, until `gateway people resume`.", "incident 2026/7")
_ending(
    "resume", "Let somebody's rights count again; a session has to be begun anew.", "incident 2026/7 closed: no misuse"
)
_ending(
    "remove", "Somebody leaves: rights and sessions end at once. The user id is never given again.", "leaves the team"
)


@people.command()
@_user
@reason_option
@output.as_json
@click.pass_context
def link(ctx: click.Context, user: str, reason: str, *, as_json: bool) -> None:
    """Print a one-time link, by which USER sets a password and a second factor. It is good for a day, and takes the place of any before.

    Give it to the person yourself: whoever has it is that person. `[console] address` is what it begins with.

    \b
    Example:
      gateway --home /srv/gateway people link hb1042 --reason "first password"
    """
    from gateway.administration.access import ROLE  # noqa: PLC0415  # slow to import
    from gateway.administration.credentials import links  # noqa: PLC0415  # slow to import
    from gateway.administration.credentials.context import credentials  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, user)
    with credentials(settings, log_of(settings), clock, ROLE) as context:
        address = links.address(context, links.issue(context, user, decision))
    if as_json:
        output.show_json({"user": user, "link": address, "hours": settings.console.link_hours})
    else:
        click.echo(address)
        output.say(f"Good once, for {settings.console.link_hours} hours. Whoever has it becomes {user}.")


@people.command()
@_user
@reason_option
@output.as_json
@click.pass_context
def unpin(ctx: click.Context, user: str, reason: str, *, as_json: bool) -> None:
    """Let whoever signs in next at the identity provider with the user id USER be USER. Do it where the provider gave that same person a new
    account, and only then: it is what keeps somebody else with that user id out.

    \b
    Example:
      gateway --home /srv/gateway people unpin hb2210 --reason "new account at the identity provider, ticket 4711"
    """
    from gateway.administration.access import ROLE  # noqa: PLC0415  # slow to import
    from gateway.administration.credentials import identities  # noqa: PLC0415  # slow to import
    from gateway.administration.credentials.context import credentials  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, user)
    with credentials(settings, log_of(settings), clock, ROLE) as context:
        identities.unpin(context, user, decision)
    if as_json:
        output.show_json({"user": user, "pinned": False})
    else:
        output.say(f"The next one who signs in at the identity provider as {user} is {user} from then on.")


def _do(ctx: click.Context, user: str, reason: str, change: Decided, *, as_json: bool) -> None:
    """Change somebody, and say what the person is now."""
    from gateway.administration.access import writing  # noqa: PLC0415  # slow to import
    from gateway.administration.people import roster  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, user)
    with writing(settings, log_of(settings)) as ledger:
        person = roster.shown(change(ledger, decision))
    if as_json:
        output.show_json(person)
    else:
        output.say(f"{person.user} is {person.state}: {', '.join(person.roles) or 'no role'}.")
