"""`gateway keys`: the keys of this site and of its partners, and changing those of this site."""

# ruff: noqa: PLC0415 - a command imports what it needs: most of it is slow
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli import output
from gateway.cli.acting import reason_option
from gateway.cli.site import require_all_rights, settings_of
from gateway.domain.card import MOST_DAYS
from gateway.errors import KeyStillNeeded, NotFound, UsageWrong

if TYPE_CHECKING:
    from gateway.settings.model import Settings

_DAY: Final = 86_400.0


def of_use(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which of the site's keys is meant; the command gets it as `kind`, by the option's name."""

    @wraps(command)
    def of_one(*arguments: Any, openpgp: bool, ssh_client: bool, ssh_host: bool, **others: Any) -> None:
        kinds = [
            kind for kind, given in (("openpgp", openpgp), ("ssh-client", ssh_client), ("ssh-host", ssh_host)) if given
        ]
        if len(kinds) > 1:
            raise UsageWrong("One key at a time: --openpgp, --ssh-client or --ssh-host.")
        command(*arguments, kind=kinds[0] if kinds else "openpgp", **others)

    for name, meaning in (
        ("--ssh-host", "The host key of the managed SFTP server."),
        ("--ssh-client", "The key that this site connects to partners with."),
        ("--openpgp", "The key that signs, and that partners encrypt to.  [default]"),
    ):
        of_one = click.option(name, is_flag=True, help=meaning)(of_one)
    return of_one


why = click.option(
    "--reason",
    default="a planned change",
    show_default=True,
    metavar="TEXT",
    help="Why; it goes into the audit chain with your login name.",
)


@click.group()
def keys() -> None:
    r"""Show the keys that this site has and trusts, and change its own.

    What to do step by step is in docs/operators/key-rotation.md.
    """


@keys.command("list")
@output.as_json
@click.pass_context
def list_keys(ctx: click.Context, *, as_json: bool) -> None:
    """List every key of this site and of its partners: what for, how it stands, until when.

    While a key of this site is being changed, partners that have not shown that they know the new one are named too.

    \b
    Example:
      gateway --home /srv/gateway keys list
    """
    settings = settings_of(ctx)
    from gateway.assembly import open_pgp
    from gateway.cli import key_table, reading
    from gateway.stages.signing import unconfirmed

    engine = open_pgp(settings)
    try:
        rows = list(key_table.own_keys(settings, engine))
        for partner in settings.partners.values():
            rows += key_table.partner_keys(partner, engine)
    finally:
        engine.close()
    waiting: list[str] = []
    if settings.keys.old_openpgp is not None:
        with reading.opened(settings) as ledger, ledger.read() as connection:
            waiting = unconfirmed(connection, settings)
    if as_json:
        first, *others = (asdict(row) for row in rows)
        output.show_json([{**first, "unconfirmed": waiting}, *others])
        return
    output.show_table(
        ("OWNER", "USE", "STANDING", "EXPIRES", "UNTIL", "FINGERPRINT"),
        [
            (
                row.owner,
                row.use.value,
                row.standing.value,
                (row.expires or "-")[:10],
                (row.until or "-")[:10],
                row.fingerprint,
            )
            for row in rows
        ],
    )
    if settings.keys.old_openpgp is not None:
        output.say(f"Not known yet to know the new OpenPGP key: {', '.join(waiting) or 'nobody, all know it'}.")


@keys.command()
@of_use
@click.option(
    "--overlap",
    type=click.IntRange(1, MOST_DAYS),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="How long partners are to accept the old key beside the new one.",
)
@click.option(
    "--key-days",
    type=click.IntRange(1, 3650),
    default=730,
    show_default=True,
    metavar="N",
    help="How long the new OpenPGP key is valid.",
)
@why
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.pass_context
def rotate(ctx: click.Context, kind: str, overlap: int, key_days: int, reason: str, *, dry_run: bool) -> None:
    """Make a new key of this site, and go on using the old one beside it until partners know the new one.

    Then send every partner the new card (`gateway card`). It is signed by the old key, so nobody has to read a
    fingerprint out. A gateway that runs takes the new key over at once.

    \b
    Example:
      gateway --home /srv/gateway keys rotate --overlap 30 --reason "yearly change"
    """
    settings = settings_of(ctx)
    require_all_rights(settings)
    from gateway.assembly import key_store
    from gateway.cli import acting, key_events, rotation
    from gateway.cli.key_table import Use
    from gateway.cli.reload import take_over_where_running

    use, because_of = Use(kind), acting.decision(reason)
    if dry_run:
        rotation.check(settings, use, overlap)
        output.say(f"Would make a new {use} key; the old one stays in use for {overlap} days.")
        return
    changed = rotation.rotate(settings, use, key_store(settings.home.keyrings), time.time(), overlap, key_days)
    with acting.stage_context(ctx) as context:
        key_events.changed(context, "key.rotated", changed, because_of)
    output.say(f"The new {use} key: {changed.fingerprint}")
    output.say(f"The old one, {changed.old}, is accepted until {changed.until:%Y-%m-%d %H:%M} UTC.")
    take_over_where_running(settings.home)
    output.say("Next: send every partner the new card (`gateway card`); `gateway keys list` shows who has taken it.")


@keys.command()
@click.argument("partner", metavar="CODE")
@why
@click.pass_context
def confirm(ctx: click.Context, partner: str, reason: str) -> None:
    """Say that the partner CODE knows this site's new OpenPGP key, so that it signs towards it from now on.

    A partner that runs a gateway shows that by itself, with the first thing that it seals to the new key.

    \b
    Example:
      gateway --home /srv/gateway keys confirm E09000030 --reason "they took the card, by telephone"
    """
    from gateway.cli import acting, key_events

    because_of = acting.decision(reason)
    with acting.stage_context(ctx) as context:
        settings = context.settings
        if partner not in settings.codes:
            raise NotFound(f"There is no partner {partner}: `gateway partner list` shows those that there are.")
        if settings.keys.old_openpgp is None:
            raise NotFound("There is no old openpgp key: nothing is being changed.")
        key_events.confirmed(context, partner, because_of)
    output.say(f"The new key signs towards {partner} from now on.")


@keys.command()
@of_use
@click.option("--now", "at_once", is_flag=True, help="Retire it although it may still be needed.")
@why
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.pass_context
def retire(ctx: click.Context, kind: str, reason: str, *, at_once: bool, dry_run: bool) -> None:
    """End the change of a key: delete the old one for good.

    It is refused while the old key may still be needed: before its date, while a partner has not shown that it knows the
    new one, and while something that was sealed to the old one may be underway.

    \b
    Example:
      gateway --home /srv/gateway keys retire --reason "all partners have the new card" --dry-run
    """
    settings = settings_of(ctx)
    require_all_rights(settings)
    from gateway.assembly import key_store
    from gateway.cli import acting, key_events, rotation
    from gateway.cli.key_table import Use
    from gateway.cli.reload import take_over_where_running
    from gateway.stages.signing import OWN

    use, because_of = Use(kind), acting.decision(reason)
    store = key_store(settings.home.keyrings)
    if rotation.until_of(settings, use) is None and not dry_run and (left := rotation.sweep(settings, store)):
        output.say(f"An earlier command was broken off; what it left is deleted: {', '.join(left)}.")
        return
    old = rotation.old_fingerprint(settings, use)
    if not at_once:
        _require_spare(settings, use)
    if dry_run:
        output.say(f"Would delete the old {use} key {old}. What is sealed to it could not be opened any more.")
        return
    rotation.retire(settings, use)
    take_over_where_running(settings.home)
    rotation.sweep(settings_of(ctx), store)
    with acting.stage_context(ctx) as context:
        key_events.ended(context, "key.retired", OWN, old, because_of)
    output.say(f"The old {use} key {old} is deleted.")


@keys.command()
@of_use
@click.option("--old", is_flag=True, help="The key that is being replaced already, not the current one.")
@click.option(
    "--key-days",
    type=click.IntRange(1, 3650),
    default=730,
    show_default=True,
    metavar="N",
    help="How long the new OpenPGP key is valid.",
)
@reason_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.pass_context
def revoke(ctx: click.Context, kind: str, key_days: int, reason: str, *, old: bool, dry_run: bool) -> None:
    """Trust a key of this site no more, at once: it may have been stolen. A new one takes its place.

    Nothing is sent to a partner before it has the new card, whose fingerprint it has to confirm by telephone: nobody can
    believe what the revoked key signs. The card carries the revocation. A partner's key: `gateway partner revoke`.

    \b
    Example:
      gateway --home /srv/gateway keys revoke --reason "backup tape lost, incident 4711"
    """
    settings = settings_of(ctx)
    require_all_rights(settings)
    from gateway.assembly import key_store
    from gateway.cli import acting, key_events, rotation
    from gateway.cli.key_table import Use
    from gateway.cli.reload import take_over_where_running
    from gateway.stages.signing import OWN

    use, because_of = Use(kind), acting.decision(reason)
    if old and use is not Use.OPENPGP:
        raise NotFound(f"An old {use} key is not revoked but retired: `gateway keys retire --{use} --now`.")
    if dry_run:
        which = rotation.old_fingerprint(settings, use) if old else f"current {use} key"
        output.say(f"Would revoke the {which}{'' if old else ', and make a new one'}.")
        return
    store, now = key_store(settings.home.keyrings), time.time()
    if old:
        lost = rotation.old_fingerprint(settings, use)
        rotation.revoke_old(settings, store, now)
    else:
        changed = rotation.revoke(settings, use, store, now, key_days)
        lost = changed.old
    with acting.stage_context(ctx) as context:
        key_events.ended(context, "key.revoked", OWN, lost, because_of)
        if not old:
            key_events.changed(context, "key.rotated", changed, because_of)
            output.say(f"The new {use} key: {changed.fingerprint}")
    output.say(f"The {use} key {lost} is revoked.")
    take_over_where_running(settings.home, regardless=use is Use.OPENPGP)
    if use is not Use.OPENPGP:
        rotation.sweep(settings_of(ctx), store)
    output.say("Next: call every partner, send the new card (`gateway card`), and let them confirm its fingerprint.")


def _require_spare(settings: Settings, use: str) -> None:
    """KeyStillNeeded where the old key may be needed yet."""
    from gateway.cli import reading, rotation
    from gateway.cli.key_table import Use
    from gateway.stages.signing import confirmed_since, unconfirmed

    now, until = time.time(), rotation.until_of(settings, Use(use))
    if until is not None and now < until.timestamp():
        raise KeyStillNeeded(f"Partners accept the old key until {until:%Y-%m-%d %H:%M} UTC.")
    if use != Use.OPENPGP:
        return
    with reading.opened(settings) as ledger, ledger.read() as connection:
        waiting, since = unconfirmed(connection, settings), confirmed_since(connection, settings)
    if since is None:
        raise KeyStillNeeded(f"Not known to know the new key: {', '.join(waiting)}.")
    longest = max(flow.expires_hours for flow in settings.flows.values()) * 3600
    if now < since + longest:
        days = (since + longest - now) / _DAY
        raise KeyStillNeeded(f"What was sealed to the old key may be underway for {days:.0f} more days.")
