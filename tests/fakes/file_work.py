"""Whatever works with a site's files while a transaction of its ledger writes.

All other writers of the site wait meanwhile, those of other nodes as well: `watched` fails whoever does it, where it is done. Looked at are the
paths below a site's HOME and its store: opening, linking, renaming, removing, making and listing, as Python's audit events tell them,
and waiting for the disk. What the database does by itself is no such event.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import local
from typing import Any, Final

from gateway.ledger.store import Ledger, Transaction
from gateway.linux import file_calls
from gateway.storage.durable import DISK

_EVENTS: Final = frozenset(
    {
        "open",
        "os.chmod",
        "os.chown",
        "os.link",
        "os.listdir",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.scandir",
        "os.symlink",
        "os.truncate",
        "os.utime",
        "shutil.rmtree",
    }
)
_OF_TWO: Final = frozenset({"os.link", "os.rename", "os.symlink"})
_WAITS: Final = ("fsync", "fdatasync")


class FileWorkError(AssertionError):
    """Somebody works with files, and every other writer waits for that."""


@dataclass
class _Writing(local):
    """The roots of the sites in whose transactions this thread is."""

    roots: list[Path] = field(default_factory=list)


_WRITING: Final = _Writing()
_INSTALLED: Final[list[bool]] = []


@contextmanager
def watched(ledger: Ledger, root: Path) -> Iterator[None]:
    """In the block, nobody works with a file below `root` in a transaction of the ledger."""
    _install()
    write = ledger.write

    @contextmanager
    def watching() -> Iterator[Transaction]:
        with write() as transaction:
            _WRITING.roots.append(root)
            before = dict(transaction.beforehand)
            try:
                yield transaction
                assert transaction.beforehand == before, "what is done before the commit is done within the transaction"
            finally:
                _WRITING.roots.remove(root)

    ledger.write = watching  # type: ignore[method-assign]
    try:
        yield
    finally:
        ledger.write = write  # type: ignore[method-assign]


def _install() -> None:
    """For good: an audit hook cannot be removed. It costs a look at a list."""
    if _INSTALLED:
        return
    _INSTALLED.append(True)
    sys.addaudithook(_hear)
    for name in _WAITS:
        setattr(os, name, _heard(name, getattr(os, name)))
    for name in ("sync_file_system", "rename_new"):
        setattr(file_calls, name, _heard(name, getattr(file_calls, name)))
    for name in ("fsync", "sync_file_system", "rename_new"):
        # The record is frozen, and holds the functions themselves.
        object.__setattr__(DISK, name, _heard(name, getattr(DISK, name)))


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _WRITING.roots and event in _EVENTS:
        _refuse(event, arguments[0])
        if event in _OF_TWO:
            _refuse(event, arguments[1])


def _heard(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def operation(what: Any, *arguments: Any, **named: Any) -> Any:
        if _WRITING.roots:
            _refuse(name, what)
        return call(what, *arguments, **named)

    return operation


def _refuse(event: str, what: Any) -> None:
    path = Path() if what is None else _path(what)
    if any(path.is_relative_to(root) for root in _WRITING.roots):
        raise FileWorkError(f"{event} of {path} while a transaction writes")


def _path(what: Any) -> Path:
    """Of what is named, or open."""
    if isinstance(what, int):
        try:
            return Path(f"/proc/self/fd/{what}").readlink()
        except OSError:
            return Path()
    return Path(os.fsdecode(what)).absolute()
