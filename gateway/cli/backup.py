"""`gateway backup` and `gateway restore`: a copy of the whole site, and a site from a copy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output
from gateway.cli.site import home_of, settings_of
from gateway.errors import ChainBroken

if TYPE_CHECKING:
    from gateway.administration.backup.restoring import Restored
    from gateway.administration.backup.taking import TakenCopy

_SHOWN: Final = 20


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Afterwards remove all but the newest N copies.")
@output.as_json
@click.pass_context
def backup(ctx: click.Context, directory: Path, keep: int | None, *, as_json: bool) -> None:
    """Take a copy of the site into a new directory below DIR, and verify it. The gateway may be at work meanwhile.

    It has the ledger of one moment and every file that it speaks of, what lies in the spool, the configuration, and the secret
    keys, encrypted to `[backup] recovery_key`. A file that the copy before has too is linked and takes no room. DIR is outside the
    site, best on another disk. Whoever can read it can read what lies in custody and in the spool: close it. Exit status 70 where
    the audit of the copy finds faults of the site; the copy is there, and has them. Where the site keeps its files in a store that several nodes
    reach, they are not in it, nor is what the nodes share: the store's own means copy these.

    \b
    Example:
      gateway --home /srv/gateway backup /var/backups/gateway --keep 14
    """
    from gateway.administration.backup import taking  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    with output.progress("copying") as watch:
        taken = taking.take(settings, directory, time.time, watch, keep=keep)
    if as_json:
        output.show_json(taken)
    else:
        click.echo(taken.path)
        output.say(
            f"{output.counted(taken.files, 'file')}, {taken.bytes / 2**20:.1f} MiB, {taken.linked} of them as in the copy before;"
            f" verified. It shows the site as of event {taken.head}."
        )
        if taken.stored:
            output.say(
                "What is in the site's store, and in directories that its nodes share, is NOT in it: copy these by their own means, after this. docs/operators/nodes.md"
            )
        if not taken.keys:
            output.say("The secret keys are NOT in it: set [backup] recovery_key, or keep them in another way.")
        for name in taken.removed:
            output.say(f"Removed: {name}")
        _tell(taken)
    if taken.faults:
        ctx.exit(ChainBroken.exit_status)


@click.command()
@click.argument("copy", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--keys",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="The keys of the copy, decrypted: `gpg -d DIR/keys.tar.pgp > FILE`.",
)
@click.option("--with-faults", is_flag=True, help="Put it back although an audit of it finds faults.")
@click.option("--dry-run", is_flag=True, help="Put it back on trial, and make no site.")
@output.as_json
@click.pass_context
def restore(
    ctx: click.Context, copy: Path, keys: Path | None, *, with_faults: bool, dry_run: bool, as_json: bool
) -> None:
    """Put a site back into an empty HOME, from the copy DIR or the newest copy in DIR.

    The copy is verified first. The site does nothing then: nobody here knows what happened after the copy was taken. What goes on
    from there says `gateway recover --help`. Files that lay in spool/inbound are in spool/restored, since the back office may have
    fetched them.

    \b
    Example:
      gateway --home /srv/gateway restore /var/backups/gateway --keys /root/keys.tar
    """
    from gateway.administration.backup import restoring  # noqa: PLC0415  # slow to import

    home = home_of(ctx)
    with output.progress("restoring") as watch:
        done = restoring.restore(
            restoring.find(copy.absolute()),
            home.root,
            keys,
            time.time(),
            watch,
            with_faults=with_faults,
            dry_run=dry_run,
        )
    if as_json:
        output.show_json(done)
        return
    verb = "can be put back" if dry_run else f"is in {home.root}"
    click.echo(f"{done.site}, as of {done.taken} (event {done.head} of its chain), {verb}.")
    _tell(done)
    for path in done.put_aside:
        output.say(f"Has the back office fetched it? {path}")
    if done.stored:
        output.say(
            "What its rows speak of is in the site's store, and was not in the copy: docs/operators/nodes.md says how it goes on."
        )
    if done.alone:
        output.say(
            "Its ledger is a file here, and it works alone: [ledger] url and [node] name of its gateway.toml are empty now."
        )
    if not done.keys:
        output.say("Its secret keys were not in the copy: put state/keyrings/own, state/ssh and state/triage there.")
    if not dry_run:
        output.say("It does nothing before it is known what happened since: `gateway recover --help`.")


def _tell(copy: TakenCopy | Restored) -> None:
    faults = copy.faults
    for fault in faults[:_SHOWN]:
        output.say(f"{fault.check} {fault.subject}: {fault.message}")
    if len(faults) > _SHOWN:
        output.say(f"... and {len(faults) - _SHOWN} more: --json lists all")
