"""One sealed file to the partner: under `NAME.part` first, then its name, and how to read any answer but yes.

Raises what the channel raises, RemoteDiskFull, UploadIncomplete, UploadVanished, NameTaken, SizeUntold, and OSError and DiskFailed
for our own file. The same call may be made again after any of them: nothing gets its final name before it is whole there, by all
that the server tells, and no existing file loses its name.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final

from gateway.errors import (
    DiskFailed,
    GatewayError,
    NameTaken,
    RemoteDiskFull,
    SizeUntold,
    UploadIncomplete,
    UploadVanished,
)
from gateway.transport.contract import Parcel
from gateway.transport.faults import SftpStatus, StatusCode, translate
from gateway.transport.names import PART, plain_name
from gateway.transport.sftp.bandwidth import Bandwidth
from gateway.transport.sftp.channel import SftpChannel
from gateway.transport.sftp.habits import FSYNC, Habit, Habits
from gateway.transport.sftp.packets import Mode
from gateway.transport.sftp.proof import Proof
from gateway.transport.sftp.timeouts import Watch

_BYTES_UNDER_WAY: Final = 8 * 1024 * 1024
_REQUESTS_UNDER_WAY: Final = 256
_ENOUGH_ROOM: Final = 1024 * 1024

UPLOAD_STEPS: Final = ("open", "write", "fsync", "close", "look", "rename")


class Quota:
    """How much may be under way at once, and when: within what the server takes and the partner's limit."""

    def __init__(self, channel: SftpChannel, watch: Watch, bandwidth: Bandwidth | None) -> None:
        self._channel = channel
        self._watch = watch
        self._bandwidth = bandwidth

    def shares(self, largest: int) -> tuple[int, int]:
        """Bytes of one request, and how many requests may wait for their answers."""
        size = largest if self._bandwidth is None else min(largest, self._bandwidth.piece)
        return size, min(_REQUESTS_UNDER_WAY, max(2, _BYTES_UNDER_WAY // size))

    def hold_back(self, size: int) -> None:
        """Wait until so many bytes are within the partner's limit; our own waiting is no slowness of the partner's."""
        if self._bandwidth is not None:
            self._watch.excuse(self._bandwidth.take(size))


class Uploads:
    """Uploads into the directory `drop`, one after the other, over one channel."""

    def __init__(
        self, channel: SftpChannel, watch: Watch, proof: Proof, habits: Habits, quota: Quota, drop: str
    ) -> None:
        self._channel = channel
        self._watch = watch
        self._proof = proof
        self._habits = habits
        self._quota = quota
        self._drop = drop

    def send(self, parcel: Parcel) -> None:
        """Upload one parcel; it lies at the partner under its final name, whole, when this returns."""
        final = f"{self._drop}/{plain_name(parcel.name)}"
        # Asked before anything is opened: after a crash of the server between link and unlink, NAME.part *is* the
        # published file, and truncating it would empty what the partner may be reading.
        if self.is_there(final, parcel.size):
            self._remove_if_permitted(final + PART)
            return
        with parcel.path.open("rb", buffering=0) as source:
            if os.fstat(source.fileno()).st_size != parcel.size:
                raise DiskFailed("a sealed file of ours is not as long as it was when it was sealed")
            for _ in self.steps(source, parcel.size, final):
                pass

    def steps(self, source: BinaryIO, size: int, final: str) -> Iterator[tuple[str, Habit | None]]:
        """Upload what `source` has, `size` bytes, to the path `final`, which nothing has: each of `UPLOAD_STEPS` once it is
        done, with the habit of the server that was worked round in it. A lane goes through them, and so does a trial.
        """
        part = final + PART
        self._watch.begin()
        handle = self._channel.open(part, Mode.WRITE | Mode.CREATE | Mode.TRUNCATE)
        yield "open", None
        self._watch.begin()
        try:
            self._write(source, handle)
            yield "write", None
            self._watch.begin(heavy=True)
            durable = self._channel.fsync(handle) or FSYNC not in self._channel.extensions
            yield "fsync", None if durable else Habit.FSYNC
            self._watch.begin(heavy=True)
            self._channel.close_handle(handle)
            yield "close", None
        except SftpStatus as status:
            raise self._why_not_written(status, size, part) from status
        self._watch.begin()
        habit = self._look(size, part, final)
        yield "look", habit
        yield "rename", habit if habit is Habit.NAMED else self._rename(size, part, final)

    def _rename(self, size: int, part: str, final: str) -> Habit | None:
        """Give it its name. Whatever the server says instead of yes, what counts is what lies there then."""
        self._watch.begin()
        try:
            self._channel.rename(part, final)
        except SftpStatus as status:
            if not self.is_there(final, size):
                if self._proof.find(part).there is False:
                    raise UploadVanished from status
                self._remove_if_permitted(part)
                raise
            self._remove_if_permitted(part)
            self._habits.met(Habit.RENAMED)
            return Habit.RENAMED
        return None

    def is_there(self, final: str, expected: int) -> bool:
        """Whether an earlier attempt published it, `expected` bytes. Raises NameTaken for a file of another size there, SizeUntold
        where its size cannot be learnt in any way: a receipt may replace an earlier one of its name that is as long as any.

        It is not overwritten: the partner's gateway takes it away and judges it, and then the name is free again.
        """
        found = self._proof.find(final)
        if not found.there:
            return False
        size = self._proof.length(final) if found.size is None else found.size
        if size is None:
            raise SizeUntold
        if size != expected:
            raise NameTaken
        return True

    def _look(self, expected: int, part: str, final: str) -> Habit | None:
        """See that it lies under `part`, whole; NAMED where the server has given it its final name already.

        Where nothing is told of it, every write and the close were answered well: the receipt says the rest.
        """
        found = self._proof.find(part)
        if found.there is False:
            if self.is_there(final, expected):
                self._habits.met(Habit.NAMED)
                return Habit.NAMED
            raise UploadVanished
        size = self._proof.length(part) if found.size is None else found.size
        if size is not None and size != expected:
            raise self._why_not_written(None, expected, part)
        if size is None:
            return Habit.NO_SIZE
        return Habit.SIZE if found.size is None else None

    def _write(self, source: BinaryIO, handle: bytes) -> None:
        """Write the whole file, several requests under way, each answer checked."""
        size, depth = self._quota.shares(self._channel.largest_write)
        under_way: deque[tuple[int, int]] = deque()
        offset = 0
        while data := source.read(size):
            self._quota.hold_back(len(data))
            under_way.append((self._channel.submit_write(handle, offset, data), len(data)))
            offset += len(data)
            while under_way and (len(under_way) >= depth or self._channel.has_answers):
                self._written(under_way.popleft())
        while under_way:
            self._written(under_way.popleft())

    def _written(self, request: tuple[int, int]) -> None:
        number, size = request
        self._channel.done(number, "write")
        self._watch.progress(size)

    def _why_not_written(self, status: SftpStatus | None, size: int, part: str) -> GatewayError:
        """A full disk looks like any failure to SFTP version 3: ask the server how much room it has."""
        if status is not None and status.code is not StatusCode.FAILURE:
            if status.code in (StatusCode.NO_SPACE, StatusCode.QUOTA_EXCEEDED):
                self._give_back_room(part)
            return translate(status)
        try:
            free = self._channel.free_bytes(self._drop)
        except SftpStatus:
            free = None
        if free is not None and free < min(size, _ENOUGH_ROOM):
            self._give_back_room(part)
            return RemoteDiskFull()
        if status is not None:
            return UploadIncomplete("the partner's server failed to write: its disk, or our share of it, may be full")
        return UploadIncomplete()

    def _remove_if_permitted(self, path: str) -> None:
        """Tidy up where the partner lets us; most do not, and the partner's gateway clears old parts itself."""
        with contextlib.suppress(SftpStatus):
            self._channel.remove(path)

    def _give_back_room(self, part: str) -> None:
        """Empty our half of a file on a full disk: the partner's gateway needs room for what it has already."""
        with contextlib.suppress(SftpStatus):
            self._channel.close_handle(self._channel.open(part, Mode.WRITE | Mode.TRUNCATE))
