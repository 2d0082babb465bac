"""Who used the processor, and whether in user space or in the kernel: each process below this one, by what it is.

Linux only; nothing is raised for processes that end meanwhile. The kernel gives each process its own time, and apart from
that the time of its children that have ended. A process that was looked at and has ended keeps what it had used by the last
look, and the parent that inherited its whole account gives that back. So the sum is that of all accounts; a mistake moves
at most what a process used between its last look and its end to its parent. What was too short to be looked at counts as
the parent's programs; so do programs of others (gpg, sshd) below a process of the gateway. Source: proc(5),
/proc/PID/stat, fields 4, 14 to 17 and 22.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from gateway.bench.contract import ProcessorTime

PROGRAMS: Final = ", programs"
OTHERS: Final = "programs of the bench"

_Id = tuple[int, int]
"""A process and the clock tick of its start: numbers of processes come back."""


@dataclass(frozen=True)
class Account:
    """What the kernel says of a process: its times in seconds, and those of its children that have ended."""

    user: float
    system: float
    children_user: float = 0.0
    children_system: float = 0.0

    @classmethod
    def from_stat(cls, fields: list[str]) -> Self:
        """Of the fields of /proc/PID/stat from the third on."""
        ticks = os.sysconf("SC_CLK_TCK")
        return cls(*(int(field) / ticks for field in fields[11:15]))

    def __sub__(self, other: Account) -> Account:
        return Account(
            self.user - other.user,
            self.system - other.system,
            self.children_user - other.children_user,
            self.children_system - other.children_system,
        )


@dataclass(frozen=True)
class Seen:
    """One process at one look: who it is, what it is, whose child, and its account."""

    identity: _Id
    label: str
    parent: int
    account: Account


@dataclass
class _Kept:
    first: Account
    last: Seen
    look: int


class Accounts:
    """Fed with looks at all processes below this one; tells what each kind used from the first look to the last."""

    def __init__(self) -> None:
        self._kept: dict[_Id, _Kept] = {}
        self._own: list[Account] = []
        self._looks = 0

    def look(self, processes: Iterable[Seen], own_children: Account) -> None:
        """`own_children` has the time of this process's children that have ended."""
        self._looks += 1
        self._own.append(own_children)
        for seen in processes:
            # One that starts later has used nothing before.
            first = seen.account if self._looks == 1 else Account(0.0, 0.0)
            kept = self._kept.setdefault(seen.identity, _Kept(first, seen, 0))
            kept.last, kept.look = seen, self._looks

    def shares(self) -> Mapping[str, ProcessorTime]:
        """Seconds by label, from the first look to the last."""
        used: dict[str, list[float]] = {}
        numbers = {kept.last.identity[0]: kept for kept in self._kept.values()}

        def add(label: str, user: float, system: float) -> None:
            sums = used.setdefault(label, [0.0, 0.0])
            sums[0] += user
            sums[1] += system

        for kept in self._kept.values():
            spent = kept.last.account - kept.first
            add(kept.last.label, spent.user, spent.system)
            add(_programs(kept.last.label), spent.children_user, spent.children_system)
            if kept.look < self._looks:
                had = kept.last.account
                heir = self._heir(kept, numbers)
                add(heir, -had.user - had.children_user, -had.system - had.children_system)
        ended = self._own[-1] - self._own[0]
        add(OTHERS, ended.children_user, ended.children_system)
        return {label: ProcessorTime(*sums) for label, sums in sorted(used.items()) if any(sums)}

    def _heir(self, kept: _Kept, numbers: Mapping[int, _Kept]) -> str:
        """Where the account of an ended process lies: with the nearest ancestor that was looked at afterwards, or with us."""
        parent = numbers.get(kept.last.parent)
        while parent is not None and parent.look <= kept.look:
            parent = numbers.get(parent.last.parent)
        return OTHERS if parent is None else _programs(parent.last.label)


def _programs(label: str) -> str:
    return label if label.endswith(PROGRAMS) or not label.startswith("gateway ") else label + PROGRAMS
