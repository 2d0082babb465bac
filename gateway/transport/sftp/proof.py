"""What lies at the partner under a name, and how long it is: by whatever its server is willing to say.

Raises what the channel raises but SftpStatus, which is an answer here. A file counts as missing only where the server answers
as it does for a name that nobody has. A length is never assumed: `stat`, `lstat` or `fstat` tells it, or reading at offsets, or
the directory; else it is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.transport.faults import SftpStatus
from gateway.transport.names import PART
from gateway.transport.sftp.channel import SftpChannel
from gateway.transport.sftp.habits import Habit, Habits
from gateway.transport.sftp.packets import Attributes, Mode

NOBODYS: Final = ".absent" + PART
"""Behind any name this makes one that nobody has: the server's answer about it is how it reports a missing file."""

_LONGEST: Final = 1 << 50


@dataclass(frozen=True)
class Found:
    """`there` is None where the server does not say; `size` None where it does not."""

    there: bool | None
    attributes: Attributes | None = None

    @property
    def size(self) -> int | None:
        return None if self.attributes is None else self.attributes.size


_MISSING: Final = Found(there=False)
_UNLISTED: Final = Found(there=None)


class Proof:
    """Asks over one channel, and remembers in which way its server answers."""

    def __init__(self, channel: SftpChannel, habits: Habits) -> None:
        self._channel = channel
        self._habits = habits
        self._ways: list[Callable[[str], int | None]] = [self._linked, self._opened, self._read_through, self._listed]

    def find(self, path: str) -> Found:
        """What lies at `path`. SftpStatus where the server refuses to say it of this one path alone."""
        try:
            found = self._channel.stat(path)
        except SftpStatus as status:
            return self._by_comparison(path, status)
        return _MISSING if found is None else Found(there=True, attributes=found)

    def _by_comparison(self, path: str, refused: SftpStatus) -> Found:
        """Some servers say "failure" or "permission denied" of a missing file: what do they say of one nobody has?"""
        try:
            absent = self._channel.stat(path + NOBODYS)
        except SftpStatus as status:
            if status.code is not refused.code:
                raise refused from None
        else:
            if absent is None:
                raise refused from None
        try:
            self._channel.stat(path.rpartition("/")[0] or ".")
        except SftpStatus:
            self._habits.met(Habit.UNLISTED)  # it says that of everything
            return _UNLISTED
        self._habits.met(Habit.MISSING)
        return _MISSING

    def length(self, path: str) -> int | None:
        """Bytes of the file at `path`, where `stat` does not tell; None where no way does."""
        for way in list(self._ways):
            try:
                size = way(path)
            except SftpStatus:
                size = None
            if size is not None:
                self._habits.met(Habit.SIZE)
                self._ways.remove(way)
                self._ways.insert(0, way)
                return size
        self._habits.met(Habit.NO_SIZE)
        return None

    def _linked(self, path: str) -> int | None:
        found = self._channel.lstat(path)
        return found.size if found is not None and found.is_file else None

    def _opened(self, path: str) -> int | None:
        handle = self._channel.open(path, Mode.READ)
        try:
            return self._channel.stat_handle(handle).size
        finally:
            self._channel.close_handle(handle)

    def _read_through(self, path: str) -> int | None:
        """The length, found between an offset that has a byte and one that has none: some fifty short reads at most."""
        handle = self._channel.open(path, Mode.READ)
        try:
            return self._end(handle)
        finally:
            self._channel.close_handle(handle)

    def _end(self, handle: bytes) -> int | None:
        inside, outside = -1, 1
        while self._has_byte(handle, outside - 1):
            inside, outside = outside - 1, outside * 2
            if outside > _LONGEST:
                return None  # it has a byte everywhere: that is no file
        low, high = inside + 1, outside - 1
        while low < high:
            middle = (low + high) // 2
            if self._has_byte(handle, middle):
                low = middle + 1
            else:
                high = middle
        return low

    def _has_byte(self, handle: bytes, offset: int) -> bool:
        return bool(self._channel.read_answer(self._channel.submit_read(handle, offset, 1)))

    def _listed(self, path: str) -> int | None:
        directory, _, name = path.rpartition("/")
        return next((each.attributes.size for each in self._channel.list(directory or ".") if each.name == name), None)
