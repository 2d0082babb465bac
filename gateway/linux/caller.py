"""Who stands behind this process: the account that it runs as, and the log-in that led there through sudo, su or runuser.

The account is the kernel's word, and nobody can give another. The log-in is taken from what the caller cannot write, in this
order: the login uid that PAM sets and every child inherits; the owners of the processes above this one; and `SUDO_UID`, of
root's processes alone, where neither is known. docs/adr/0050-who-decided.md says what each is worth. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_ROOT: Final = 0
_UNSET: Final = 2**32 - 1
"""What the kernel says where no log-in was noted: (uid_t) -1."""
_CHANGES_ACCOUNT: Final = frozenset({"su", "runuser", "sudo", "sudo-rs", "doas", "pkexec"})
_PARENT, _STARTED = 1, 19
"""Fields of /proc/PID/stat behind the name, from 0: see proc_pid_stat(5)."""


class KnownBy(StrEnum):
    """What a log-in is known by."""

    LOGIN_UID = "login-uid"
    PROCESSES = "processes"
    SUDO = "sudo"


@dataclass(frozen=True)
class Caller:
    """User ids: of the account that acts, and of the log-in behind it; `known_by` is None where they are the same, or where
    nothing is known of a log-in.
    """

    account: int
    login: int
    known_by: KnownBy | None = None


def caller(account: int, process: int, environment: Mapping[str, str], proc: Path = Path("/proc")) -> Caller:
    """Who stands behind `process`, which is this one, with the real user id `account`."""
    login, known_by = _login_uid(proc), KnownBy.LOGIN_UID
    if login is None:
        login, known_by = _outermost([*_upwards(proc, process)]), KnownBy.PROCESSES
    if login is None and account == _ROOT:
        login, known_by = _number(environment.get("SUDO_UID", "")), KnownBy.SUDO
    return Caller(account, account) if login in (None, account) else Caller(account, login, known_by)


def _login_uid(proc: Path) -> int | None:
    try:
        login = _number((proc / "self" / "loginuid").read_text(encoding="ascii").strip())
    except OSError:  # a kernel without audit
        return None
    return None if login == _UNSET else login


def _outermost(processes: list[tuple[int, str]]) -> int | None:
    """The owner of the outermost process that is not root's; root, where a program of its own changed the account above it.

    Other processes of root say nothing: sshd, cron and init stand above everybody.
    """
    own = [at for at, (owner, _) in enumerate(processes) if owner != _ROOT]
    if not own:
        return None
    above = processes[own[-1] + 1 :]
    return _ROOT if above and above[0][1] in _CHANGES_ACCOUNT else processes[own[-1]][0]


def _upwards(proc: Path, process: int) -> Iterator[tuple[int, str]]:
    """Real user id and name of a process, its parent, and so on."""
    born = None
    while process > 0:
        try:
            name, _, rest = (proc / str(process) / "stat").read_text(errors="replace").rpartition(") ")
            status = (proc / str(process) / "status").read_text(errors="replace")
        except OSError:  # it has ended, or /proc hides it
            return
        fields = rest.split()
        started = int(fields[_STARTED])
        if born is not None and started > born:
            return  # younger than its child: another process has the number by now
        yield int(status.partition("\nUid:")[2].split()[0]), name.partition("(")[2]
        process, born = int(fields[_PARENT]), started


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_UNSET)) else None
