"""Who may do what below HOME where each role has an account of its own: one table, compared with the disk or applied.

The directories are the walls: new files take a directory's group (set-group-ID), and the roles' umask opens them to it. The
directory above closes what is no role's business. Applying takes root. It opens every entry without following links and changes
the open file, so that no account can turn it against a file elsewhere.

Raises ConfigurationInvalid for an account or group that does not exist, DiskFailed for the disk.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationInvalid, DiskFailed
from gateway.settings.directories import lacking, make
from gateway.settings.model import Settings

_ROOT: Final = "root"


@dataclass(frozen=True)
class Right:
    """A directory's owner, group and mode, and the mode of files in it; those below it follow it, unless they have a
    right of their own. Without `files`, files are left as they are; without `deep`, so is everything below. With `makers`,
    what is below stays its maker's: its group and its mode count. With `copies`, roles bring files here that others made (`storage.shared_payloads`):
    a role's own file of the directory's group may be more open than `files` says, and never to others.
    """

    path: Path
    owner: str
    group: str
    mode: int
    files: int | None = None
    deep: bool = True
    makers: bool = False
    copies: bool = False


@dataclass(frozen=True)
class Difference:
    """One entry that is not as the table has it: `was` and `wanted` read `owner:group mode`."""

    path: Path
    was: str
    wanted: str


def table(settings: Settings) -> tuple[Right, ...]:
    """The rights of a site whose roles have accounts of their own. docs/operators/split.md shows the same to people."""
    home, us = settings.home, settings.accounts
    rights = [
        Right(home.root, _ROOT, _ROOT, 0o711, deep=False),
        Right(home.config, _ROOT, us.roles, 0o2750, 0o640),
        Right(home.spool, us.inspect, us.operators, 0o2770),
        # A back office makes the directories of its answers where they are not there, `gateway load` among them.
        Right(home.outcomes, us.inspect, us.operators, 0o2770, makers=True),
        Right(home.landing, _ROOT, _ROOT, 0o711, deep=False),
        Right(home.state, _ROOT, us.roles, 0o750, deep=False),
        Right(home.ledger.parent, _ROOT, us.ledger, 0o2770, 0o660),
        Right(home.ledger_head, _ROOT, us.ledger, 0o660),
        Right(home.node_seen, us.vault, us.roles, 0o640),
        Right(home.run, _ROOT, us.ledger, 0o2770, 0o660),
        Right(home.keyrings, us.vault, us.vault, 0o700, 0o600),
        Right(home.evidence, us.vault, us.vault, 0o700, 0o600),
        Right(home.exceptions, us.inspect, us.ledger, 0o2750, 0o640),
        Right(home.ssh, _ROOT, us.roles, 0o750),
        *_ssh_keys(home.client_key, us.link),
        *_ssh_keys(home.host_key, us.sshd),
        Right(home.sshd, us.sshd, us.sshd, 0o700, 0o600),
        Right(home.mail, us.link, us.link, 0o700, 0o600),
        Right(home.notify, us.notify, us.notify, 0o700, 0o600),
        Right(home.console, us.console, us.console, 0o700, 0o600),
        Right(home.uploads, us.console, us.console, 0o2770, 0o660),
        Right(home.shown, us.inspect, us.console, 0o2750, 0o640),
        Right(home.proofs, us.vault, us.console, 0o2750, 0o640),
        Right(home.triage, us.inspect, us.inspect, 0o700, 0o600),
        Right(home.payloads, _ROOT, us.ledger, 0o750, 0o640),
        *(Right(key, _ROOT, group, 0o640) for key, group in _payload_keys(settings) if key.exists()),
        Right(home.logins, us.sshd, us.landing, 0o2770, 0o640),
        Right(home.shut_out, us.link, us.landing, 0o640),
        Right(home.vault, _ROOT, us.plain, 0o750, deep=False),
        # Where nodes are, vault brings a file here that inspect took at another one.
        Right(home.custody, us.inspect, us.plain, 0o2770 if settings.payloads.url else 0o2750, 0o640),
        Right(home.submitted, us.inspect, us.plain, 0o2750, 0o640),
        Right(home.opened, us.vault, us.plain, 0o2770, 0o660),
        Right(home.infected, us.inspect, us.inspect, 0o700, 0o400),
        Right(home.sealed_out.parent, _ROOT, us.sealed, 0o750, deep=False),
        Right(home.sealed_out, us.vault, us.sealed, 0o2770, 0o640),
        Right(home.sealed_in, us.link, us.sealed, 0o2770, 0o660),
        Right(home.quarantine, _ROOT, us.sealed, 0o2770, 0o660),
    ]
    for code, partner in settings.partners.items():
        if partner.os_account is None:
            rights += [
                Right(home.landing / code, _ROOT, us.landing, 0o750, deep=False),
                Right(home.landing_in(code), us.sshd, us.landing, 0o2770, 0o640),
                Right(home.landing_out(code), us.link, us.landing, 0o2750, 0o640),
            ]
    if settings.payloads.url:
        stored = {home.custody, home.infected, home.evidence, home.sealed_out, home.sealed_in, home.quarantine}
        stored.add(home.exceptions)
        rights = [replace(right, copies=right.path in stored) for right in rights]
    return tuple(rights)


def _payload_keys(settings: Settings) -> tuple[tuple[Path, str], tuple[Path, str]]:
    """The keys of the store that nodes share: link reads the one of what is sealed already, and no other."""
    plain, sealed = settings.home.payload_keys
    return (plain, settings.accounts.plain), (sealed, settings.accounts.sealed)


def _ssh_keys(key: Path, owner: str) -> Iterator[Right]:
    """A key and those that lie beside it while it is being changed; public lines are anybody's who gets there."""
    for path in sorted(key.parent.glob(f"{key.name}*")):
        yield Right(path, _ROOT, _ROOT, 0o644) if path.suffix == ".pub" else Right(path, owner, owner, 0o600)


