"""`gateway init`: a complete site in one command."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

import click

from gateway.cli.output import in_fours, say
from gateway.domain.calendar import day_of
from gateway.errors import NotPermitted, UsageWrong

_CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9-]{1,15}")
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,120}")
_ADDRESS: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>\d{1,5}))?")


@click.command()
@click.argument("home", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--site", "code", required=True, metavar="CODE", help="DWP, or the authority's code.")
@click.option("--name", metavar="TEXT", help="The organisation's name, as partners see it.  [default: as listed]")
@click.option(
    "--sftp",
    metavar="HOST:PORT",
    help="Where the managed SFTP server listens.  [default: 127.0.0.1, at the first free port from 2222]",
)
@click.option(
    "--key-days",
    type=click.IntRange(1, 3650),
    default=730,
    show_default=True,
    metavar="N",
    help="How long the OpenPGP key is valid; its expiry can be extended.",
)
@click.option("--split", is_flag=True, help="An account for each role (as root; the accounts must be there).")
@click.option(
    "--ledger", metavar="URL", help="Keep the ledger in this PostgreSQL database.  [default: a file below HOME]"
)
@click.option("--unlisted", is_flag=True, help="Take a code that is not in the table of authorities.")
def init(
    home: Path | None,
    code: str,
    name: str | None,
    sftp: str | None,
    key_days: int,
    ledger: str | None,
    *,
    split: bool,
    unlisted: bool,
) -> None:
    """Make a complete site in the directory HOME: configuration, spool, keys and ledger.

    HOME is that of this machine, /var/lib/gateway/site, if none is named; it must be new or empty. If anything fails, nothing is left of it. The code is that of an authority in the table
    (`gateway authorities`), either its ONS code or its four digits.

    \b
    Example:
      gateway init /srv/gateway --site E09000030 --name "Tower Hamlets" --sftp 0.0.0.0:2222
    """
    if not _CODE.fullmatch(code):
        raise UsageWrong("A site's code is 2 to 16 capital letters, digits and `-`, not starting with `-`.")
    if split and os.geteuid() != 0:
        raise NotPermitted("Only root can give directories to the accounts of the roles.")
    if name is not None and not _NAME.fullmatch(name):
        raise UsageWrong("A site's name is 1 to 120 characters on one line.")
    from gateway.administration.site import authorities, creation  # noqa: PLC0415  # slow to import
    from gateway.settings.authorities import listed  # noqa: PLC0415  # slow to import
    from gateway.settings.home import MACHINES_OWN  # noqa: PLC0415  # slow to import
    from gateway.settings.ledger import LedgerSettings  # noqa: PLC0415  # slow to import

    known = listed()
    authorities.require_listed(known, code, unlisted=unlisted)
    if (warning := authorities.successor_warning(known, code, day_of(time.time()))) is not None:
        say(f"warning: {warning}")
    row = known.find(code)
    host, port = address(sftp)
    spec = creation.SiteSpec(
        code=code,
        name=name or (code if row is None else row.name),
        host=host,
        port=port or creation.free_port(host),
        key_days=key_days,
        split=split,
        ledger=LedgerSettings.of(ledger).url if ledger else "",
    )
    made = creation.create_site(home or MACHINES_OWN, spec)
    say(f"The site {code} is in {made.home.root}.")
    say(f"Its OpenPGP key: {in_fours(made.fingerprint)}, valid for {key_days} days.")
    say(f"Its SFTP server will listen on {host} port {spec.port} (config/gateway.toml, [sftp_server]).")
    say("Next: send partners its card (`gateway card`), add theirs (`gateway partner add`), then `gateway run`.")


def address(text: str | None) -> tuple[str, int | None]:
    """Host and port of --sftp; no port, or 0, means that a free one is to be found."""
    if text is None:
        return "127.0.0.1", None
    match = _ADDRESS.fullmatch(text)
    port = int(match["port"] or 0) if match else 0
    if match is None or port > 65535:
        raise UsageWrong("--sftp takes HOST:PORT, such as 0.0.0.0:2222 or [::1]:2222.")
    return match["six"] or match["host"], port or None
