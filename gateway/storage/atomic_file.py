"""A file that is whole under its own name, or not there at all.

The gateway writes gpg's output, not gpg. So bytes are counted while they come, a full disk is an error number, and the file gets
its name only after the verdict.

Raises DiskFull, DiskFailed, EnvelopeTooLarge. Safe because the temporary file is made new, is closed as the umask says, follows no
link, never replaces another file, and is removed on every way out but `publish`. The next attempt at the same output replaces
one that a killed process left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from gateway.errors import DiskFailed, EnvelopeTooLarge
from gateway.storage.durable import disk_error, sync_directory


class AtomicFile:
    """A file under a temporary name, which gets its own only by `publish`, and is removed otherwise.

    `take` is called in python-gnupg's reading thread: it raises nothing, calls `on_failure` so that gpg is ended, and keeps
    what went wrong for `raise_failure`. `watcher` sees every byte written. More than `most` bytes is a failure.
    """

    def __init__(
        self,
        output: Path,
        *,
        on_failure: Callable[[], None],
        most: int | None = None,
        watcher: Callable[[bytes], object] | None = None,
    ) -> None:
        self._output = output
        self._temporary = output.with_name(f".{output.name}.draft")
        self._on_failure = on_failure
        self._most = most
        self._watcher = watcher
        self._descriptor = -1
        self._failure: OSError | None = None
        self._overflowed = False
        self.size = 0

    def __enter__(self) -> Self:
        if os.path.lexists(self._output):
            raise DiskFailed(f"There is a file named {self._output.name} already.")
        try:
            self._temporary.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._temporary, flags, 0o640)
        except OSError as error:
            raise disk_error(error, f"{self._output.name} cannot be written") from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def take(self, octets: bytes) -> bool:
        """Write a piece; False tells python-gnupg not to keep it in memory."""
        if self._failure is not None or self._overflowed:
            return False
        if self._most is not None and self.size + len(octets) > self._most:
            self._overflowed = True
            self._on_failure()
            return False
        try:
            written = 0
            while written < len(octets):
                written += os.write(self._descriptor, memoryview(octets)[written:])
        except OSError as error:
            self._failure = error
            self._on_failure()
            return False
        if self._watcher is not None:
            self._watcher(octets)
        self.size += len(octets)
        return False

    def raise_failure(self) -> None:
        if self._overflowed:
            raise EnvelopeTooLarge
        if self._failure is not None:
            raise disk_error(self._failure, f"{self._output.name} cannot be written") from self._failure

    def publish(self, *, durable: bool) -> None:
        """Give the file its name, never over another; `durable` before anybody can speak of it."""
        try:
            if durable:
                os.fsync(self._descriptor)
            os.link(self._temporary, self._output, follow_symlinks=False)
            self._temporary.unlink()
            if durable:
                sync_directory(self._output.parent)
        except FileExistsError as error:
            raise DiskFailed(f"There is a file named {self._output.name} already.") from error
        except OSError as error:
            raise disk_error(error, f"{self._output.name} cannot be written") from error