def differences(settings: Settings) -> Iterator[Difference]:
    """What is not as the table has it. Takes root, since nobody else may look everywhere."""
    yield from _walk(settings, fix=False)


def apply(settings: Settings) -> list[Difference]:
    """Make everything as the table has it; what was changed."""
    # No role may make anything in state/ itself: what all write to, and what a site of an earlier version lacks.
    for path in (settings.home.ledger_head, settings.home.node_seen):
        path.touch(mode=0o600)
    make_missing(settings)
    return list(_walk(settings, fix=True))


def make_missing(settings: Settings) -> None:
    """Make what a site of an earlier version lacks in state/, where no role may make a directory; each with its rights."""
    rights = {right.path: right for right in table(settings)}
    try:
        for path, mode in lacking(settings.home):
            make([(path, mode)])
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                list(_entry(descriptor, rights[path], rights[path].mode, path, fix=True))
            finally:
                os.close(descriptor)
    except OSError as error:
        raise DiskFailed(f"directories in {settings.home.state}: {error.strerror}") from error


def _walk(settings: Settings, *, fix: bool) -> Iterator[Difference]:
    rights = {right.path: right for right in table(settings)}
    root = rights[settings.home.root]
    try:
        descriptor = os.open(root.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from _entry(descriptor, root, root.mode, root.path, fix=fix)
            yield from _below(settings, descriptor, root, rights, root.path, fix=fix)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DiskFailed(f"rights below {settings.home.root}: {error.strerror}") from error


def _below(
    settings: Settings, directory: int, above: Right, rights: dict[Path, Right], where: Path, *, fix: bool
) -> Iterator[Difference]:
    for name in sorted(os.listdir(directory)):
        path = where / name
        right = rights.get(path) or (above if above.deep else None)
        if right is None:
            continue
        try:
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            continue  # a role at work has taken it
        try:
            about = os.fstat(descriptor)
            kind = about.st_mode
            if stat.S_ISDIR(kind):
                yield from _entry(descriptor, right, right.mode, path, fix=fix)
                yield from _into(settings, descriptor, right, rights, path, fix=fix)
            elif stat.S_ISLNK(kind):
                continue  # it leads to what nodes share, whose rights are set there once (docs/operators/nodes.md)
            elif right.path == path:
                yield from _entry(descriptor, right, right.mode, path, fix=fix)
            elif right.files is None or about.st_nlink > 1:
                continue  # a second name may be one that a role gave to another directory's file
            elif right.copies and _is_copy(settings, right, about):
                continue
            elif stat.S_ISREG(kind) or stat.S_ISFIFO(kind):
                yield from _entry(descriptor, right, right.files, path, fix=fix)
        finally:
            os.close(descriptor)


def _into(
    settings: Settings, directory: int, right: Right, rights: dict[Path, Right], where: Path, *, fix: bool
) -> Iterator[Difference]:
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield from _below(settings, descriptor, right, rights, where, fix=fix)
    finally:
        os.close(descriptor)


def _entry(descriptor: int, right: Right, mode: int, path: Path, *, fix: bool) -> Iterator[Difference]:
    about = os.fstat(descriptor)
    owner, group = _account(right.owner), _group(right.group)
    if _is_shared(right, about) or (right.makers and path != right.path):
        owner = about.st_uid
    found = stat.S_IMODE(about.st_mode)
    if (about.st_uid, about.st_gid, found) == (owner, group, mode):
        return
    yield Difference(path, _shown(about.st_uid, about.st_gid, found), _shown(owner, group, mode))
    if fix:
        opened = Path(f"/proc/self/fd/{descriptor}")  # the entry itself, whatever has its name by now
        os.chown(opened, owner, group)
        opened.chmod(mode)  # after chown, which clears the set-group-ID bit


def _is_shared(right: Right, about: os.stat_result) -> bool:
    """Files and pipes that stay their maker's: only their group and their directory count."""
    return (
        right.owner == _ROOT and right.files == 0o660 and (stat.S_ISREG(about.st_mode) or stat.S_ISFIFO(about.st_mode))
    )


def _is_copy(settings: Settings, right: Right, about: os.stat_result) -> bool:
    """Whether a role may have brought the file here: whoever the directory lets in reads it as the table has it."""
    us, mode, wanted = settings.accounts, stat.S_IMODE(about.st_mode), right.files or 0
    roles = {_account(name) for name in (us.inspect, us.vault, us.link)}
    fits = mode & wanted == wanted and not mode & ~0o660
    return stat.S_ISREG(about.st_mode) and about.st_uid in roles and about.st_gid == _group(right.group) and fits


def _account(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise ConfigurationInvalid(f"config/gateway.toml, [accounts]: there is no account {name}") from error


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigurationInvalid(f"config/gateway.toml, [accounts]: there is no group {name}") from error


def _shown(owner: int, group: int, mode: int) -> str:
    try:
        user = pwd.getpwuid(owner).pw_name
    except KeyError:
        user = str(owner)
    try:
        shared = grp.getgrgid(group).gr_name
    except KeyError:
        shared = str(group)
    return f"{user}:{shared} {mode:04o}"
