"""The checks of a site that look at files and at the machine: what is wrong, and what to do about it.

Raises OSError only for a directory that disappears while it is being looked at. No check changes anything.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.calendar import day_of
from gateway.errors import GatewayError, SharedAway
from gateway.preflight import check as faults_of
from gateway.settings.directories import PRIVATE, site_directories
from gateway.settings.home import Home
from gateway.settings.model import Settings, SiteKind, kind_of
from gateway.settings.rights import differences
from gateway.settings.secrets import secrets_of
from gateway.settings.shared_place import shared_faults
from gateway.spool.passed_over import forgotten
from gateway.validation.extract.compiled import library

_PROGRAMS: Final = (
    ("gpg", "--version", "gnupg"),
    ("gpg-agent", "--version", "gnupg"),
    ("sshd", "-V", "openssh-server"),
)
_LONGEST_SOCKET: Final = 107
_EARLIEST_YEAR: Final = 2024


class CheckOutcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing looked at. `configuration` tells a fault that a person wrote (exit 78) from one of the machine (69)."""

    name: str
    outcome: CheckOutcome
    message: str
    remedy: str = ""
    configuration: bool = False

    @staticmethod
    def failed(name: str, error: GatewayError) -> Check:
        """What an error of the gateway's says of the thing looked at."""
        return Check(name, CheckOutcome.FAIL, error.reason, error.remedy, configuration=error.exit_status == 78)


def examine_machine(home: Home, settings: Settings | None, now: Callable[[], float] = time.time) -> Iterator[Check]:
    """The files and the machine. Without settings, only what can be told without them."""
    yield from _configuration(home)
    yield from _programs(settings)
    yield _compiled_rows()
    if settings is None or not settings.accounts.split:
        yield from _permissions(home)
        yield from _spool(home, settings)
    elif os.geteuid() == 0:  # no role alone may look everywhere
        yield _rights(settings)
        yield from _spool(home, settings)
    yield from _sockets(home)
    yield from _clock(home, now)
    if settings is None:
        return
    yield from _authorities(settings, now)
    yield from _disk(settings)
    yield from _passed_over(settings, now())


def _authorities(settings: Settings, now: Callable[[], float]) -> Iterator[Check]:
    """Codes that the table does not know, that ended, or that name one authority twice. None of it stops a site."""
    known, today = settings.authorities, day_of(now())
    codes = [code for code in (settings.site.code, *settings.partners) if kind_of(code) is SiteKind.LA]
    found = len(codes)
    for number, code in enumerate(codes):
        row, successor = known.find(code), known.successor(code, today)
        twice = [other for other in codes[:number] if known.aliases(code, other)]
        if row is None:
            message = f"{code} is in no table of authorities"
            remedy = "Correct the code, or add a row to config/authorities.tsv (docs/authorities.md)."
        elif successor is not None:
            message = f"{code} ({row.name}) ended on {row.until}; {successor.ons} ({successor.name}) stands for it now"
            remedy = "Introduce the successor's site, if it has one of its own, and send there."
        elif twice:
            message = f"{code} and {twice[0]} are one authority, {row.name}"
            remedy = "Keep the one that its card names, and move the other's file out of config/partners.d."
        else:
            continue
        found -= 1
        yield Check("authorities", CheckOutcome.WARN, message, remedy)
    if found == len(codes):
        yield Check("authorities", CheckOutcome.OK, f"{found} of the table, each once")


def _configuration(home: Home) -> Iterator[Check]:
    faults = faults_of(home, secrets_of(home, os.environ))
    for fault in faults:
        yield Check("configuration", CheckOutcome.FAIL, str(fault), "Correct it, then `gateway config check`.", True)
    if not faults:
        yield Check("configuration", CheckOutcome.OK, "no faults")


def _programs(settings: Settings | None) -> Iterator[Check]:
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    for program, option, package in _PROGRAMS:
        if program == "sshd" and settings is not None and not settings.sftp_server.managed:
            continue
        path = shutil.which(program, path=search)
        if path is None:
            yield Check(f"program {program}", CheckOutcome.FAIL, "not installed", f"`apt-get install {package}`")
            continue
        yield Check(f"program {program}", CheckOutcome.OK, _first_line(path, option) or path)


def _compiled_rows() -> Check:
    """Whether extracts are read by compiled code. It says nothing that Python would not: without it they take longer."""
    name = "compiled rows"
    if library() is None:
        message = (
            "not built, or not whole: Python alone reads extracts, several times as slowly, with the same findings"
        )
        return Check(name, CheckOutcome.WARN, message, "`apt-get install gcc libc6-dev`, then `make setup`.")
    return Check(name, CheckOutcome.OK, "extracts are read by compiled code")


