"""`gateway nodes store`, `share`, `package` and `join`: how another machine becomes a node of a site."""

# ruff: noqa: PLC0415 - a command imports what it needs: most of it is slow
from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

import click

from gateway.cli import output
from gateway.cli.init import address
from gateway.cli.site import decision_of, home_of, log_of, reason_or, settings_of
from gateway.errors import UsageWrong

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ENTROPY: Final = 30
_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@click.argument("place", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_context
def share(ctx: click.Context, place: Path) -> None:
    """Move what people and back offices use of this site into DIR, which every node mounts under that path.

    DIR takes spool/inbound, outcomes, returned and receipts; links to it are left where they were. The gateway must not run.

    \b
    Example:
      gateway --home /srv/gateway nodes share /srv/shared/gateway
    """
    from gateway.administration.nodes import sharing

    settings = settings_of(ctx)
    where = sharing.share(settings, place, os.urandom(8).hex())
    output.say(f"inbound, outcomes, returned and receipts of {settings.site.code} are in {where}.")


@click.command()
@output.as_json
@click.pass_context
def store(ctx: click.Context, *, as_json: bool) -> None:
    """Prepare the store of [payloads] url: make the keys that it is sealed with, and put there what this machine has.

    Once, at the first node, before it gets its name; again is the same. The gateway must not run. The keys are state/payload.key and
    state/payload-sealed.key: without them nothing in the store can be read, so they belong into the backup. `nodes package` has them.

    \b
    Example:
      gateway --home /srv/gateway nodes store
    """
    from gateway.administration.nodes import storing
    from gateway.administration.site.settings import require_all_rights

    settings = settings_of(ctx)
    require_all_rights(settings)
    done = storing.prepare(settings)
    if as_json:
        output.show_json(done)
        return
    if done.keys_made:
        output.say("Made state/payload.key and state/payload-sealed.key: keep a copy where the backup's keys are.")
    output.say(f"{done.url} is the store of {done.site}; it has {output.counted(done.kept, 'file')} of this machine.")


@click.command()
@click.option(
    "--to", "out", required=True, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="A new file."
)
@click.option(
    "--for", "certificate", metavar="CERT", type=_file, help="Encrypt to this OpenPGP certificate, not to a passphrase."
)
@reason_or("another node")
@output.as_json
@click.pass_context
def package(ctx: click.Context, out: Path, certificate: Path | None, reason: str, *, as_json: bool) -> None:
    """Write what another machine needs to become a node: configuration, partners and keys, encrypted.

    It prints the passphrase that opens the file, and nothing keeps it: bring the two to the other machine by different ways. Whoever has both can
    act as this site. The file holds nothing that was exchanged. Remove it once the node is made.

    \b
    Example:
      gateway --home /srv/gateway nodes package --to /root/node.pgp
    """
    from gateway.administration.nodes import packaging
    from gateway.administration.requests import actors
    from gateway.administration.site.settings import require_all_rights

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason)
    require_all_rights(settings)
    armoured = None if certificate is None else _text_of(certificate)
    made = packaging.package(settings, out, time.time(), os.urandom(_ENTROPY), armoured)
    actors.done(settings, log_of(settings), "node.packaged", decision)
    if as_json:
        output.show_json(made)
        return
    output.say(f"{made.file}: {output.counted(made.files, 'file')}, {made.bytes / 1024:.0f} KiB, SHA-256 {made.sha256}")
    if made.passphrase is None:
        output.say(f"`gpg -d {made.file} > node.tar` where the key is; the other machine takes node.tar.")
    else:
        output.say("Its passphrase, which nothing keeps:")
        click.echo(made.passphrase)
    output.say("On the other machine: `gateway --home HOME nodes join FILE --node NAME`.")


@click.command()
@click.argument("package_file", metavar="FILE", type=_file)
@click.option("--node", "name", required=True, metavar="NAME", help="This node's name, such as north-2.")
@click.option(
    "--sftp", metavar="HOST:PORT", help="Where this node's SFTP server listens.  [default: as at the other node]"
)
@click.option("--public-host", metavar="HOST", help="Where partners reach it, if not there.")
@click.option(
    "--passphrase-file", type=_file, metavar="FILE", help="Read the passphrase from there; else it is asked for."
)
@click.option("--dry-run", is_flag=True, help="Check everything, and make no node.")
@output.as_json
@click.pass_context
def join(
    ctx: click.Context,
    package_file: Path,
    name: str,
    sftp: str | None,
    public_host: str | None,
    passphrase_file: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make this machine a node of the site of a package, in the new or empty directory HOME.

    Only the node's name and its server's address differ from the node that made the package. Before it is made the ledger has to answer, no living node may
    have that name, and the shared directories have to be those of the site. It starts to work with `gateway run`.

    \b
    Example:
      gateway --home /srv/gateway nodes join /root/node.pgp --node north-2 --sftp 0.0.0.0:2222
    """
    from gateway.administration.nodes import joining

    if not _NAME.fullmatch(name):
        raise UsageWrong('A node\'s name is small letters, digits and "-", such as north-2.')
    host, port = address(sftp) if sftp is not None else (None, None)
    if sftp is not None and port is None:  # `init` finds a free one; partners are told where a node listens
        raise UsageWrong("--sftp takes HOST:PORT, both of them, such as 0.0.0.0:2222 or [::1]:2222.")
    home = home_of(ctx)
    tar = joining.decrypted(package_file, _passphrase(package_file, passphrase_file))
    made = joining.join(tar, home.root, joining.Wanted(name, host, port, public_host), dry_run=dry_run)
    if as_json:
        output.show_json(made)
        return
    others = ", ".join(f"{node} ({state})" for node, state in made.nodes.items()) or "none that has run"
    output.say(
        f"{made.home} {'could be' if dry_run else 'is'} the node {made.node} of {made.site}, with {output.counted(made.partners, 'partner')}."
    )
    output.say(f"Nodes that the ledger knows: {others}. Shared directories: {made.place}.")
    if not dry_run:
        output.say(
            f"Next: `gateway --home {made.home} doctor`, then `gateway --home {made.home} run`; remove the package."
        )


def _passphrase(package_file: Path, given: Path | None) -> str | None:
    from gateway.administration.nodes.joining import is_tar

    with package_file.open("rb") as file:
        if is_tar(file.read(512)):
            return None
    if given is not None:
        return _text_of(given).strip()
    said: str = click.prompt("Passphrase", hide_input=True, err=True)
    return said.strip()


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageWrong(f"{path} cannot be read as text.") from error
