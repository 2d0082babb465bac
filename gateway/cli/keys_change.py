"""`gateway keys rotate`, `retire` and `revoke`: a key of this site in the place of another."""

# ruff: noqa: PLC0415 - a command imports what it needs: most of it is slow
from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from gateway.administration.site.settings import require_all_rights
from gateway.cli import output
from gateway.cli.site import decision_of, log_of, reason_option, reason_or, say_taken_over, settings_of
from gateway.domain.card import MOST_DAYS
from gateway.errors import UsageWrong


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


planned_reason = reason_or("a planned change")


@click.command()
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
@planned_reason
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
    decision = decision_of(ctx, settings, reason, dry_run=dry_run)
    require_all_rights(settings)
    from gateway.administration.site import key_rotation
    from gateway.administration.site import keys as site_keys
    from gateway.administration.site.reload import take_over_where_running

    use = site_keys.Use(kind)
    if dry_run:
        key_rotation.check(settings, use, overlap)
        output.say(f"Would make a new {use} key; the old one stays in use for {overlap} days.")
        return
    log = log_of(settings)
    changed = site_keys.rotate(settings, log, use, decision, overlap_days=overlap, key_days=key_days)
    output.say(f"The new {use} key: {changed.fingerprint}")
    output.say(f"The old one, {changed.old}, is accepted until {changed.until:%Y-%m-%d %H:%M} UTC.")
    say_taken_over(take_over_where_running(settings.home))
    output.say("Next: send every partner the new card (`gateway card`); `gateway keys list` shows who has taken it.")


@click.command()
@of_use
@click.option("--now", "at_once", is_flag=True, help="Retire it although it may still be needed.")
@planned_reason
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
    decision = decision_of(ctx, settings, reason, dry_run=dry_run)
    require_all_rights(settings)
    from gateway.administration.site import keys as site_keys

    use = site_keys.Use(kind)
    if not dry_run and (left := site_keys.sweep(settings, log_of(settings), use, decision)):
        output.say(f"An earlier command was broken off; what it left is deleted: {', '.join(left)}.")
        return
    old = site_keys.spare_key(settings, use, at_once=at_once)
    if dry_run:
        output.say(f"Would delete the old {use} key {old}. What is sealed to it could not be opened any more.")
        return
    retired = site_keys.retire(settings, log_of(settings), use, decision, old)
    say_taken_over(retired.taken)
    output.say(f"The old {use} key {old} is deleted.")


@click.command()
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
    decision = decision_of(ctx, settings, reason, dry_run=dry_run)
    require_all_rights(settings)
    from gateway.administration.site import keys as site_keys

    use = site_keys.Use(kind)
    which = site_keys.key_to_revoke(settings, use, old=old)
    if dry_run:
        output.say(f"Would revoke the {which}{'' if old else ', and make a new one'}.")
        return
    revoked = site_keys.revoke(settings, log_of(settings), use, decision, key_days=key_days, old=old)
    if revoked.changed is not None:
        output.say(f"The new {use} key: {revoked.changed.fingerprint}")
    output.say(f"The {use} key {revoked.fingerprint} is revoked.")
    say_taken_over(site_keys.finish_revocation(settings, use))
    output.say("Next: call every partner, send the new card (`gateway card`), and let them confirm its fingerprint.")
