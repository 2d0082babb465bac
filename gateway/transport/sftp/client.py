"""Sealed files to and from a partner's SFTP server.

Raises, by `faults.translate`, PartnerUnreachable, LinkTimeout, LinkBroken, AuthenticationRefused, NoCommonAlgorithm,
HostKeyChanged, RemoteDiskFull, RemoteRefused, UploadIncomplete, UploadVanished, NameTaken, SizeUntold, GreetingPrinted,
ExtensionUnserved, and DiskFull or DiskFailed for our own files. Safe to call again after any of them: an upload goes under
`NAME.part` and gets its name by a rename that never overwrites, once every write was answered, the file is durable where
the server can make it so, and its size is right, as far as the server tells it in any way (`proof`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import paramiko

from gateway.errors import (
    GatewayError,
    LinkTimeout,
    NameTaken,
    RemoteRefused,
    UploadIncomplete,
)
from gateway.storage.durable import sync_directory
from gateway.transport.contract import Endpoint, Pace, Parcel, Remote
from gateway.transport.faults import LINK_FAULTS, SftpStatus, StatusCode, translate
from gateway.transport.names import PART, is_sealed_name, new_file, sealed_name
from gateway.transport.sftp.bandwidth import Bandwidth
from gateway.transport.sftp.channel import SftpChannel
from gateway.transport.sftp.connection import open_channel, open_connection
from gateway.transport.sftp.habits import Habit, Habits
from gateway.transport.sftp.packets import DirectoryEntry, Mode
from gateway.transport.sftp.proof import Proof
from gateway.transport.sftp.timeouts import Watch
from gateway.transport.sftp.upload import Quota, Uploads


@dataclass(frozen=True)
class Look:
    """The drop directory as the server sees it; `free_bytes` None where it does not say. `found` is what the server says,
    and true where it says nothing of that kind.
    """

    directory: str
    found: bool
    free_bytes: int | None
    answers: int


class SftpTransport:
    """Makes sessions towards one partner's SFTP server.

    `endpoint.path` is where we put files, `collect_path` where the partner holds out files for us; both relative to the
    directory that the partner's server shows after login. `old_client_key` is tried where the partner does not know
    `client_key` yet. `clock` counts seconds and never goes back, `wall` gives seconds since 1970. All sessions share the
    `bandwidth`. `note` is told, from the thread of the session, what is worked round.
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
        note: Callable[[Habit], None] = lambda _habit: None,
    ) -> None:
        self.endpoint = endpoint
        self.habits = Habits(note, wall)
        self._client_keys = [client_key] if old_client_key is None else [client_key, old_client_key]
        self._wall = wall
        self._pace = pace
        self._clock = clock
        self._collect_path = collect_path
        self._bandwidth = bandwidth

    def connect(self) -> SftpSession:
        """A live session, or the Defer or Hold that says why not."""
        watch = Watch(self._pace, self._clock)
        connection, used = open_connection(
            self.endpoint, self._client_keys, self._pace, watch, self._wall(), self._clock
        )
        # Next time the accepted one first: a key that is refused at every login would look like an attack over there.
        self._client_keys = sorted(self._client_keys, key=lambda path: path != used)
        try:
            channel = SftpChannel(open_channel(connection, self._pace), watch, self.habits)
        except GatewayError:
            connection.close()
            raise
        except LINK_FAULTS as error:
            stands = connection.is_active()
            connection.close()
            if isinstance(error, EOFError) and stands:
                raise RemoteRefused("the partner's server closes SFTP at once for our account") from error
            raise translate(error) from error
        paths = (self.endpoint.path, self._collect_path)
        return SftpSession(connection, channel, watch, paths, Proof(channel, self.habits), self.habits, self._bandwidth)


