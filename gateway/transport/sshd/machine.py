"""What this machine has for the managed SFTP server: accounts, the landing's directories, PAM, the chroot, the kernel.

Raises ServerFailed for whatever keeps the server from starting, OSError from `make_landing`.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.errors import GatewayError, ServerFailed
from gateway.linux.seccomp import can_ignore_attributes
from gateway.transport.keys import read_public_key
from gateway.transport.sshd.spec import AccountFault, Chroot, ServerSpec, check_spec


def check_server(spec: ServerSpec) -> None:
    """Raise ServerFailed for whatever this server could not be started with by this process."""
    as_root = os.geteuid() == 0
    check_spec(spec, as_root=as_root)
    _check_account(spec.account)
    for fault in machine_faults(spec):
        raise ServerFailed(f"partner {fault.partner}, {fault.setting}: {fault.message}")
    if spec.landing.is_dir():
        is_chrooted(spec, as_root=as_root)


def machine_faults(spec: ServerSpec) -> Iterator[AccountFault]:
    """What is not on this machine as a partner's account needs it: its directories; where it has one, its own account."""
    for account in spec.accounts:
        top = spec.landing / account.partner
        for path in (top, top / "in", top / "out"):
            if os.path.lexists(path) and not path.is_dir():
                message = f"{path.relative_to(spec.landing.parent)} is no directory: move it away"
                yield AccountFault(account.partner, "code", message)
    for account in spec.separate if os.geteuid() == 0 else ():
        try:
            pwd.getpwnam(account.os_account or "")
        except KeyError:
            message = f"there is no account {account.os_account} on this machine"
            yield AccountFault(account.partner, "os_account", message)
        if spec.landing.is_dir() and (fault := chroot_fault(spec.landing)) is not None:
            message = f"the partner cannot be shut into its directory in the landing: {fault}"
            yield AccountFault(account.partner, "os_account", message)


def chroot_fault(path: Path) -> str | None:
    """Which component of `path` sshd would not chroot to, and why; None when all are root's and closed to others."""
    resolved = path.resolve()
    for component in [*reversed(resolved.parents), resolved]:
        status = component.stat()
        if status.st_uid != 0:
            return f"{component} belongs to another user than root"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{component} can be written by others than root"
    return None


def locked_accounts(shadow: str, names: set[str]) -> set[str]:
    """Those of `names` whose password starts with `!` in a shadow file: without PAM, sshd lets them in by no key."""
    entries = (line.split(":", 2) for line in shadow.splitlines())
    return {entry[0] for entry in entries if len(entry) > 1 and entry[0] in names and entry[1].startswith("!")}


def needs_pam(spec: ServerSpec) -> bool:
    """Sshd refuses accounts locked with `!` (Ubuntu's root is one) unless PAM judges them; only root reads shadow."""
    if os.geteuid() != 0:
        return False
    try:
        shadow = Path("/etc/shadow").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(locked_accounts(shadow, {spec.account, *(account.os_account or "" for account in spec.separate)}))


def may_set_attributes(spec: ServerSpec) -> bool:
    """Whether partners may ask for times and modes, because the kernel ignores them."""
    return can_ignore_attributes() and not needs_pam(spec)  # PAM's session modules may have modes to set


def host_kinds(spec: ServerSpec) -> set[str]:
    """Of which kinds the host keys are; one that cannot be read is sshd's to complain about."""
    kinds = set()
    for path in (spec.host_key, spec.old_host_key):
        with suppress(GatewayError):
            kinds |= set() if path is None else {read_public_key(path).type}
    return kinds


def is_chrooted(spec: ServerSpec, *, as_root: bool) -> bool:
    if spec.chroot is Chroot.OFF:
        return False
    fault = chroot_fault(spec.landing) if as_root else "the SFTP server does not run as root"
    if fault is not None and spec.chroot is Chroot.REQUIRED:
        raise ServerFailed(f"partners cannot be shut into the landing: {fault}")
    return fault is None


def _check_account(name: str) -> None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise ServerFailed(f"there is no account {name}") from error
    if entry.pw_uid != os.geteuid():
        raise ServerFailed(f"the SFTP server's account is {name}, but the gateway runs as another user")


def make_landing(spec: ServerSpec) -> None:
    """Make the partners' directories; those of a partner with an account of its own belong to that account."""
    spec.landing.mkdir(mode=0o700, parents=True, exist_ok=True)
    for account in spec.accounts:
        top = spec.landing / account.partner
        separate = account.os_account is not None
        top.mkdir(mode=0o755 if separate else 0o700, exist_ok=True)
        for name in ("in", "out"):
            (top / name).mkdir(mode=0o700, exist_ok=True)
        if account.os_account is None:
            continue
        try:
            owner = pwd.getpwnam(account.os_account)
        except KeyError as error:
            raise ServerFailed(f"partner {account.partner}: there is no account {account.os_account}") from error
        os.chown(top, 0, 0)
        top.chmod(0o755)
        for name in ("in", "out"):
            os.chown(top / name, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
        fault = chroot_fault(top)
        if fault is not None:
            raise ServerFailed(f"partner {account.partner} cannot be shut into its directory: {fault}")
