"""What the managed SFTP server is to serve, as one frozen description, and what is wrong with a description.

`check_spec` raises ServerFailed for one that cannot be served safely. Pure: nothing here touches the disk.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.errors import CardRefused, ServerFailed
from gateway.transport.keys import parse_public_key

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_ACCOUNT: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\$?")
_HOST: Final = re.compile(r"[0-9A-Za-z.:_-]+")
_PATH_REFUSED: Final = re.compile(r"[\x00-\x1f\x7f\"'\\]")


class Chroot(StrEnum):
    """Whether the shared account is shut into the landing: where it can be, always, never."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True)
class Account:
    """One partner's way in: its code, its SSH key (one line), whether it collects, its own operating-system account.

    `old_key` is its key before, which sshd lets in until that moment, in seconds since 1970.
    """

    partner: str
    public_key: str
    may_collect: bool = False
    os_account: str | None = None
    old_key: str | None = None
    old_until: float = 0.0


@dataclass(frozen=True)
class AccountFault:
    """Why a partner could not be let in: its code, the setting of its file, and what is wrong there."""

    partner: str
    setting: str
    message: str


@dataclass(frozen=True)
class ServerSpec:
    """The managed server: where it listens, its host key, its generated files, the landing, who may come in.

    `account` is the user that runs the gateway; partners without an account of their own log in as that user. With
    `shared`, the group of the landing's directories may read what they bring: another account collects it.
    `old_host_key` is the host key before, of another kind, for partners that do not know the new one yet.
    """

    host: str
    port: int
    host_key: Path
    directory: Path
    landing: Path
    account: str
    accounts: tuple[Account, ...] = ()
    chroot: Chroot = Chroot.AUTO
    old_host_key: Path | None = None
    shared: bool = False

    @property
    def config_file(self) -> Path:
        return self.directory / "sshd_config"

    @property
    def authorized_keys(self) -> Path:
        return self.directory / "authorized_keys"

    @property
    def pid_file(self) -> Path:
        return self.directory / "sshd.pid"

    def account_keys(self, account: Account) -> Path:
        """The authorized_keys of a partner with an account of its own."""
        return self.directory / f"authorized_keys.{account.partner}"

    @property
    def together(self) -> tuple[Account, ...]:
        """Partners that log in as the gateway's user."""
        return tuple(account for account in self.accounts if account.os_account is None)

    @property
    def separate(self) -> tuple[Account, ...]:
        return tuple(account for account in self.accounts if account.os_account is not None)


def check_spec(spec: ServerSpec, *, as_root: bool) -> None:
    """Raise ServerFailed for whatever this server must not be started with."""
    if not _HOST.fullmatch(spec.host):
        raise ServerFailed("the SFTP server's address is not a host name or an IP address")
    for path in (spec.host_key, spec.directory, spec.landing):
        if _PATH_REFUSED.search(str(path)) or not path.is_absolute():
            raise ServerFailed(f"the SFTP server cannot work with the path {str(path)!r}")
    if spec.together and " " in str(spec.landing):
        # internal-sftp takes its arguments apart at every blank, and knows no quotes.
        raise ServerFailed(f"the landing's path must hold no blank: {str(spec.landing)!r}; move the site")
    for fault in account_faults(spec, as_root=as_root):
        raise ServerFailed(f"partner {fault.partner}, {fault.setting}: {fault.message}")


def account_faults(spec: ServerSpec, *, as_root: bool) -> Iterator[AccountFault]:
    """Every reason for which a partner could not be let in as its account says; where two are alike, of both."""
    accounts = Counter(account.os_account for account in spec.separate)
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for account in spec.accounts:
        name = account.partner
        yield from _faults_of(account, as_root=as_root)
        if account.os_account is not None and account.os_account == spec.account:
            yield AccountFault(name, "os_account", "is the gateway's own account, which no partner can use")
        elif account.os_account is not None and accounts[account.os_account] > 1:
            yield AccountFault(name, "os_account", "is another partner's too: each needs one of its own")
        for setting, line in key_lines(account):
            try:
                owners[parse_public_key(line).base64].add(name)
            except CardRefused as error:
                yield AccountFault(name, setting, f"cannot be used: {error.reason}")
    for account in spec.accounts:
        for setting, line in key_lines(account):
            with suppress(CardRefused):
                others = sorted(owners[parse_public_key(line).base64] - {account.partner})
                if others:
                    yield AccountFault(
                        account.partner, setting, f"is the same SSH key as that of {' and '.join(others)}"
                    )


def _faults_of(account: Account, *, as_root: bool) -> Iterator[AccountFault]:
    name = account.partner
    if not _CODE.fullmatch(name):
        yield AccountFault(name, "code", "must hold letters, digits, - and _ only")
    if account.os_account is None:
        if account.may_collect:
            yield AccountFault(
                name,
                "link",
                '"collect" without an [endpoint] takes an account of its own on this machine: name it as os_account, and run '
                'the gateway as root; or use "none"',
            )
        return
    if not _ACCOUNT.fullmatch(account.os_account):
        yield AccountFault(name, "os_account", "is no account name")
    if not as_root:
        yield AccountFault(
            name, "os_account", "needs the SFTP server to run as root: take it out, or run the gateway as root"
        )


def key_lines(account: Account) -> Iterator[tuple[str, str]]:
    """The lines of the partner's key, and of the one before where there is one, each with its setting's name."""
    yield "ssh_key", account.public_key
    if account.old_key is not None:
        yield "old_ssh_key", account.old_key