class SftpSession:
    """A kept connection to one partner. Not safe for two threads at once; closed after an error, as its state is unknown,
    but for NameTaken.
    """

    def __init__(
        self,
        connection: paramiko.Transport,
        channel: SftpChannel,
        watch: Watch,
        paths: tuple[str, str],
        proof: Proof,
        habits: Habits,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        self.connection = connection
        self.channel = channel
        self.proof = proof
        self._watch = watch
        self._drop, self._collect = paths
        self._quota = Quota(channel, watch, bandwidth)
        self.uploads = Uploads(channel, watch, proof, habits, self._quota, self._drop)

    @property
    def trusts_names(self) -> bool:
        return True

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as this end can tell without asking."""
        return self.connection.is_active() and self.channel.alive

    @property
    def drop(self) -> str:
        """The directory that we put files into, as the server is asked for it."""
        return self._drop

    @property
    def collect(self) -> str:
        """The directory that the partner holds out files in."""
        return self._collect

    @property
    def cipher(self) -> str:
        """The cipher that was agreed on, for both directions alike."""
        return str(getattr(self.connection, "remote_cipher", ""))  # the stubs leave it out

    # -- to the partner

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        """Upload each parcel, and yield it once it lies at the partner under its final name."""
        for parcel in parcels:
            with self._work():
                self.uploads.send(parcel)
            yield parcel

    # -- from the partner

    def waiting(self) -> list[Remote]:
        """Sealed files that the partner offers, oldest name first; other names are passed over."""
        with self._work():
            names = [entry for entry in self.channel.list(self._collect) if is_sealed_name(entry.name)]
            sized = ((entry.name, self._size_of(entry)) for entry in names if entry.attributes.is_file)
            return sorted((Remote(name, size) for name, size in sized if size is not None), key=lambda each: each.name)

    def _size_of(self, entry: DirectoryEntry) -> int | None:
        """An entry's size, also where the list does not have it; None where nothing that can be read lies there."""
        if entry.attributes.size is not None:
            return entry.attributes.size
        path = f"{self._collect}/{entry.name}"
        try:
            found = self.proof.find(path)
        except SftpStatus:
            return None
        if found.there is False or (found.attributes is not None and not found.attributes.is_file):
            return None
        return self.proof.length(path) if found.size is None else found.size

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
        with contextlib.suppress(SftpStatus):  # reading to the end and no further is the proof
            if self.channel.stat_handle(handle).size not in (size, None):
                raise UploadIncomplete("the partner's file is not as long as listed")
        step, depth = self._quota.shares(self.channel.largest_read)
        under_way: deque[tuple[int, int, int]] = deque()
        asked = 0
        while asked < size or under_way:
            while asked < size and len(under_way) < depth:
                count = min(step, size - asked)
                self._quota.hold_back(count)
                under_way.append((self.channel.submit_read(handle, asked, count), asked, count))
                asked += count
            number, offset, count = under_way.popleft()
            data = self.channel.read_answer(number)
            if not data or len(data) > count:
                raise UploadIncomplete("the partner's file shrank while it was fetched")
            self._watch.progress(len(data))
            os.pwrite(sink.fileno(), data, offset)
            if len(data) < count:  # a server may give less than was asked for: ask for the rest
                offset += len(data)
                count -= len(data)
                under_way.appendleft((self.channel.submit_read(handle, offset, count), offset, count))
        if self.channel.read_answer(self.channel.submit_read(handle, size, 1)):
            raise UploadIncomplete("the partner's file grew while it was fetched")
        self.channel.close_handle(handle)

    def remove(self, remote: Remote) -> None:
        """Remove a fetched file at the partner; one that is gone already counts as removed."""
        path = f"{self._collect}/{sealed_name(remote.name)}"
        with self._work():
            try:
                self.channel.remove(path)
            except SftpStatus as status:
                if status.code is not StatusCode.NO_SUCH_FILE and self.proof.find(path).there is not False:
                    raise

    def look(self) -> Look:
        """What the drop directory is, and how much room it has; nothing is changed."""
        with self._work():
            directory, answers = self._drop, 2
            with contextlib.suppress(SftpStatus, paramiko.SFTPError):  # some answer with no name, or with several
                directory = self.channel.real_path(self._drop)
            found = self.proof.find(self._drop)
            attributes = found.attributes
            is_directory = found.there is not False and (attributes is None or attributes.may_be_directory)
            if found.there and not is_directory:  # some say of everything that it is a plain file
                with contextlib.suppress(SftpStatus):
                    self.channel.list(self._drop)
                    is_directory = True
            free = None
            if is_directory:
                free, answers = self.channel.free_bytes(self._drop), 3
            return Look(directory, is_directory, free, answers)

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """For a trial's steps, which ask over `channel`: a server's no is the trial's own to judge, and ends no session."""
        refused: SftpStatus | None = None
        with self._work():
            try:
                yield
            except SftpStatus as status:
                refused = status
        if refused is not None:
            raise refused

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
            # When the watch ends a connection, paramiko may raise anything.
            late = self._watch.expired()
            self.close()
            raise (LinkTimeout() if late else translate(error)) from error
        finally:
            self._watch.end()
