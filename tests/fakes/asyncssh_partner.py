"""A partner with an SFTP server of another make (asyncssh), and habits of servers that are in use, one or several at a time.

The server runs in a thread of the test. `quirks` may be changed while it runs; `seen` tells what clients asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import asyncssh
from asyncssh.sftp import SFTPFailure, SFTPName, SFTPNoSuchFile, SFTPOpUnsupported, SFTPPermissionDenied

from gateway.transport.contract import Endpoint, Pace
from gateway.transport.keys import make_key_pair
from gateway.transport.sftp.client import SftpTransport
from tests.fakes.sshd_site import PATIENT

ACCOUNT: Final = "gateway"
BANNER_LINES: Final = 200
LARGE: Final = 2 << 20


class Quirk(StrEnum):
    """What the server does otherwise than OpenSSH's."""

    FSYNC_UNSUPPORTED = "fsync-unsupported"
    FSYNC_FAILS = "fsync-fails"
    FSYNC_HANGS_UP = "fsync-hangs-up"
    FSYNC_SILENT = "fsync-silent"
    STATVFS_UNSUPPORTED = "statvfs-unsupported"
    STATVFS_ZEROS = "statvfs-zeros"
    STATVFS_FULL = "statvfs-full"
    STATVFS_HANGS_UP = "statvfs-hangs-up"
    NO_SIZE_IN_STAT = "no-size-in-stat"
    NO_SIZE_IN_LSTAT = "no-size-in-lstat"
    NO_SIZE_IN_FSTAT = "no-size-in-fstat"
    NO_SIZE_IN_LISTS = "no-size-in-lists"
    SIZE_ALONE = "size-alone"
    ALL_FILES = "all-files"
    MISSING_DENIED = "missing-denied"
    MISSING_FAILS = "missing-fails"
    STAT_DENIED = "stat-denied"
    READ_DENIED = "read-denied"
    LIST_DENIED = "list-denied"
    WRITE_DENIED = "write-denied"
    REMOVE_DENIED = "remove-denied"
    REMOVE_DENIED_OF_FILES = "remove-denied-of-files"
    RENAME_DENIED = "rename-denied"
    RENAME_UNSUPPORTED = "rename-unsupported"
    RENAME_DONE_FAILS = "rename-done-fails"
    RENAME_ANSWER_LOST = "rename-answer-lost"
    TAKEN_DENIED = "taken-denied"
    SCANNER_TAKES_PARTS = "scanner-takes-parts"
    MOVER_TAKES_FILES = "mover-takes-files"
    MOVER_IS_EARLY = "mover-is-early"
    NAMES_BY_ITSELF = "names-by-itself"
    CLOSE_FAILS = "close-fails"
    DISK_FULL_FAILS = "disk-full-fails"
    LARGE_FAILS = "large-fails"
    GREETS = "greets"
    REALPATH_FAILS = "realpath-fails"
    LONG_BANNER = "long-banner"
    REKEYS_OFTEN = "rekeys-often"
    SLOW = "slow"