def _first_line(program: str, option: str) -> str:
    """What a program says of its version; older releases of sshd say it among complaints about the option."""
    try:
        said = subprocess.run(
            [program, option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line for line in (said.stdout + said.stderr).splitlines() if line.strip()]
    version = next((line for line in lines if "OpenSSH" in line), lines[0] if lines else "")
    return version[:120]


def _permissions(home: Home) -> Iterator[Check]:
    """The directories of state/ and the secrets in them are ours, and open to nobody else."""
    private = [path for path, mode in site_directories(home) if mode == PRIVATE]
    ssh = (home.client_key, home.old_client_key, home.host_key, home.old_host_key)
    secrets = (*ssh, home.ledger, *home.keyrings.glob("own/private-keys-v1.d/*"))
    wrong = []
    ours = os.geteuid() or home.root.stat().st_uid  # root looks at a site that is another account's
    for path in (*private, *secrets):
        try:
            about = path.lstat()
        except OSError:
            continue  # that it is missing is said elsewhere
        if stat.S_IMODE(about.st_mode) & 0o077 or about.st_uid != ours:
            wrong.append(str(path.relative_to(home.root)))
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        remedy = f"As root: `chown -R` to the gateway's user and `chmod -R go= {home.state}`."
        yield Check(
            "permissions", CheckOutcome.FAIL, f"open to others, or not ours: {', '.join(wrong[:3])}{more}", remedy
        )
    else:
        yield Check("permissions", CheckOutcome.OK, "state/ is the gateway's own")


def _rights(settings: Settings) -> Check:
    """Where each role has an account of its own: owners, groups and modes are as the table has them."""
    try:
        found = [str(each.path.relative_to(settings.home.root)) for each in differences(settings)]
    except GatewayError as error:
        return Check.failed("permissions", error)
    if not found:
        return Check("permissions", CheckOutcome.OK, "each role has what is its own, and no more")
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    remedy = "As root: `gateway rights` shows them, `gateway rights --apply` sets them."
    return Check("permissions", CheckOutcome.FAIL, f"not as they should be: {', '.join(found[:3])}{more}", remedy)


def _spool(home: Home, settings: Settings | None) -> Iterator[Check]:
    shared = {} if settings is None else dict(shared_faults(settings))
    if shared:
        said = "; ".join(f"spool/{path.name} {why}" for path, why in shared.items())
        yield Check("shared directory", CheckOutcome.FAIL, said, SharedAway.remedy)
    closed = [
        path
        for tree in (home.outbound, home.returned, home.receipts, home.inbound, home.outcomes, home.landing)
        if tree not in shared
        for path in (tree, *tree.glob("*/"), *tree.glob("*/*/"))
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK)
    ]
    if closed:
        shown = ", ".join(str(path.relative_to(home.root)) for path in closed[:3])
        remedy = "Make them, or give the gateway's user the right to read and write them."
        yield Check("spool", CheckOutcome.FAIL, f"cannot be read and written: {shown}", remedy)
    else:
        yield Check("spool", CheckOutcome.OK, "all directories can be read and written")


def _passed_over(settings: Settings, now: float) -> Iterator[Check]:
    """What lies in the spool, was never finished, and might be a file that somebody waits for."""
    home, name = settings.home, "passed over"
    try:
        found = forgotten((home.outbound, home.outcomes), settings.spool.passed_over, now)
    except OSError:
        return  # that a directory cannot be read is said elsewhere
    if not found:
        yield Check(name, CheckOutcome.OK, "nothing unfinished lies in the spool for more than a day")
        return
    shown = ", ".join(f"{path.relative_to(home.root)} ({number})" for path, number in list(found.items())[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    remedy = "Look there: rename what is finished, remove the rest. [spool] passed_over and docs/operators/dropping-files.md."
    yield Check(name, CheckOutcome.WARN, f"for more than a day, by their names: {shown}{more}", remedy)


def _sockets(home: Home) -> Iterator[Check]:
    longest = len(os.fsencode(home.run / "inspect.wake"))
    if longest > _LONGEST_SOCKET:
        remedy = "Move the site to a directory with a shorter path."
        yield Check(
            "path of HOME", CheckOutcome.FAIL, f"{longest - _LONGEST_SOCKET} bytes too long for sockets", remedy
        )
    else:
        yield Check("path of HOME", CheckOutcome.OK, "short enough for sockets")


def _clock(home: Home, now: Callable[[], float]) -> Iterator[Check]:
    """The clock must be after anything that this program wrote; how exact it is, only a partner can tell."""
    remedy = "Set the clock, and keep it right with NTP (`timedatectl`)."
    moment = now()
    if time.gmtime(moment).tm_year < _EARLIEST_YEAR:
        yield Check("clock", CheckOutcome.FAIL, f"it says {time.gmtime(moment).tm_year}", remedy)
        return
    stamps = [path.stat().st_mtime for path in (home.gateway_toml, home.ledger) if path.exists()]
    ahead = max(stamps, default=moment) - moment
    if ahead > 300:
        yield Check("clock", CheckOutcome.FAIL, f"files of this site are {ahead / 60:.0f} minutes ahead of it", remedy)
    else:
        yield Check("clock", CheckOutcome.OK, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)))


def _disk(settings: Settings) -> Iterator[Check]:
    least = settings.limits.min_free_bytes
    for name, path in (
        ("state", settings.home.state),
        ("spool", settings.home.spool),
        ("landing", settings.home.landing),
    ):
        try:
            about = os.statvfs(path)
        except OSError as error:
            yield Check(f"disk of {name}", CheckOutcome.FAIL, f"{error.strerror}", "Make it, or restore it.")
            continue
        free = about.f_bavail * about.f_frsize
        message = f"{free // 1024**2} MiB and {about.f_favail} files free"
        remedy = (
            f"Free space: {least // 1024**2} MiB is the least ([limits] min_free_bytes), ten times that is comfortable."
        )
        if free < least or (about.f_files and about.f_favail < 1000):
            yield Check(f"disk of {name}", CheckOutcome.FAIL, message, remedy)
        elif free < 10 * least or (about.f_files and about.f_favail < 50_000):
            yield Check(f"disk of {name}", CheckOutcome.WARN, message, remedy)
        else:
            yield Check(f"disk of {name}", CheckOutcome.OK, message)
