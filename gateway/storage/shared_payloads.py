"""A site's files in a store that several nodes reach (`payloads.Payloads`): sealed there, plain in each node's own directories.

A key is a file's path below the state and its digest, so a node that was fenced and wrote late wrote another object. What is read is compared with the digest
that the ledger has, whoever wrote it: two objects that somebody swapped, or an older one, are found out. Local files are this node's copies: one
that has other bytes than the row says is written anew.

Raises DiskFull and DiskFailed for this machine's disk, StoreUnreachable and StoreFull for the store's, StoreFileLost for altered bytes of one file there,
CustodyLost for those of this machine, StoreForeign for a key that is not the store's.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from gateway.errors import ConfigurationInvalid, CustodyLost, StoreFileLost, StoreForeign
from gateway.storage.digest import file_digest
from gateway.storage.durable import (
    DISK,
    Disk,
    discard,
    disk_error,
    make_directory,
    temporary_beside,
    write_all,
)
from gateway.storage.objects.contract import MARK, ObjectStore, Source, Target
from gateway.storage.ownership import give_to_owner_of
from gateway.storage.payloads import IN_PLACE, KeptFile, each_of
from gateway.storage.sealing import Sealing

SEALED_AREAS: Final = ("sealed", "quarantine")
"""Below these directories of the state lie OpenPGP messages, which a role sees that must see no plaintext: they have a key of their own."""

_PART: Final = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~@+-]*")
_CHECK: Final = "gateway-key"
_TRIAL: Final = "gateway-trial"


class SharedPayloads:
    """The files of one site below `state`. `plain` and `sealed` give the two keys when they are first needed: not every role may read both."""

    def __init__(
        self,
        state: Path,
        objects: ObjectStore,
        plain: Callable[[], Sealing],
        sealed: Callable[[], Sealing],
        disk: Disk = DISK,
    ) -> None:
        self._state, self._objects, self._disk = state, objects, disk
        self._sources = {"plain": plain, "sealed": sealed}
        self._sealings: dict[str, Sealing] = {}

    def keep(self, files: Mapping[Path, str], lying: Mapping[Path, Path] = IN_PLACE) -> None:
        if files:
            self._objects.put_new(
                {
                    self._key(path, sha256): partial(self._seal, path, lying.get(path, path), sha256)
                    for path, sha256 in files.items()
                }
            )

    def fetch(self, path: Path, sha256: str) -> Path:
        if _shows(path, sha256):
            return path
        key = self._key(path, sha256)
        with self._objects.open(key) as found:
            if found is None:
                raise FileNotFoundError(self._objects.place(key))
            try:
                self._make(path.parent)
                temporary, descriptor = self._reserve(path)
                try:
                    if not _shows(path, sha256):
                        target = _Digested(descriptor, self._disk)
                        self._open(path, sha256, found, target)
                        # Not made durable: what a power cut leaves has another digest, and is brought anew.
                        self._disk.rename(temporary, path)
                        return path
                except BaseException:
                    discard(temporary, self._disk)
                    raise
                finally:
                    os.close(descriptor)
                discard(temporary, self._disk)
            except OSError as error:
                raise disk_error(error, "bringing a file from the store") from error
        return path

    def _open(self, path: Path, sha256: str, found: Source, target: _Digested) -> None:
        sealing, place = self._sealing(path), self._objects.place(self._key(path, sha256))
        altered = StoreFileLost(f"the store of [payloads] has other bytes than the ledger says at {place}")
        try:
            sealing.open(found, target)
        except StoreFileLost as error:
            raise altered from error
        if target.hexdigest() != sha256:
            raise altered

    def forget(self, path: Path, sha256: str) -> None:
        self.forget_all([KeptFile(path, sha256)])

    def forget_all(self, files: Iterable[KeptFile]) -> None:
        gone = list(files)
        self._objects.remove([self._key(*file) for file in gone])
        each_of(gone, self._remove)

    def _remove(self, path: Path, sha256: str) -> None:
        try:
            # A file of that name with other bytes may be another one, which has a row.
            if _shows(path, sha256) or not any(self.names(path)):
                self._disk.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error(error, "removing a file that no row needs any more") from error

    def kept_at(self, path: Path, sha256: str) -> float | None:
        return self._objects.written(self._key(path, sha256))

    def try_writing(self, name: str) -> None:
        key = f"{_TRIAL}-{name}"
        self._objects.put_new({key: partial(_write, b"tried")})
        self._objects.remove([key])

    def names(self, root: Path) -> Iterator[tuple[Path, str]]:
        keys = self._objects.keys(str(self._relative(root)).removeprefix("."))
        found = (self._sealing(self._state / key).named(key) for key in keys if "/" in key)
        yield from sorted((self._state / path, sha256) for path, sha256 in filter(None, found))

    def prepare(self, mark: bytes) -> None:
        """Write the store's mark, and what shows that a node has the store's keys; again is the same. ConfigurationInvalid for a store that overwrites."""
        self._objects.put_new({MARK: partial(_write, mark)})
        for content in (b"first", b"second"):
            self._objects.put_new({_TRIAL: partial(_write, content)})
        with self._objects.open(_TRIAL) as found:
            is_first = found is not None and found.read() == b"first"
        self._objects.remove([_TRIAL])
        if not is_first:
            raise ConfigurationInvalid(
                "the store of [payloads] url overwrites: it has to refuse a PUT with If-None-Match: * of a key that is taken"
            )
        for kind, source in self._sources.items():
            sealing = source()
            self._objects.put_new({f"{_CHECK}-{kind}": partial(_seal_bytes, sealing, mark)})
            self._verify(kind, sealing)

    def verify(self) -> bytes:
        """The store's mark. StoreForeign where it was made with other keys than are here."""
        for kind, source in self._sources.items():
            self._verify(kind, source())
        with self._objects.open(MARK) as found:
            return b"" if found is None else found.read()

    # -- names and keys

    def _key(self, path: Path, sha256: str) -> str:
        relative = self._relative(path)
        if not all(_PART.fullmatch(part) for part in relative.parts):
            raise CustodyLost("a file below the state has a name that the store cannot have")
        return self._sealing(path).key_of(relative, sha256)

    def _relative(self, path: Path) -> PurePosixPath:
        return PurePosixPath(path.relative_to(self._state))

    def _sealing(self, path: Path) -> Sealing:
        kind = "sealed" if self._relative(path).parts[0] in SEALED_AREAS else "plain"
        if kind not in self._sealings:
            sealing = self._sources[kind]()
            self._verify(kind, sealing)
            self._sealings[kind] = sealing
        return self._sealings[kind]

    def _verify(self, kind: str, sealing: Sealing) -> None:
        """With another key the store would look as though it had no file."""
        with self._objects.open(f"{_CHECK}-{kind}") as found:
            try:
                sealing.open(io.BytesIO() if found is None else found, io.BytesIO())
            except StoreFileLost as error:
                raise StoreForeign from error

    # -- bytes

    def _seal(self, path: Path, lying: Path, sha256: str, target: Target) -> None:
        try:
            descriptor = os.open(lying, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                source = _DigestedSource(file)
                self._sealing(path).seal(source, target)
        except OSError as error:
            raise disk_error(error, "reading a file for the store") from error
        if source.hexdigest() != sha256:
            raise CustodyLost("a file has other bytes than it had when it was taken")

    def _make(self, directory: Path) -> None:
        if not directory.is_dir():
            self._make(directory.parent)
            make_directory(directory, 0o770, self._disk)  # what the umask leaves
            give_to_owner_of(directory.parent, directory)

    def _reserve(self, path: Path) -> tuple[Path, int]:
        """A temporary file beside the path, locked: two roles that bring the same file do not write into each other's."""
        temporary = temporary_beside(path)
        while True:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o660)  # what the umask leaves
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is(temporary, descriptor):
                    give_to_owner_of(path.parent, descriptor)
                    os.ftruncate(descriptor, 0)
                    return temporary, descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


class _Digested:
    """An open file that is written and digested."""

    def __init__(self, descriptor: int, disk: Disk) -> None:
        self._descriptor, self._disk, self._digest = descriptor, disk, hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        write_all(self._descriptor, data, self._disk)
        self._digest.update(data)
        return len(data)

    def flush(self) -> None:
        return

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _DigestedSource:
    """A file that is read and digested."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _shows(path: Path, sha256: str) -> bool:
    """Whether that file lies there."""
    try:
        return file_digest(path) == sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise disk_error(error, "reading a file that was brought from the store") from error


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write(content: bytes, target: Target) -> None:
    target.write(content)


def _seal_bytes(sealing: Sealing, content: bytes, target: Target) -> None:
    sealing.seal(io.BytesIO(content), target)
