"""What the kernel says of a process: its account, what it gave up, its limits. Source: proc(5), capabilities(7).

Reads /proc alone. A process that has ended, or that this account may not look at, gives None; nothing is raised. Which Landlock
rules a process is under the kernel tells nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_SECCOMP_FILTER: Final = 2
_CORE: Final = re.compile(r"^Max core file size +(\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class ProcessStatus:
    """One process. `capabilities` are those in effect, one bit each; `core_limit` is bytes, None for no limit;
    `own_network` is whether its network is another than ours, None where that may not be asked. `own_users` is whether it is in a user
    namespace of its own: its capabilities count in there alone (user_namespaces(7)).
    """

    uid: int
    umask: int
    no_new_privileges: bool
    seccomp_filter: bool
    capabilities: int
    core_limit: int | None
    own_network: bool | None
    own_users: bool


def status_of(pid: int) -> ProcessStatus | None:
    """What a process is now."""
    there = _PROC / str(pid)
    try:
        lines = (there / "status").read_text("ascii", errors="replace").splitlines()
        core = _CORE.search((there / "limits").read_text("ascii", errors="replace"))
        users = (there / "uid_map").read_text("ascii")
    except OSError:
        return None
    told = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if core is None or not {"Uid", "Umask", "NoNewPrivs", "Seccomp", "CapEff"} <= told.keys():
        return None  # a kernel thread, or a process that is just ending
    return ProcessStatus(
        uid=int(told["Uid"].split()[1]),
        umask=int(told["Umask"], 8),
        no_new_privileges=told["NoNewPrivs"] == "1",
        seccomp_filter=int(told["Seccomp"]) == _SECCOMP_FILTER,
        capabilities=int(told["CapEff"], 16),
        core_limit=int(core[1]) if core[1].isdigit() else None,
        own_network=_own_network(there),
        own_users=users != (_PROC / "self" / "uid_map").read_text("ascii"),
    )


def children_of(pid: int) -> tuple[int, ...]:
    """The processes that a process started and that run; none where the kernel does not tell."""
    try:
        lists = [path.read_text("ascii") for path in (_PROC / str(pid) / "task").glob("*/children")]
    except OSError:
        return ()
    return tuple(sorted(int(word) for each in lists for word in each.split()))


def _own_network(there: Path) -> bool | None:
    try:
        return (there / "ns" / "net").readlink() != (_PROC / "self" / "ns" / "net").readlink()
    except OSError:
        return None
