"""The directories of a site and of its partners, with their modes, and making them.

`make` raises OSError as the system does. It may be called again at any time and leaves existing directories as they are, since a
sysadmin may have given one to other accounts. Modes are set whatever the umask: the gateway's own state is closed to others,
the group of operators shares the spool, and partners' accounts can pass through the landing without listing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gateway.settings.home import Home

PRIVATE: Final = 0o700
CONFIG: Final = 0o750
SHARED: Final = 0o2770
"""Operators and the back office work here by their group, which new files inherit."""
PASSAGE: Final = 0o711
"""A partner's account may pass through. OpenSSH locks accounts only into directories that no group may write to."""

Directory = tuple[Path, int]


def site_directories(home: Home) -> tuple[Directory, ...]:
    """Every directory of a site without partners, parents first."""
    shared = (home.spool, home.outbound, home.returned, home.receipts, home.inbound, home.outcomes)
    private = (
        home.state,
        home.ledger.parent,
        home.keyrings,
        home.ssh,
        home.mail,
        home.sshd,
        home.notify,
        home.console,
        home.uploads,
        home.shown,
        home.proofs,
        home.triage,
        home.payloads,
        home.logins,
        home.vault,
        home.custody,
        home.opened,
        home.infected,
        home.submitted,
        home.sealed_out.parent,
        home.sealed_out,
        home.sealed_in,
        home.evidence,
        home.exceptions,
        home.quarantine,
        home.run,
    )
    return (
        (home.root, PASSAGE),
        (home.config, CONFIG),
        (home.partners_d, CONFIG),
        *((path, SHARED) for path in shared),
        (home.landing, PASSAGE),
        *((path, PRIVATE) for path in private),
    )


def lacking(home: Home) -> list[Directory]:
    """The directories right in state/ that a site of an earlier version does not have."""
    return [each for each in site_directories(home) if each[0].parent == home.state and not each[0].exists()]


def partner_directories(home: Home, code: str, outgoing: Iterable[str], incoming: Iterable[str]) -> Iterator[Directory]:
    """The directories of one partner, for the flows that may go to it and come from it, parents first."""
    for flows, trees in (
        (tuple(outgoing), (home.outbound, home.returned, home.receipts)),
        (tuple(incoming), (home.inbound, home.outcomes, home.returned)),
    ):
        for tree in trees:
            for flow in flows:
                yield tree / flow, SHARED
                yield tree / flow / code, SHARED
    yield home.landing / code, 0o755
    yield home.landing_in(code), PRIVATE
    yield home.landing_out(code), PRIVATE


def make(directories: Iterable[Directory]) -> None:
    """Make those that are missing, with their modes."""
    for path, mode in directories:
        if not path.is_dir():
            path.mkdir()
            path.chmod(mode)


def make_below(path: Path, mode: int) -> None:
    """Make a directory, and those above it that are missing, all with that mode."""
    make((each, mode) for each in reversed([path, *path.parents]) if not each.is_dir())
