"""Sealed files to and from a partner's SFTP server.

Raises, by `faults.translate`, PartnerUnreachable, LinkTimeout, LinkBroken, AuthenticationRefused, NoCommonAlgorithm,
HostKeyChanged, RemoteDiskFull, RemoteRefused, UploadIncomplete, NameTaken, and DiskFull or DiskFailed for our own files. Safe to call
again after any of them: an upload goes under `NAME.part` and gets its name by a rename that never overwrites, once every
write was answered, the file is durable where the server can make it so, and its size is right.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import paramiko

from gateway.errors import DiskFailed, GatewayError, LinkTimeout, NameTaken, RemoteDiskFull, UploadIncomplete
from gateway.transport.bandwidth import Bandwidth
from gateway.transport.connection import open_channel, open_connection
from gateway.transport.contract import Endpoint, Pace, Parcel, Remote
from gateway.transport.faults import LINK_FAULTS, SftpStatus, StatusCode, translate
from gateway.transport.names import PART, is_sealed_name, new_file, plain_name, sealed_name, sync_directory
from gateway.transport.patience import Watch
from gateway.transport.sftp_channel import Mode, SftpChannel

_BYTES_UNDER_WAY: Final = 8 * 1024 * 1024
_ENOUGH_ROOM: Final = 1024 * 1024


@dataclass(frozen=True)
class Look:
    """The drop directory as the server sees it; `free_bytes` None where it does not say."""

    directory: str
    found: bool
    free_bytes: int | None
    answers: int


class SftpTransport:
    """Makes sessions towards one partner's SFTP server.

    `endpoint.path` is where we put files, `collect_path` where the partner holds out files for us; both relative to the
    directory that the partner's server shows after login. `old_client_key` is tried where the partner does not know
    `client_key` yet. `clock` counts seconds and never goes back, `wall` gives seconds since 1970. All sessions share the
    `bandwidth`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        client_key: Path,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
        collect_path: str = "out",
        bandwidth: Bandwidth | None = None,
        old_client_key: Path | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.endpoint = endpoint
        self._client_keys = [client_key] if old_client_key is None else [client_key, old_client_key]
        self._wall = wall
        self._pace = pace
        self._clock = clock
        self._collect_path = collect_path
        self._bandwidth = bandwidth

    def connect(self) -> SftpSession:
        """A live session, or the Defer or Hold that says why not."""
        watch = Watch(self._pace, self._clock)
        connection, used = open_connection(self.endpoint, self._client_keys, self._pace, watch, self._wall())
        # Next time the accepted one first: a key that is refused at every login would look like an attack over there.
        self._client_keys = sorted(self._client_keys, key=lambda path: path != used)
        try:
            channel = SftpChannel(open_channel(connection, self._pace), watch)
        except GatewayError:
            connection.close()
            raise
        except LINK_FAULTS as error:
            connection.close()
            raise translate(error) from error
        return SftpSession(connection, channel, watch, self.endpoint.path, self._collect_path, self._bandwidth)


