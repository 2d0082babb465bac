"""Look further than `read.load`: the files, and the directories and SSH keys that they rely on. Gives faults, raises nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError, SecretExposed
from gateway.settings.faults import Fault
from gateway.settings.flow_settings import TriagedSettings
from gateway.settings.home import Home
from gateway.settings.index_templates import examine as examine_templates
from gateway.settings.model import Settings
from gateway.settings.read import examine
from gateway.settings.secrets import Secrets
from gateway.settings.shared_place import shared_faults
from gateway.settings.triage_key import read_triage_key

_PRIVATE: Final = 0o077


def check(home: Home, secrets: Secrets | None = None) -> tuple[Fault, ...]:
    """Every fault of the files, and of the directories and keys that they rely on: further than `load` looks."""
    settings, faults = examine(home)
    known = secrets or Secrets(home)
    split = settings is not None and settings.accounts.split
    # In a split installation each is another account's: `gateway rights` looks at them, and so does their role at its start.
    needed = [] if split else list(_needed(settings, known))
    if settings is not None:
        faults = (*faults, *examine_templates(settings)[1])
    return tuple(
        sorted([*faults, *_directories(home, settings, split=split), *_keys(known, needed), *_triage(known, needed)])
    )


def _needed(settings: Settings | None, secrets: Secrets) -> Iterator[Path]:
    """The SSH keys that have to be there, those that are being replaced among them, the passwords of a mailbox that is used, the key of
    triage, and the console's secret at an identity provider.
    """
    yield secrets.client_key
    if settings is None:
        return
    if settings.keys.old_client_key_until is not None:
        yield secrets.old_client_key
    if any(partner.link == "mail" for partner in settings.partners.values()):
        yield from (secrets.submission, secrets.imap)
    if (
        settings.console.identity_provider is not None and secrets.identity_provider.exists()
    ):  # else the console says so
        yield secrets.identity_provider
    if settings.sftp_server.managed:
        yield secrets.host_key
        if settings.keys.old_host_key_until is not None:
            yield secrets.old_host_key
    triaged = any(isinstance(flow, TriagedSettings) and flow.triages for flow in settings.flows.values())
    if triaged and secrets.triage.exists():  # one that is missing is made at the next start
        yield secrets.triage


def _directories(home: Home, settings: Settings | None, *, split: bool) -> Iterator[Fault]:
    """Directories that must be there for us to read and write; those of the gateway's own, for nobody else.

    Where each role has an account of its own, no account has them all: root looks whether they are there, and `gateway
    rights` whose they are.
    """
    if split and os.geteuid() != 0:
        return
    shared = {} if settings is None else dict(shared_faults(settings))
    for path in (
        home.partners_d,
        home.outbound,
        home.returned,
        home.receipts,
        home.inbound,
        home.outcomes,
        home.landing,
        home.state,
        home.keyrings,
        home.ssh,
        home.ledger.parent,
        home.vault,
    ):
        file = str(path.relative_to(home.root))
        if path in shared:  # which nobody mends by making a directory
            yield Fault(file, 0, "", shared[path])
        elif not path.is_dir():
            yield Fault(file, 0, "", "is missing, or is not a directory: make it, or restore it from the backup")
        elif split:
            continue
        elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            yield Fault(file, 0, "", "cannot be read and written by this user: correct its owner or mode")
        elif home.state in (path, *path.parents) and path.stat().st_mode & _PRIVATE:
            yield Fault(file, 0, "", f"is open to other users: `chmod 700 {file}`")


def _keys(secrets: Secrets, paths: list[Path]) -> Iterator[Fault]:
    """SSH keys that must be there, for nobody else to read."""
    root = secrets.home.root

    def named(path: Path) -> str:
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    for path in paths:
        try:
            path.stat()
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            yield Fault(named(path), 0, "", f"cannot be found: {reason}; restore state/ssh from the backup")
    for path, how in secrets.exposed(paths):
        yield Fault(named(path), 0, "", f"can be read by other users, {how}: `chmod 600 {named(path)}`")


def _triage(secrets: Secrets, paths: list[Path]) -> Iterator[Fault]:
    """A key of triage that the gateway would not start with."""
    if secrets.triage not in paths:
        return
    try:
        read_triage_key(secrets)
    except SecretExposed:
        return  # said above
    except GatewayError as error:
        yield Fault(str(secrets.home.triage.relative_to(secrets.home.root)), 0, "", error.reason)
