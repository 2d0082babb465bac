"""The processes of a site and the walls around them, as the kernel has them. Changes nothing, raises nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.administration.connection.finding import Finding, Standing
from gateway.assembly.links import server_spec
from gateway.daemon.lock import holder
from gateway.daemon.roles import roles_of
from gateway.daemon.walls import may_talk
from gateway.errors import GatewayError
from gateway.linux.process_status import ProcessStatus, children_of, status_of
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role

_LEASE: Final = 1 << 28
"""CAP_LEASE, which inspect may have: it asks who has a file open."""
_ACCOUNT: Final = "Run it under an account of its own, each role under another if you can (docs/operators/split.md)."
_RESTART: Final = "Restart the gateway. If this stays, `gateway doctor` says what the kernel lacks."
_IDLE: Final = "the site is not running"


def examine_walls(settings: Settings) -> Iterator[Finding]:
    """Each role, the readers, the SFTP server, and what nobody can ask the kernel."""
    for name in roles_of(settings):
        pid = holder(settings.home.run, name)
        status = None if pid is None else status_of(pid)
        yield Finding(name, Standing.UNMEASURED, _IDLE) if status is None else judge_role(settings, name, status)
    yield _readers(holder(settings.home.run, Role.INSPECT))
    if settings.sftp_server.managed:
        yield _server(settings)
        says = "the kernel does not tell by which rules a running process is confined"
        yield Finding("Landlock of sshd", Standing.UNMEASURED, f"{says}; `gateway doctor` tries whether it can be")


def judge_role(settings: Settings, name: str, status: ProcessStatus) -> Finding:
    """A role's own walls: every one that is missing is named."""
    allowed = _LEASE if name == Role.INSPECT else 0
    missing = []
    if status.uid == 0:
        missing.append("it runs as root")
    elif status.capabilities & ~allowed:
        missing.append("it has capabilities that it does not need")
    if not status.no_new_privileges:
        missing.append("programs that it starts may gain rights")
    if not (status.seccomp_filter or may_talk(settings, name)):
        missing.append("it could open connections")
    if status.core_limit != 0:
        missing.append("it may dump its memory")
    if status.umask & settings.umask != settings.umask:
        missing.append("its files are open to others")
    says = _words(status)
    if not missing:
        return Finding(name, Standing.MET, says)
    remedy = _ACCOUNT if missing == ["it runs as root"] else _RESTART
    return Finding(name, Standing.SHORT, f"{', '.join(missing)} ({says})", remedy)


def _words(status: ProcessStatus) -> str:
    limit = "unlimited" if status.core_limit is None else f"{status.core_limit} bytes"
    parts = [
        f"user id {status.uid}",
        f"no new privileges: {_yes(status.no_new_privileges)}",
        f"seccomp filter: {_yes(status.seccomp_filter)}",
        f"capabilities: {_capabilities(status)}",
        f"umask {status.umask:04o}",
        f"core dumps: {'none' if status.core_limit == 0 else limit}",
    ]
    if status.own_network is not None:
        parts.append(f"network of its own: {_yes(status.own_network)}")
    return "; ".join(parts)


def _readers(inspect: int | None) -> Finding:
    """The children of inspect, which parse what others wrote."""
    name = "readers"
    if inspect is None:
        return Finding(name, Standing.UNMEASURED, _IDLE)
    found = [status for status in map(status_of, children_of(inspect)) if status is not None]
    if not found:
        return Finding(
            name, Standing.UNMEASURED, "none was running: they start with the first file, or the kernel does not tell"
        )
    if any(not each.no_new_privileges or each.core_limit != 0 or (each.uid and each.capabilities) for each in found):
        says = "; ".join(sorted({_words(each) for each in found}))
        return Finding(name, Standing.SHORT, f"not confined ({says})", _RESTART)
    return Finding(name, Standing.MET, f"{len(found)}: {'; '.join(sorted({_words(each) for each in found}))}")


def _server(settings: Settings) -> Finding:
    """The managed SFTP server, whose own walls are its configuration and Landlock."""
    name = "sshd"
    try:
        status = status_of(int(server_spec(settings).pid_file.read_text("ascii")))
    except FileNotFoundError:
        status = None
    except (GatewayError, OSError, ValueError):
        return Finding(name, Standing.UNMEASURED, "this account may not look which process it is")
    if status is None:
        return Finding(name, Standing.UNMEASURED, _IDLE)
    return Finding(name, Standing.STATED, _words(status))


def _capabilities(status: ProcessStatus) -> str:
    held = status.capabilities
    if held in {0, _LEASE}:
        return "none" if held == 0 else "CAP_LEASE"
    return f"{held.bit_count()}" + (", in a user namespace of its own alone" if status.own_users else "")


def _yes(value: bool) -> str:  # noqa: FBT001 - a word for a value
    return "yes" if value else "no"