class SftpSession:
    """A kept connection to one partner. Not safe for two threads at once; closed after an error, as its state is unknown,
    but for NameTaken.
    """

    def __init__(
        self,
        connection: paramiko.Transport,
        channel: SftpChannel,
        watch: Watch,
        drop: str,
        collect: str,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        self.connection = connection
        self.channel = channel
        self._watch = watch
        self._drop = drop
        self._collect = collect
        self._bandwidth = bandwidth

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as this end can tell without asking."""
        return self.connection.is_active()

    @property
    def cipher(self) -> str:
        """The cipher that was agreed on, for both directions alike."""
        return str(getattr(self.connection, "remote_cipher", ""))  # the stubs leave it out

    # -- to the partner

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        """Upload each parcel, and yield it once it lies at the partner under its final name."""
        for parcel in parcels:
            with self._work():
                self._send(parcel)
            yield parcel

    def _send(self, parcel: Parcel) -> None:
        final = f"{self._drop}/{plain_name(parcel.name)}"
        # Asked before anything is opened: after a crash of the server between link and unlink, NAME.part *is* the
        # published file, and truncating it would empty what the partner may be reading.
        if self._is_there(final, parcel):
            self._remove_if_permitted(final + PART)
            return
        self._upload(parcel, final + PART)
        try:
            self.channel.rename(final + PART, final)
        except SftpStatus as status:
            if status.code is not StatusCode.FAILURE or not self._is_there(final, parcel):
                raise
            self._remove_if_permitted(final + PART)

    def _is_there(self, final: str, parcel: Parcel) -> bool:
        """Whether an earlier attempt published the parcel. Raises NameTaken for a file of another size there.

        It is not overwritten: the partner's gateway takes it away and judges it, and then the name is free again.
        """
        found = self.channel.stat(final)
        if found is None:
            return False
        if found.size != parcel.size:
            raise NameTaken
        return True

    def _upload(self, parcel: Parcel, part: str) -> None:
        with parcel.path.open("rb", buffering=0) as source:
            if os.fstat(source.fileno()).st_size != parcel.size:
                raise DiskFailed("a sealed file of ours is not as long as it was when it was sealed")
            handle = self.channel.open(part, Mode.WRITE | Mode.CREATE | Mode.TRUNCATE)
            try:
                self._write(source, handle)
                synced = self.channel.submit_fsync(handle)
                if synced is not None:
                    self.channel.done(synced, "fsync")
                self.channel.close_handle(handle)
            except SftpStatus as status:
                raise self._why_not_written(status, parcel, part) from status
        landed = self.channel.stat(part)
        if landed is None or landed.size != parcel.size:
            raise self._why_not_written(None, parcel, part)

    def _write(self, source: BinaryIO, handle: bytes) -> None:
        """Write the whole file, several requests under way, each answer checked."""
        size = self._piece(self.channel.largest_write)
        depth = max(2, _BYTES_UNDER_WAY // size)
        under_way: deque[tuple[int, int]] = deque()
        offset = 0
        while data := source.read(size):
            self._hold_back(len(data))
            under_way.append((self.channel.submit_write(handle, offset, data), len(data)))
            offset += len(data)
            while under_way and (len(under_way) >= depth or self.channel.has_answers):
                self._written(under_way.popleft())
        while under_way:
            self._written(under_way.popleft())

    def _written(self, request: tuple[int, int]) -> None:
        number, size = request
        self.channel.done(number, "write")
        self._watch.heard(size)

    def _why_not_written(self, status: SftpStatus | None, parcel: Parcel, part: str) -> GatewayError:
        """A full disk looks like any failure to SFTP version 3: ask the server how much room it has."""
        if status is not None and status.code is not StatusCode.FAILURE:
            return translate(status)
        try:
            free = self.channel.free_bytes(self._drop)
        except SftpStatus:
            free = None
        if free is not None and free < min(parcel.size, _ENOUGH_ROOM):
            self._give_back_room(part)
            return RemoteDiskFull()
        return UploadIncomplete()

    def _remove_if_permitted(self, path: str) -> None:
        """Tidy up where the partner lets us; most do not, and the partner's gateway clears old parts itself."""
        with contextlib.suppress(SftpStatus):
            self.channel.remove(path)

    def _give_back_room(self, part: str) -> None:
        """Empty our half of a file on a full disk: the partner's gateway needs room for what it has already."""
        with contextlib.suppress(SftpStatus):
            self.channel.close_handle(self.channel.open(part, Mode.WRITE | Mode.TRUNCATE))

    # -- from the partner

    def waiting(self) -> list[Remote]:
        """Sealed files that the partner holds out to us, oldest name first; other names are nobody's business."""
        with self._work():
            return sorted(
                (
                    Remote(entry.name, entry.attributes.size)
                    for entry in self.channel.list(self._collect)
                    if is_sealed_name(entry.name) and entry.attributes.is_file and entry.attributes.size is not None
                ),
                key=lambda remote: remote.name,
            )

    def fetch(self, remote: Remote, target: Path) -> None:
        """Download to `target`, which must not exist. Raises UploadIncomplete when the file is not as long as listed."""
        source = f"{self._collect}/{sealed_name(remote.name)}"
        part = target.with_name(target.name + PART)
        with self._work():
            try:
                with new_file(part) as sink:
                    self._read(source, remote.size, sink)
                    os.fsync(sink.fileno())
                os.link(part, target)  # never overwrites
            finally:
                part.unlink(missing_ok=True)
            sync_directory(target.parent)

    def _read(self, source: str, size: int, sink: BinaryIO) -> None:
        handle = self.channel.open(source, Mode.READ)
        if self.channel.stat_handle(handle).size != size:
            raise UploadIncomplete("the partner's file is not as long as listed")
        step = self._piece(self.channel.largest_read)
        depth = max(2, _BYTES_UNDER_WAY // step)
        under_way: deque[tuple[int, int, int]] = deque()
        asked = 0
        while asked < size or under_way:
            while asked < size and len(under_way) < depth:
                count = min(step, size - asked)
                self._hold_back(count)
                under_way.append((self.channel.submit_read(handle, asked, count), asked, count))
                asked += count
            number, offset, count = under_way.popleft()
            data = self.channel.read_answer(number)
            if not data or len(data) > count:
                raise UploadIncomplete("the partner's file shrank while it was fetched")
            self._watch.heard(len(data))
            os.pwrite(sink.fileno(), data, offset)
            if len(data) < count:  # a server may give less than was asked for: ask for the rest
                offset += len(data)
                count -= len(data)
                under_way.appendleft((self.channel.submit_read(handle, offset, count), offset, count))
        if self.channel.read_answer(self.channel.submit_read(handle, size, 1)):
            raise UploadIncomplete("the partner's file grew while it was fetched")
        self.channel.close_handle(handle)

    def _piece(self, largest: int) -> int:
        return largest if self._bandwidth is None else min(largest, self._bandwidth.piece)

    def _hold_back(self, size: int) -> None:
        """Wait until so many bytes are within the partner's limit; our own waiting is no slowness of the partner's."""
        if self._bandwidth is not None:
            self._watch.excuse(self._bandwidth.take(size))

    def remove(self, remote: Remote) -> None:
        """Remove a fetched file at the partner; one that is gone already counts as removed."""
        with self._work():
            try:
                self.channel.remove(f"{self._collect}/{sealed_name(remote.name)}")
            except SftpStatus as status:
                if status.code is not StatusCode.NO_SUCH_FILE:
                    raise

    def look(self) -> Look:
        """What the drop directory is, and how much room it has; nothing is changed."""
        with self._work():
            directory = self.channel.real_path(self._drop)
            found = self.channel.stat(self._drop)
            is_directory = found is not None and found.is_directory
            free = self.channel.free_bytes(self._drop) if is_directory else None
            return Look(directory, is_directory, free, answers=3 if is_directory else 2)

    def close(self) -> None:
        self.connection.close()

    @contextlib.contextmanager
    def _work(self) -> Iterator[None]:
        """A piece of work under the watch: it begins, it ends, and whatever broke is said in the gateway's words."""
        self._watch.begin()
        try:
            yield
        except NameTaken:
            raise  # said between two answers: the connection is as good as before
        except GatewayError:
            self.close()
            raise
        except LINK_FAULTS as error:
            # A connection that was given up because the watch ran out ends in whatever paramiko makes of it.
            late = self._watch.expired()
            self.close()
            raise (LinkTimeout() if late else translate(error)) from error
        finally:
            self._watch.end()
