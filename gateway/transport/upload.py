"""One sealed file to the partner: under `NAME.part` first, then its name, and what to make of a server that says other than yes.

Raises what the channel raises, RemoteDiskFull, UploadIncomplete, UploadVanished, NameTaken, SizeUntold, and OSError and
DiskFailed for our own file. Safe to call again after any of them: nothing gets its final name before it is whole there, by
all that the server tells, and no name is taken from a file that is there.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
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
from gateway.transport.bandwidth import Bandwidth
from gateway.transport.contract import Parcel
from gateway.transport.faults import SftpStatus, StatusCode, translate
from gateway.transport.habits import Habit, Habits
from gateway.transport.names import PART, plain_name
from gateway.transport.patience import Watch
from gateway.transport.proof import Proof
from gateway.transport.sftp_channel import Mode, SftpChannel

_BYTES_UNDER_WAY: Final = 8 * 1024 * 1024
_REQUESTS_UNDER_WAY: Final = 256
_ENOUGH_ROOM: Final = 1024 * 1024


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
        if self._is_there(final, parcel):
            self._remove_if_permitted(final + PART)
            return
        if self._upload(parcel, final + PART, final):
            self._rename(parcel, final + PART, final)

    def _rename(self, parcel: Parcel, part: str, final: str) -> None:
        """Give it its name. Whatever the server says instead of yes, what counts is what lies there then."""
        self._watch.begin()
        try:
            self._channel.rename(part, final)
        except SftpStatus as status:
            if not self._is_there(final, parcel):
                if self._proof.find(part).there is False:
                    raise UploadVanished from status
                self._remove_if_permitted(part)
                raise
            self._remove_if_permitted(part)

    def _is_there(self, final: str, parcel: Parcel) -> bool:
        """Whether an earlier attempt published the parcel. Raises NameTaken for a file of another size there, SizeUntold
        where its size cannot be learnt in any way: a receipt may replace an earlier one of its name that is as long as any.

        It is not overwritten: the partner's gateway takes it away and judges it, and then the name is free again.
        """
        found = self._proof.find(final)
        if not found.there:
            return False
        size = self._proof.length(final) if found.size is None else found.size
        if size is None:
            raise SizeUntold
        if size != parcel.size:
            raise NameTaken
        return True

    def _upload(self, parcel: Parcel, part: str, final: str) -> bool:
        """Write the parcel under `part`; whether it still has to be renamed."""
        with parcel.path.open("rb", buffering=0) as source:
            if os.fstat(source.fileno()).st_size != parcel.size:
                raise DiskFailed("a sealed file of ours is not as long as it was when it was sealed")
            self._watch.begin()
            handle = self._channel.open(part, Mode.WRITE | Mode.CREATE | Mode.TRUNCATE)
            self._watch.begin()
            try:
                self._write(source, handle)
                self._watch.begin(heavy=True)
                self._channel.fsync(handle)
                self._watch.begin(heavy=True)
                self._channel.close_handle(handle)
            except SftpStatus as status:
                raise self._why_not_written(status, parcel, part) from status
        self._watch.begin()
        return self._has_landed(parcel, part, final)

    def _has_landed(self, parcel: Parcel, part: str, final: str) -> bool:
        """Whether it lies under `part`, whole; false where the server has given it its final name already.

        Where nothing is told of it, every write and the close were answered well: the receipt says the rest.
        """
        found = self._proof.find(part)
        if found.there is False:
            if self._is_there(final, parcel):
                self._habits.met(Habit.NAMED)
                return False
            raise UploadVanished
        size = self._proof.length(part) if found.size is None else found.size
        if size is not None and size != parcel.size:
            raise self._why_not_written(None, parcel, part)
        return True

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
        self._watch.heard(size)

    def _why_not_written(self, status: SftpStatus | None, parcel: Parcel, part: str) -> GatewayError:
        """A full disk looks like any failure to SFTP version 3: ask the server how much room it has."""
        if status is not None and status.code is not StatusCode.FAILURE:
            if status.code in (StatusCode.NO_SPACE, StatusCode.QUOTA_EXCEEDED):
                self._give_back_room(part)
            return translate(status)
        try:
            free = self._channel.free_bytes(self._drop)
        except SftpStatus:
            free = None
        if free is not None and free < min(parcel.size, _ENOUGH_ROOM):
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
