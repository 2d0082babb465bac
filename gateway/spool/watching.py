"""Hints that something in a directory has changed, from inotify through watchdog: quick, and never the truth.

Raises nothing once it is made. inotify loses events when its queue overflows, and cannot watch more directories than
`fs.inotify.max_user_watches`: so whoever uses it looks for itself at regular intervals, and a hint only says "look now".
Where no watch can be set up, `on_fallback` is told why, and the regular look is all there is: for everything, or for the one
directory that `on_fallback` names. One that cannot be read is watched as soon as its mode allows it, and a root that was removed
is watched anew where another one is in its place.

Of watchdog, the thread that reads the kernel's events is used, and its observers are not: they pass each event through three
threads, which cost more than all else that is done with it, and hold a rename back for half a second to pair its two ends.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, Self

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)


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

_MASK: Final = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ONLYDIR
)
_NONE: Final = WatchDescriptor(-1)
_PAUSE: Final = 0.002
"""Seconds. Where hundreds of files come at once, each event by itself would cost a turn of the thread that does the work."""
_ONE_EACH: Final = CallbackId(0)
"""A directory has one callback; that of a directory which got another name takes the place of the one before."""


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
        self._mask = Mask(_MASK | InotifyConstants.IN_MODIFY) if every_write else _MASK
        self._on_hint = on_hint
        self._on_fallback = on_fallback
        self._events: InotifyFD | None = None

    @property
    def live(self) -> bool:
        """Whether hints can be expected at all."""
        return self._events is not None and self._events.is_alive()

    def __enter__(self) -> Self:
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        try:
            self._events = _Events()
            self._events.start()
            for root in self._roots:
                self._watch_tree(root, self._events)
        except OSError as error:
            # ENOSPC and EMFILE are inotify's limits, ENOENT a root that is not there: in each case looking still works.
            self._stop()
            self._on_fallback(_reason(error))
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        events, self._events = self._events, None
        if events is not None:
            events.stop()
            events.join()

    def _watch_tree(self, root: Path, events: InotifyFD) -> None:
        self._watch(root, events)
        for below in _directories(root):
            self._watch(below, events)

    def _watch(self, directory: Path, events: InotifyFD, more: int = 0) -> None:
        """Watch one directory, for the events of `more` as well. A root may be a link; below it none is followed, and what is
        gone is nobody's loss. One that cannot be watched alone is told, and hinders no other.
        """
        is_root = directory in self._roots
        more |= InotifyConstants.IN_MOVE_SELF if is_root else InotifyConstants.IN_DONT_FOLLOW
        on_overflow = partial(self._watch_again, directory, events) if is_root else _do_nothing
        on_gone = partial(self._root_is_gone, directory, events) if is_root else _do_nothing
        watched = _Directory(directory, self._on_hint, partial(self._watch_new, events), on_overflow, on_gone)
        try:
            descriptor = events.add_callback(os.fsencode(directory), Mask(self._mask | more), watched, _ONE_EACH)
        except (FileNotFoundError, NotADirectoryError):
            if is_root:
                raise
            return
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            self._on_fallback(f"no file-system events of a directory whose path is too long: {directory.name!r}")
            return
        if descriptor == _NONE:  # what watchdog makes of EACCES
            events.remove_callbacks([(descriptor, _ONE_EACH)])
            self._on_fallback(f"no file-system events of {directory.name!r}: {os.strerror(errno.EACCES)}")
            if not is_root and not more & InotifyConstants.IN_ATTRIB:
                # Its directory says when its mode changes, or that of the directory itself. Nobody else pays for such events.
                self._watch(directory.parent, events, InotifyConstants.IN_ATTRIB)

    def _root_is_gone(self, root: Path, events: InotifyFD) -> None:
        """Watch the one that is in its place. Told in any case: who put it there may not have done it yet."""
        if not events.should_keep_running():
            return
        self._on_fallback(f"no file-system events of {root.name!r}: it was removed, or is another one now")
        try:
            self._watch_tree(root, events)
        except OSError as error:
            self._on_fallback(_reason(error))
        self._on_hint(root, Hint.CHANGED)

    def _watch_again(self, root: Path, events: InotifyFD) -> None:
        """The kernel dropped events: watch what may have come meanwhile, and have somebody look."""
        try:
            self._watch_tree(root, events)
        except OSError as error:
            self._on_fallback(_reason(error))
        self._on_hint(root, Hint.CHANGED)

    def _watch_new(self, events: InotifyFD, directory: Path) -> None:
        """Watch a directory that came, and tell of what came into it before it was watched."""
        waiting = [directory]
        try:
            while waiting:
                directory = waiting.pop()
                self._watch(directory, events)
                for path, is_directory in _entries(directory):
                    self._on_hint(path, Hint.CHANGED)
                    if is_directory:
                        waiting.append(path)
        except OSError as error:
            if events.should_keep_running():
                self._on_fallback(_reason(error))


class _Events(InotifyFD):
    """Reads on a little later than it could: the first event is told at once, and those that follow come in one piece."""

    def run(self) -> None:
        while self.should_keep_running():
            for event in self.read_events():
                self.handle_event(event)
            self.stopped_event.wait(_PAUSE)


class _Directory:
    """What is done with the events of one directory."""

    def __init__(
        self,
        path: Path,
        on_hint: OnHint,
        on_directory: Callable[[Path], None],
        on_overflow: Callable[[], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._path = path
        self._on_hint = on_hint
        self._on_directory = on_directory
        self._on_overflow = on_overflow
        self._on_gone = on_gone

    def on_event(self, event: InotifyEvent) -> None:
        mask = event.mask
        if mask & InotifyConstants.IN_MODIFY:
            hint = Hint.WRITING
        elif mask & InotifyConstants.IN_MOVED_TO and not mask & InotifyConstants.IN_ISDIR:
            hint = Hint.MOVED
        elif mask & _MASK:
            hint = Hint.CHANGED
        elif mask & InotifyConstants.IN_ATTRIB and mask & InotifyConstants.IN_ISDIR:
            self._on_directory(self._path / os.fsdecode(event.name))
            return
        else:
            if mask & InotifyConstants.IN_MOVE_SELF:
                self._on_gone()
            return
        path = self._path / os.fsdecode(event.name)
        self._on_hint(path, hint)
        if mask & InotifyConstants.IN_ISDIR:
            self._on_directory(path)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        del wd
        self._on_gone()

    def on_queue_overflow(self) -> None:
        self._on_overflow()


def _do_nothing() -> None:
    pass


def _directories(root: Path) -> Iterator[Path]:
    """Every directory below `root`; no link is followed."""
    for above, names, _ in os.walk(root):
        yield from (Path(above, name) for name in names)


def _entries(directory: Path) -> list[tuple[Path, bool]]:
    """What is in a directory, and whether it is a directory itself. Nothing where it cannot be read, which `_watch` has told."""
    try:
        with os.scandir(directory) as entries:
            return [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP}:
            return []
        raise


def _reason(error: OSError) -> str:
    return f"no file-system events: {error.strerror or error}"