_ROOM: Final = ("bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "fsid", "flags", "namemax")
_NO_SIZE: Final = {Quirk.NO_SIZE_IN_STAT, Quirk.NO_SIZE_IN_LSTAT, Quirk.NO_SIZE_IN_FSTAT, Quirk.NO_SIZE_IN_LISTS}
NEVER_A_SIZE: Final = frozenset(_NO_SIZE | {Quirk.READ_DENIED})


@dataclass
class AsyncsshPartner:
    """Where it listens, its keys, the directory that a login sees."""

    login: Path
    host_key: str
    client_key: Path
    quirks: set[Quirk]
    port: int = 0
    seen: list[str] = field(default_factory=list)
    delay: float = 0.5
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    channels: list[asyncssh.SSHServerChannel[bytes]] = field(default_factory=list)
    opened: list[Any] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def drop(self) -> Path:
        return self.login / "in"

    def taken(self, directory: str) -> list[str]:
        """What a scanner or a sorting job has moved there."""
        found = self.login / directory
        return sorted(path.name for path in found.iterdir()) if found.is_dir() else []

    def close_channels(self) -> None:
        """End SFTP and leave the connections, as some servers do with those that rest."""
        for channel in self.channels:
            self.loop.call_soon_threadsafe(channel.close)

    def count(self, request: str) -> int:
        return self.seen.count(request)

    def transport(self, pace: Pace = PATIENT, **options: Any) -> SftpTransport:
        endpoint = Endpoint("127.0.0.1", options.pop("port", self.port), ACCOUNT, "in", self.host_key)
        return SftpTransport(endpoint, self.client_key, pace, **options)


class _Server(asyncssh.SSHServer):
    def __init__(self, partner: AsyncsshPartner) -> None:
        self._partner = partner
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._partner.seen.append("connect")
        self._partner.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._partner.seen.append(f"login {username}")
        if Quirk.LONG_BANNER in self._partner.quirks and self._connection is not None:
            self._connection.send_auth_banner("*** authorised use only ***\r\n" * BANNER_LINES)
        return True


class _Sftp(asyncssh.SFTPServer):
    """SFTP below the login directory, with the partner's quirks."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], partner: AsyncsshPartner) -> None:
        super().__init__(chan, chroot=os.fsencode(partner.login))
        partner.channels.append(chan)
        if Quirk.GREETS in partner.quirks:
            chan.write(b"Welcome to the file service.\n")
        self._partner = partner

    def _has(self, quirk: Quirk) -> bool:
        return quirk in self._partner.quirks

    async def _asked(self, request: str) -> None:
        self._partner.seen.append(request)
        if self._has(Quirk.SLOW):
            await asyncio.sleep(self._partner.delay)

    def _path(self, path: bytes) -> Path:
        return Path(os.fsdecode(self.map_path(path)))

    def _attributes(self, found: os.stat_result, *, sized: bool) -> asyncssh.SFTPAttrs:
        if self._has(Quirk.SIZE_ALONE):
            return asyncssh.SFTPAttrs(size=found.st_size if sized else None)
        mode = 0o100644 if self._has(Quirk.ALL_FILES) else found.st_mode
        return asyncssh.SFTPAttrs(permissions=mode, size=found.st_size if sized else None)

    def _look(self, path: bytes, quirk: Quirk) -> asyncssh.SFTPAttrs:
        if self._has(Quirk.STAT_DENIED):
            raise SFTPPermissionDenied("no")
        try:
            found = self._path(path).lstat()
        except FileNotFoundError:
            if self._has(Quirk.MISSING_DENIED):
                raise SFTPPermissionDenied("no") from None
            if self._has(Quirk.MISSING_FAILS):
                raise SFTPFailure("file not found") from None
            raise
        return self._attributes(found, sized=not self._has(quirk))

    async def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        await self._asked("stat")
        return self._look(path, Quirk.NO_SIZE_IN_STAT)

    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        await self._asked("lstat")
        return self._look(path, Quirk.NO_SIZE_IN_LSTAT)

    async def fstat(self, file_obj: Any) -> asyncssh.SFTPAttrs:
        await self._asked("fstat")
        return self._attributes(os.fstat(file_obj.fileno()), sized=not self._has(Quirk.NO_SIZE_IN_FSTAT))

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        await self._asked("list")
        if self._has(Quirk.LIST_DENIED):
            raise SFTPPermissionDenied("no")
        sized = not self._has(Quirk.NO_SIZE_IN_LISTS)
        for each in sorted(self._path(path).iterdir()):
            yield SFTPName(os.fsencode(each.name), attrs=self._attributes(each.lstat(), sized=sized))

    async def realpath(self, path: bytes) -> bytes:
        await self._asked("realpath")
        if self._has(Quirk.REALPATH_FAILS):
            raise SFTPFailure("no")
        return bytes(super().realpath(path))  # type: ignore[arg-type]  # it does not wait

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        writes = bool(pflags & asyncssh.FXF_WRITE)
        await self._asked("write-open" if writes else "open")
        if self._has(Quirk.WRITE_DENIED if writes else Quirk.READ_DENIED):
            raise SFTPPermissionDenied("no")
        attrs.permissions = 0o600
        file_obj = super().open(path, pflags, attrs)
        self._partner.opened.append(file_obj)
        return file_obj

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if self._has(Quirk.DISK_FULL_FAILS) or (self._has(Quirk.LARGE_FAILS) and offset > LARGE):
            raise SFTPFailure("write failed")
        written = super().write(file_obj, offset, data)
        assert isinstance(written, int)
        return written

    async def close(self, file_obj: Any) -> None:
        await self._asked("close")
        name = os.fsdecode(file_obj.name)
        super().close(file_obj)
        if self._has(Quirk.CLOSE_FAILS):
            raise SFTPFailure("close failed")
        if name.endswith(".part"):
            self._look_into(Path(name))

    async def fsync(self, file_obj: object) -> None:
        await self._asked("fsync")
        if self._has(Quirk.FSYNC_UNSUPPORTED):
            raise SFTPOpUnsupported("fsync")
        if self._has(Quirk.FSYNC_FAILS):
            raise SFTPFailure("Invalid argument")
        if self._has(Quirk.FSYNC_HANGS_UP):
            self.connection.abort()
        if self._has(Quirk.FSYNC_SILENT):
            await self.connection.wait_closed()
        super().fsync(file_obj)

    async def statvfs(self, path: bytes) -> Any:
        await self._asked("statvfs")
        if self._has(Quirk.STATVFS_UNSUPPORTED):
            raise SFTPOpUnsupported("statvfs")
        if self._has(Quirk.STATVFS_ZEROS):
            return asyncssh.SFTPVFSAttrs(**dict.fromkeys(_ROOM, 0))
        if self._has(Quirk.STATVFS_FULL):
            return asyncssh.SFTPVFSAttrs(**{**dict.fromkeys(_ROOM, 0), "bsize": 4096, "frsize": 4096, "blocks": 1000})
        if self._has(Quirk.STATVFS_HANGS_UP):
            self.connection.abort()
        return super().statvfs(path)

    async def remove(self, path: bytes) -> None:
        await self._asked("remove")
        if self._has(Quirk.REMOVE_DENIED):
            raise SFTPPermissionDenied("no")
        if self._has(Quirk.REMOVE_DENIED_OF_FILES) and self._path(path).exists():
            raise SFTPFailure("no")
        self._path(path).unlink()

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._asked("rename")
        old, new = self._path(oldpath), self._path(newpath)
        if self._has(Quirk.RENAME_DENIED):
            raise SFTPPermissionDenied("no")
        if self._has(Quirk.RENAME_UNSUPPORTED):
            raise SFTPOpUnsupported("rename")
        if not old.exists():
            raise SFTPNoSuchFile("no")
        if new.exists():
            raise SFTPPermissionDenied("taken") if self._has(Quirk.TAKEN_DENIED) else SFTPFailure("taken")
        old.rename(new)
        if self._has(Quirk.MOVER_TAKES_FILES):
            self._take(new, "processed")
        if self._has(Quirk.MOVER_IS_EARLY):
            self._take(new, "processed")
            raise SFTPFailure("no such file")
        if self._has(Quirk.RENAME_DONE_FAILS):
            raise SFTPFailure("no")
        if self._has(Quirk.RENAME_ANSWER_LOST):
            self.connection.abort()

    def _look_into(self, path: Path) -> None:
        """What jobs of the partner do with a file that was closed."""
        if path.exists() and self._has(Quirk.SCANNER_TAKES_PARTS):
            self._take(path, "scanned")
        elif path.exists() and self._has(Quirk.NAMES_BY_ITSELF):
            path.rename(path.with_name(path.name.removesuffix(".part")))

    def _take(self, path: Path, where: str) -> None:
        directory = self._partner.login / where
        directory.mkdir(exist_ok=True)
        path.rename(directory / f"{len(self._partner.taken(where))}-{path.name}")


@contextlib.contextmanager
def asyncssh_partner(
    directory: Path,
    quirks: Collection[Quirk] = (),
    *,
    host_key: str = "ssh-ed25519",
    authorized: str | None = None,
) -> Iterator[AsyncsshPartner]:
    """A server that lets one client in: the holder of a new key, or of the public key `authorized` (one line)."""
    directory.mkdir(exist_ok=True)
    login = directory / "login"
    for name in ("in", "out"):
        (login / name).mkdir(parents=True)
    client = make_key_pair(directory / "client")
    bits: dict[str, Any] = {"key_size": 3072} if host_key == "ssh-rsa" else {}
    key = asyncssh.generate_private_key(host_key, **bits)
    line = " ".join(key.export_public_key().decode("ascii").split()[:2])
    partner = AsyncsshPartner(login, line, directory / "client", set(quirks))
    loop = partner.loop
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        options: dict[str, Any] = {"rekey_bytes": 1 << 20} if Quirk.REKEYS_OFTEN in partner.quirks else {}
        acceptor = await asyncssh.create_server(
            lambda: _Server(partner),
            "127.0.0.1",
            0,
            server_host_keys=[key],
            authorized_client_keys=asyncssh.import_authorized_keys(authorized or client.line),
            sftp_factory=lambda chan: _Sftp(chan, partner),
            allow_scp=False,
            encoding=None,
            **options,
        )
        partner.port = acceptor.get_port()
        ready.set()
        await stop.wait()
        acceptor.close()
        await acceptor.wait_closed()
        await asyncio.sleep(0.1)  # who was accepted just now is made a connection first
        for connection in partner.connections:
            connection.abort()
            await connection.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for file in partner.opened:  # a session that was cut off in mid-write leaves its file open
            file.close()
        await asyncio.sleep(0.1)  # asyncio closes a socket one turn of its loop after it was told to

    thread = threading.Thread(target=lambda: _run(loop, serve()), name="asyncssh partner", daemon=True)
    thread.start()
    try:
        assert ready.wait(20), "the server did not start"
        yield partner
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)


def _run(loop: asyncio.AbstractEventLoop, work: Any) -> None:
    with contextlib.closing(loop):
        loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_asyncgens())
