"""Make a complete site, or nothing: everything is built under another name and renamed into place.

Raises UsageWrong where HOME is taken or cannot be one, DiskFull and DiskFailed for the disk, and what the key store and
the ledger raise. Safe to interrupt: what is half made lies under a name of its own and is removed, at the latest by the
next attempt in the same place.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.administration.site.key_rotation import user_id
from gateway.administration.site.settings import share_out
from gateway.assembly.stores import create_ledger, key_store
from gateway.errors import DiskFailed, DiskFull, NotPermitted, UsageWrong
from gateway.settings.directories import make, site_directories
from gateway.settings.home import Home
from gateway.settings.model import Accounts
from gateway.settings.resources import resource
from gateway.settings.write import render_gateway_toml, write_text
from gateway.storage.durable import sync_directory
from gateway.transport.keys import make_key_pair

FIRST_PORT: Final = 2222
_PREFIX: Final = ".init-"
_UNSERVABLE: Final = re.compile(r"[\x00-\x20\x7f\"'\\%]")
_ACCOUNT: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")


@dataclass(frozen=True)
class SiteSpec:
    """What is decided about a site before it is made. `ledger` is the URL of a PostgreSQL database, "" SQLite's file."""

    code: str
    name: str
    host: str
    port: int
    key_days: int
    split: bool = False
    ledger: str = ""


@dataclass(frozen=True)
class CreatedSite:
    """What was made: where, and the primary fingerprint of its key."""

    home: Home
    fingerprint: str


def create_site(target: Path, spec: SiteSpec) -> CreatedSite:
    """Make the site at `target`, which must not exist or be empty, and give it to the accounts of the roles."""
    target = target.absolute()
    _require_own(target, spec)
    with moved_into_place(target) as made:
        fingerprint = _build(Home(made), spec)
    share_out(Home(target))
    return CreatedSite(Home(target), fingerprint)


@contextmanager
def moved_into_place(target: Path, *, dry_run: bool = False) -> Iterator[Path]:
    """A private directory to make a site in, which becomes `target` at the end of the block; `target` must not exist or be empty.

    Nothing is left of it after an error, or of a dry run.
    """
    target = target.absolute()
    if unservable := _UNSERVABLE.search(str(target)):
        raise UsageWrong(f"HOME must be a path without {unservable[0]!r}: OpenSSH cannot serve one.")
    with _disk_errors(target):
        inside = _is_empty_directory(target)
        with _private_directory(target, inside=inside) as made:
            yield made
            if not dry_run:
                _move_in(made, target, inside=inside)


def free_port(host: str, first: int = FIRST_PORT) -> int:
    """The first port from `first` on that nobody listens on at the address."""
    for port in range(first, first + 1000):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            raise UsageWrong(f"{host} is not an address of this machine.") from error
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise UsageWrong(f"{host} is not an address of this machine.") from error
                continue
            return port
    raise UsageWrong(f"No port from {first} on is free: name one with --sftp.")


def _require_own(target: Path, spec: SiteSpec) -> None:
    """Root would leave a site that the account which waits for one cannot use: the Debian package gives HOME to `gateway`."""
    owner = target.stat().st_uid if target.is_dir() else os.geteuid()
    if os.geteuid() == 0 and owner != 0 and not spec.split:
        raise UsageWrong(
            f"{target} belongs to another account: `runuser -u $(stat -c %U {target}) -- gateway init ...` makes its site, and --split"
            " one with an account for each role."
        )


def _build(home: Home, spec: SiteSpec) -> str:
    """Everything of a site that is being made; the fingerprint of its key."""
    make(site_directories(home))
    shutil.copyfile(resource("spool") / "README.md", home.spool / "README.md")
    (home.spool / "README.md").chmod(0o644)
    make_key_pair(home.client_key, f"gateway {spec.code}")
    make_key_pair(home.host_key, f"gateway {spec.code} host")
    fingerprint = key_store(home.keyrings).create_own(user_id(spec.code), spec.key_days).fingerprint
    write_text(
        home.gateway_toml,
        render_gateway_toml(
            code=spec.code,
            name=spec.name,
            fingerprint=fingerprint,
            host=spec.host,
            port=spec.port,
            user=Accounts().sshd if spec.split else own_account(),
            split=spec.split,
            ledger=spec.ledger,
        ),
    )
    create_ledger(spec.ledger or home.ledger)
    for path in home.state.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o600)
    return fingerprint


def own_account() -> str:
    """The account that this process runs as, by which partners log in to the managed server."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "gateway"
    return name if _ACCOUNT.fullmatch(name) else "gateway"


def _is_empty_directory(target: Path) -> bool:
    """Whether HOME is there and free to be filled; False where it is not there, UsageWrong where it is taken."""
    if not os.path.lexists(target):
        return False
    if not target.is_dir():
        raise UsageWrong(f"{target} is not a directory.")
    if (target / "config" / "gateway.toml").exists():
        raise UsageWrong(f"There is a site in {target} already; it stays as it is.")
    entries = sorted(path.name for path in target.iterdir())
    if any(not name.startswith(_PREFIX) for name in entries):
        raise UsageWrong(f"{target} is not empty (it holds {entries[0]!r}): choose a new directory.")
    for name in entries:
        shutil.rmtree(target / name)
    return True


@contextmanager
def _private_directory(target: Path, *, inside: bool) -> Iterator[Path]:
    """A private directory on the same file system as HOME; gone afterwards, unless it became HOME."""
    where = target if inside else target.parent
    where.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=where))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move_in(made: Path, target: Path, *, inside: bool) -> None:
    """Give what was made its name. In an existing HOME, the configuration comes last: it makes a directory a site."""
    if inside:
        for path in sorted(made.iterdir(), key=lambda path: path.name == "config"):
            path.rename(target / path.name)
        sync_directory(target)
    else:
        made.chmod(0o711)
        made.rename(target)
        sync_directory(target.parent)


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise NotPermitted(f"{target} cannot be made by this user: {error.strerror}.") from error
    except OSError as error:
        kind = DiskFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else DiskFailed
        raise kind(f"{target} cannot be made: {error.strerror}.") from error
