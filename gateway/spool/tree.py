"""A tree FLOW/PARTNER in the spool, held open: what people and programs of others put there is found, and never followed.

The tree is hostile ground: every step down is taken relative to the directory opened before it, without following links.
`scan` raises DiskFailed where the tree itself cannot be read, and nothing for what somebody can put there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from gateway.errors import FileUnsafe, FlowNotPermitted, GatewayError
from gateway.spool.drops import Refusal
from gateway.spool.stability import Key
from gateway.storage.directory_walk import is_plain, names, opened
from gateway.storage.durable import disk_error

STRAY_SETTLE_SECONDS: Final = 5.0
"""For what lies where no flow's rule says."""
_EXPLANATION: Final = "README"
_Found = TypeVar("_Found")


class SpoolTree:
    """The tree below `path`, to be used by one thread. Names that are `passed_over`, at every level, are nobody's.

    `is_quiet` says of a file's key and status whether it is finished.
    """

    def __init__(
        self, path: Path, passed_over: Callable[[str], bool], is_quiet: Callable[[Key, os.stat_result], bool]
    ) -> None:
        self._name = path.name
        self._passed_over = passed_over
        self._is_quiet = is_quiet
        try:
            self.root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, f"opening spool/{self._name}") from error

    def close(self) -> None:
        if self.root >= 0:
            os.close(self.root)
            self.root = -1

    def scan(
        self, look_through: Callable[[int, str, str], Iterator[_Found]], stopped: AbstractSet[str] = frozenset()
    ) -> Iterator[_Found | Refusal]:
        """What `look_through` finds in each directory (open, flow, partner) but those of `stopped` partners; strays. Lazy."""
        try:
            for flow in names(self.root):
                if self._passed_over(flow):
                    continue
                with opened(self.root, flow) as directory:
                    if directory is None:
                        yield from self._stray(self.root, ("", "", flow))
                        continue
                    for partner in names(directory):
                        if partner not in stopped and not self._passed_over(partner):
                            yield from self._scan_partner(directory, flow, partner, look_through)
        except OSError as error:
            raise disk_error(error, f"looking through spool/{self._name}") from error

    def _scan_partner(
        self, parent: int, flow: str, partner: str, look_through: Callable[[int, str, str], Iterator[_Found]]
    ) -> Iterator[_Found | Refusal]:
        try:
            with opened(parent, partner) as directory:
                if directory is None:
                    yield from self._stray(parent, (flow, "", partner))
                else:
                    yield from look_through(directory, flow, partner)
        except OSError as error:
            yield Refusal(flow, "", partner, disk_error(error, "looking through a partner's directory"))

    def _stray(self, directory: int, key: Key) -> Iterator[Refusal]:
        """What lies where only directories belong."""
        name = key[2]
        if name.startswith(_EXPLANATION):
            return
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if self._is_quiet(key, status):
                error: GatewayError = FileUnsafe()
                if is_plain(status):
                    error = FlowNotPermitted("It does not lie in a directory FLOW/PARTNER.")
                yield Refusal(*key, error)
