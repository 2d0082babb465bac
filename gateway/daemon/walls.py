"""The walls of a role: before it opens anything it limits itself, and gives up new privileges, core dumps and the network.

Guaranteed (RoleUnconfined is raised otherwise): no core dumps, no new privileges, no process of the same account that
reads its memory (root's can), private files, and limits on memory, open files and the size of a file. Only inspect keeps
the right to ask who has a file open (CAP_LEASE), which a systemd unit may give. Where the kernel has seccomp, inspect,
vault, metrics, load, index and console also lose every socket but Unix ones; inspect keeps the network where its virus scanner has a TCP address,
load where its database is no file, console where people sign in by an identity provider, and metrics and console answer at the one socket that each opened before, on loopback. notify and console keep themselves to the ports of the channels and the provider, by Landlock
(`administration.notify.role`, `console.role`).

Not limited here: processor time, since a daemon may run for years (readers and gpg have limits of their own), and the
number of processes, which the kernel counts by account and not by role (the systemd units limit it).
"""

from __future__ import annotations

import os
import pwd
import resource
import signal
from dataclasses import dataclass
from typing import Final

from gateway.daemon.roles import CONSOLE, INDEX, LOAD, METRICS
from gateway.errors import RoleUnconfined, WrongAccount
from gateway.linux.process import (
    keep_capabilities,
    limit_resource,
    refuse_inspection,
    refuse_new_privileges,
    signal_at_parents_end,
)
from gateway.linux.seccomp import refuse_network
from gateway.settings.model import Settings
from gateway.settings.values import GIB
from gateway.stages.itinerary import Role

_LEASE: Final = 1 << 28

_LISTENING: Final = (CONSOLE, METRICS)
_SILENT: Final = (Role.INSPECT, Role.VAULT, INDEX, *_LISTENING)
_FILES: Final = 8192
_FILE_BYTES: Final = 64 * GIB
"""Far above any consignment and a ledger of many years: it ends a runaway write before the disk is full."""


@dataclass(frozen=True)
class RoleLimits:
    """What one role may use. `memory` is bytes of address space: threads and libraries reserve much more than they use."""

    memory: int = 4 * GIB
    files: int = _FILES
    file_bytes: int = _FILE_BYTES


DEFAULT_LIMITS: Final = RoleLimits()


def require_account(settings: Settings, role: str) -> None:
    """Raise WrongAccount where each role has an account of its own and this process runs under another."""
    if not settings.accounts.split:
        return
    name = settings.accounts.of(role)
    try:
        wanted = pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise WrongAccount(f"there is no account {name}, which [accounts] gives to {role}") from error
    if wanted not in (os.getuid(), os.geteuid()) or os.getuid() != os.geteuid():
        raise WrongAccount(f"{role} runs as {name} and as nobody else, by [accounts] in gateway.toml")


def may_talk(settings: Settings, role: str) -> bool:
    """Whether the role may use the network: link, sshd and notify always, inspect for a virus scanner at an address, load for
    a database that is no file, console for an identity provider; whoever opens the ledger, where its database is on another
    machine; inspect, vault and link, where the store of the site's files is one of S3.
    """
    if role == LOAD:
        return settings.load.file(settings.home.root) is None
    if settings.ledger.is_remote:
        return True
    if settings.payloads.is_remote and role in set(Role):
        return True
    if role == CONSOLE:
        return settings.console.identity_provider is not None
    scans = any(flow.scan for flow in settings.flows.values())
    return role not in _SILENT or (role == Role.INSPECT and scans and settings.antivirus.host != "")


def confine(settings: Settings, role: str, limits: RoleLimits = DEFAULT_LIMITS) -> tuple[str, ...]:
    """Confine this process and its children, for good; returns what is in force, as text for the log."""
    os.umask(settings.umask)
    try:
        limit_resource(resource.RLIMIT_CORE, 0)
        limit_resource(resource.RLIMIT_AS, limits.memory)
        limit_resource(resource.RLIMIT_NOFILE, limits.files)
        limit_resource(resource.RLIMIT_FSIZE, limits.file_bytes)
        refuse_new_privileges()
        refuse_inspection()
        if os.geteuid() != 0:
            keep_capabilities(_LEASE if role == Role.INSPECT else 0)
        closed = not may_talk(settings, role) and refuse_network()
    except OSError as error:
        raise RoleUnconfined(f"{role} cannot be confined: {error.strerror}") from error
    if closed:
        network = "no network but the socket that it listens at" if role in _LISTENING else "no network"
    elif may_talk(settings, role):
        network = "network open"
    else:
        network = "network open: no seccomp here"
    return (network, "no new privileges", "no core dumps", f"memory {limits.memory >> 20} MiB", f"{limits.files} files")


def die_with(supervisor: int) -> None:
    """Have SIGTERM sent to this process when its supervisor ends; at once where it has ended."""
    signal_at_parents_end(signal.SIGTERM)
    if os.getppid() != supervisor:
        os.kill(os.getpid(), signal.SIGTERM)
