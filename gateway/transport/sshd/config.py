"""The managed SFTP server's two files, as text: sshd_config and authorized_keys out of a `spec.ServerSpec`.

Raises ServerFailed for a key that cannot be read. Pure: nothing here touches the disk.

What holds a partner in. Its key is bound, in authorized_keys, to `internal-sftp` with a list of permitted requests: a
partner that pushes may open, write, close, stat and rename, and can neither read, list, remove, link nor make a
directory. It may set times and modes, as many clients do without being told to, where the kernel answers in sshd's place
that this was done, and nothing is done (`seccomp`). Where the server runs as root and the path of the landing permits it,
the account is moreover chrooted to the landing; in any case sshd's writes are confined to the landing by Landlock, where
the kernel has it (`guard`).

What remains in the shared account: a partner that speaks the protocol by hand may write a new file into another partner's
directory, or truncate or rename one whose name it knows. Names are UUIDv7 with 74 random bits and cannot be listed; what
lies in another's directory is judged by that other's key, so it ends in quarantine and is never delivered. Without the
chroot it may ask whether a path exists and how long that file is. On a kernel without Landlock *and* without the chroot it
could overwrite the account's other files as well: sshd's log then says so at every start, and partners who are not
trusted that far need the chroot. An account of its own (`os_account`) leaves none of this, and is the only way in which
a partner may collect.

Also for whoever reads the landing: a partner may keep a file open and write to it after the rename. What is judged must
be a copy that the gateway made, never the landed file itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.errors import CardRefused, ServerFailed
from gateway.transport.keys import PublicKey, parse_public_key
from gateway.transport.sshd.spec import Account, ServerSpec, key_lines

PUSH_REQUESTS: Final = (
    "open",
    "write",
    "close",
    "fstat",
    "stat",
    "lstat",
    "rename",
    "realpath",
    "fsync",
    "limits",
    "statvfs",
)
"""What sending takes, by the names of `sftp-server -Q requests`."""

ATTRIBUTE_REQUESTS: Final = ("setstat", "fsetstat")
"""What clients ask for that keep a file's times and mode: only where `seccomp.ignore_attributes` is in force."""

COLLECT_REQUESTS: Final = (*PUSH_REQUESTS, "read", "opendir", "readdir", "remove")
"""What sending and collecting take."""

_KEX: Final = (
    "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,diffie-hellman-group16-sha512"
)
_CIPHERS: Final = (
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"
)
_MACS: Final = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
_KEYS: Final = ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")


def render_config(
    spec: ServerSpec, *, chrooted: bool, pam: bool, key_reader: str, host_kinds: Iterable[str] = ()
) -> str:
    """The text of sshd_config.

    `key_reader` is the absolute path of `cat`, by which root reads keys for other accounts; `host_kinds` are the kinds of
    the host keys.
    """
    users = " ".join([spec.account, *(account.os_account or "" for account in spec.separate)])
    lines = [
        "# Written by the gateway at every start and reload: changes here are lost.",
        f"ListenAddress {_bracketed(spec.host)}:{spec.port}",
        *(f"HostKey {_quoted(path)}" for path in (spec.host_key, spec.old_host_key) if path is not None),
        "PidFile none",
        f"AuthorizedKeysFile {_quoted(spec.authorized_keys)}",
        # The files lie in a directory of mode 0700 that the gateway made; StrictModes would refuse them for any parent
        # that others may write, /tmp with its sticky bit included, and where HOME lies is the sysadmin's choice.
        "StrictModes no",
        f"AllowUsers {users}",
        "AuthenticationMethods publickey",
        "PubkeyAuthentication yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "HostbasedAuthentication no",
        f"PermitRootLogin {'forced-commands-only' if spec.account == 'root' else 'no'}",
        f"UsePAM {'yes' if pam else 'no'}",
        "LogLevel VERBOSE",  # every logon, successful or not, with the key's fingerprint
        "DisableForwarding yes",
        "PermitTunnel no",
        "PermitTTY no",
        "PermitUserRC no",
        "PermitUserEnvironment no",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        "Compression no",
        "MaxAuthTries 3",
        "MaxSessions 16",
        "LoginGraceTime 30",
        "MaxStartups 100:30:500",
        "ClientAliveInterval 60",
        "ClientAliveCountMax 5",
        f"KexAlgorithms {_KEX}",
        f"Ciphers {_CIPHERS}",
        f"MACs {_MACS}",
        f"HostKeyAlgorithms {_signatures(host_kinds)}",
        f"PubkeyAcceptedAlgorithms {_signatures(_kinds(spec.accounts))}",
        # The subsystem must exist to be asked for; the command bound to the key takes its place.
        "Subsystem sftp /bin/false",
    ]
    if chrooted:
        lines += [f"Match User {spec.account}", f"    ChrootDirectory {_quoted(spec.landing)}"]
    for account in spec.separate:
        lines += [
            f"Match User {account.os_account}",
            f"    ChrootDirectory {_quoted(spec.landing / account.partner)}",
            "    AuthorizedKeysFile none",
            # sshd would read the file as that user, to whom the gateway's state is closed.
            f"    AuthorizedKeysCommand {key_reader} {_quoted(spec.account_keys(account))}",
            "    AuthorizedKeysCommandUser root",
        ]
    return "\n".join(lines) + "\n"


def render_authorized_keys(
    accounts: Sequence[Account], landing: Path | None, umask: str = "0077", *, attributes: bool = False
) -> str:
    """A line for each key of a partner, bound to its directory and its requests; the key before with its last moment.

    `landing` is the landing as the session sees it (`/` in the chroot), or None for a partner whose own chroot is its
    directory. With `attributes` partners may ask for times and modes.
    """
    lines = []
    for account in accounts:
        bound = _bound(account, landing, umask, attributes=attributes)
        current, *old = _keys(account)
        lines.append(f"{bound} {current.line} {account.partner}\n")
        end = datetime.fromtimestamp(account.old_until, UTC).strftime("%Y%m%d%H%M%SZ")
        lines += [f'{bound},expiry-time="{end}" {key.line} {account.partner}\n' for key in old]
    return "".join(lines)


def logins(spec: ServerSpec) -> frozenset[tuple[str, str]]:
    """Who may come in by which key: partners and their keys' fingerprints."""
    return frozenset((account.partner, key.fingerprint) for account in spec.accounts for key in _keys(account))


def _bound(account: Account, landing: Path | None, umask: str, *, attributes: bool) -> str:
    permitted = COLLECT_REQUESTS if account.may_collect else PUSH_REQUESTS
    requests = ",".join([*permitted, *ATTRIBUTE_REQUESTS] if attributes else permitted)
    start = "" if landing is None else f"-d {_escaped(landing / account.partner)} "
    return f'restrict,command="internal-sftp -u {umask} {start}-p {requests}"'


def _signatures(kinds: Iterable[str]) -> str:
    """Signature algorithms. ECDSA's, which are on NIST's curves, only for a key that somebody has pinned already."""
    return ",".join([*_KEYS, *sorted(kind for kind in set(kinds) if kind.startswith("ecdsa-"))])


def _kinds(accounts: Iterable[Account]) -> set[str]:
    return {key.type for account in accounts for key in _keys(account)}


def _keys(account: Account) -> list[PublicKey]:
    """The partner's key, and the one before where there is one."""
    try:
        return [parse_public_key(line) for _, line in key_lines(account)]
    except CardRefused as error:
        raise ServerFailed(f"partner {account.partner}: {error.reason}") from error


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _quoted(path: Path) -> str:
    return f'"{_escaped(path)}"'


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
