"""Trials of a site's engines, for `gateway doctor` and `gateway partner test`: each works as the roles use it, or raises.

Raises what the contracts name. Each engine is imported when it is tried: most commands need one of them, or none.
"""

# ruff: noqa: PLC0415 - see above
from __future__ import annotations

import os
import pwd
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gateway
from gateway.errors import UsageWrong
from gateway.settings.home import Home
from gateway.settings.model import Partner, Settings

if TYPE_CHECKING:
    from gateway.transport.sftp.check import LinkReport


def try_link(settings: Settings, partner: Partner) -> LinkReport:
    """What a trial of the link to the partner's server shows; the Defer or Hold that says why there is none.

    The trial leaves nothing there.
    """
    from gateway.assembly import transport
    from gateway.transport.sftp.check import check_link
    from gateway.transport.sftp.client import SftpTransport

    there = transport(settings, partner)
    if not isinstance(there, SftpTransport):
        raise UsageWrong(f"Partner {partner.code} has no server that could be tested: its link is {partner.link}.")
    return check_link(there, secrets.token_hex(8), collects=partner.link == "collect")


def build_validators(settings: Settings) -> None:
    """Compile every schema and read every layout; ConfigurationInvalid for one that cannot be used."""
    from gateway.assembly import plans
    from gateway.validation.factory import build

    for plan in plans(settings).values():
        build(plan)


def check_ledger(home: Home) -> None:
    """Open and read the ledger; the Halt or Defer that says why it cannot be."""
    from gateway.ledger.head_file import HeadFile
    from gateway.ledger.store import Ledger

    ledger = Ledger(home.ledger, clock=time.time, role="doctor", witness=HeadFile(home.ledger_head))
    try:
        ledger.check()
        ledger.check_pages()
    finally:
        ledger.close()


def holds_keys(settings: Settings) -> bool:
    """Whether this account is the one that works with the OpenPGP keys; root's gpg would leave files that are root's."""
    if not settings.accounts.split:
        return True
    try:
        return pwd.getpwnam(settings.accounts.vault).pw_uid == os.geteuid()
    except KeyError:
        return False


def has_landlock() -> bool:
    """Whether this kernel can confine writes."""
    return _kernel_can("from gateway.linux.landlock import confine_writes; attempt = lambda: confine_writes([])")


def has_seccomp() -> bool:
    """Whether this kernel can take the network away from a process."""
    return _kernel_can("from gateway.linux.seccomp import refuse_network as attempt")


def _kernel_can(attempt: str) -> bool:
    """Try what cannot be undone, in a process of its own; `attempt` is a line of Python that names it so."""
    environment = {**os.environ, "PYTHONPATH": str(Path(gateway.__file__).parents[1])}
    tried = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; {attempt}; sys.exit(not attempt())"],
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return tried.returncode == 0


def chroot_fault(home: Home) -> str | None:
    """Why partners cannot be shut into the landing, or None."""
    from gateway.transport.sshd.machine import chroot_fault as fault_of

    return fault_of(home.landing)
