"""Hints that something in a directory has changed, from inotify through watchdog: quick, and never the truth.

Raises nothing once it is made. inotify loses events when its queue overflows, and cannot watch more directories than
`fs.inotify.max_user_watches`: so whoever uses it looks for itself at regular intervals, and a hint only says "look now".
Where no watch can be set up at all, `on_fallback` is told why, and the regular look is all there is.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyFullEmitter, InotifyObserver
from watchdog.observers.inotify_c import InotifyConstants, Mask


class Hint(StrEnum):
    """What happened to a path."""

    MOVED = "moved"
    """A rename put a file there."""
    WRITING = "writing"
    """Somebody wrote to the file, and may not have closed it."""
    CHANGED = "changed"
    """A file was created, or closed by one who could write to it; or a directory came."""


OnHint = Callable[[Path, Hint], None]
"""Gets a path and what happened. Called in the watcher's thread: it must return at once and raise nothing."""

_EVENTS: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileClosedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]


class Watcher:
    """Watches directory trees while it is entered; directories that are made later are watched too.

    `every_write` asks for `Hint.WRITING` as well: each write costs an event, so it is for those who cannot ask the kernel
    who has a file open.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        on_hint: OnHint,
        on_fallback: Callable[[str], None],
        *,
        every_write: bool = False,
    ) -> None:
        self._roots = roots
        self._emitter = _EveryWriteEmitter if every_write else _Emitter
        self._events = _Events(on_hint)
        self._on_fallback = on_fallback
        self._observer: BaseObserver | None = None

    @property
    def live(self) -> bool:
        """Whether hints can be expected at all."""
        return self._observer is not None and self._observer.is_alive()

    def __enter__(self) -> Self:
        try:
            self._observer = self._start()
        except OSError as error:
            # ENOSPC and EMFILE are inotify's limits, ENOENT a root that is not there: in each case looking still works.
            self._on_fallback(f"no file-system events: {error.strerror or error}")
        return self

    def __exit__(self, *_: object) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            _stop(observer)

    def _start(self) -> BaseObserver:
        # A directory that is made while its parent is being walked is registered twice, which does no harm.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        observer = _Observer(self._emitter)
        try:
            observer.start()
            for root in self._roots:
                observer.schedule(self._events, str(root), recursive=True, event_filter=_EVENTS)
        except OSError:
            _stop(observer)
            raise
        return observer


class _Emitter(InotifyFullEmitter):
    """Asks the kernel for the ends of renames only, not for their beginnings.

    Given both, watchdog holds a rename back for half a second to pair them. Given the end alone, and as a *full*
    emitter, it reports at once, and does not take a rename for a file that somebody begins to write.
    """

    def get_event_mask_from_filter(self) -> Mask:
        return Mask(
            InotifyConstants.IN_CREATE
            | InotifyConstants.IN_MOVED_TO
            | InotifyConstants.IN_CLOSE_WRITE
            | InotifyConstants.IN_DELETE_SELF
        )


class _EveryWriteEmitter(_Emitter):
    def get_event_mask_from_filter(self) -> Mask:
        return Mask(super().get_event_mask_from_filter() | InotifyConstants.IN_MODIFY)


class _Observer(InotifyObserver):
    def __init__(self, emitter: type[InotifyFullEmitter]) -> None:
        super().__init__(generate_full_events=True)
        self._emitter_class = emitter


class _Events(FileSystemEventHandler):
    def __init__(self, on_hint: OnHint) -> None:
        self._on_hint = on_hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        hint, path = Hint.CHANGED, event.src_path
        if isinstance(event, FileMovedEvent):
            hint, path = Hint.MOVED, event.dest_path
        elif isinstance(event, DirMovedEvent):
            path = event.dest_path
        elif isinstance(event, FileModifiedEvent):
            hint = Hint.WRITING
        if path:
            self._on_hint(Path(os.fsdecode(path)), hint)


def _stop(observer: BaseObserver) -> None:
    observer.stop()
    if observer.ident is not None:
        observer.join()
