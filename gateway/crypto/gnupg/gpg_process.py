"""python-gnupg within limits: each run of gpg is bounded, and says what it found on a pipe of its own.

Four things differ from `gnupg.GPG`, each because of what a hostile message or certificate can do to it:

- status lines come through their own pipe, cut at line feeds only. python-gnupg mixes them with gpg's prose and cuts at
  every character that Unicode calls a line end, so that a user id or file name could speak in gpg's name;
- the child has limits of CPU, memory and file size, and a deadline by the clock, after which it is killed;
- lines of status are collected raw (`StatusLog`) and counted; judging them is `verdict`'s work;
- a pipe that gpg closes early ends the feeding quietly, since the status lines say why.

Raises EngineMissing where gpg is not installed. Every other fault shows in the `Run` of the call: nothing that gpg does
becomes an exception here. One call at a time.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, ClassVar, Final

import gnupg

from gateway.crypto.gnupg.keyrings import not_started
from gateway.crypto.gnupg.process_limits import Ended, Feed, LimitedProcess, ProcessLimits, Run
from gateway.errors import EngineMissing

BLOCK: Final = 262_144
"""Bytes that go through a pipe at a time."""

_MOST_STATUS_BYTES: Final = 262_144
_PIPE_BYTES: Final = 1_048_576
_FILE_BYTES: Final = 65_536
_SAYS: Final = b"[GNUPG:] "

_ALWAYS: Final = (
    "--no-options",
    "--no-greeting",
    "--no-autostart",
    "--no-auto-check-trustdb",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--disable-dirmngr",
    "--no-random-seed-file",
    "--no-symkey-cache",
    "--pinentry-mode",
    "error",
    "--trust-model",
    "always",
    "--display-charset",
    "utf-8",
)


class StatusLog(gnupg.Crypt):  # type: ignore[misc]  # python-gnupg ships no types
    """Keeps every status line as gpg wrote it; draws no conclusion from any."""

    def __init__(self, gpg: Any) -> None:
        super().__init__(gpg)
        self.lines: list[str] = []

    def handle_status(self, key: str, value: str) -> None:
        self.lines.append(f"{key} {value}" if value else key)


class _Stdin:
    """gpg's stdin, which gpg may close before it has read everything, and which two threads close when it ends."""

    def __init__(self, pipe: IO[bytes], hang_up: Callable[[], None]) -> None:
        self._pipe = pipe
        self._hang_up = hang_up
        self._lock = threading.Lock()

    def write(self, octets: bytes) -> None:
        with self._lock:
            if self._pipe.closed:
                self._hang_up()
                return
            try:
                self._pipe.write(octets)
                self._pipe.flush()
            except BrokenPipeError:
                self._hang_up()

    def close(self) -> None:
        with self._lock, suppress(BrokenPipeError):
            self._pipe.close()


class GpgProcess(gnupg.GPG):  # type: ignore[misc]  # python-gnupg ships no types
    """gpg over one home directory, with the options that every call of the gateway has."""

    buffer_size = BLOCK
    # Bytes outside ASCII arrive as \xNN, so that python-gnupg cuts its listings at line feeds only.
    decode_errors = "backslashreplace"
    result_map: ClassVar[dict[str, Any]] = {
        **gnupg.GPG.result_map,
        "crypt": StatusLog,
        "sign": StatusLog,
        "verify": StatusLog,
    }

    on_data: Callable[[bytes], object] | None
    keyring: list[str] | None

    def __init__(self, home: Path, options: Sequence[str] = ()) -> None:
        self._limits = ProcessLimits()
        self._status_fd = -1
        self._feed: Feed | None = None
        self._running: LimitedProcess | None = None
        self._last = Run((), 0)
        try:
            super().__init__(
                gpgbinary="gpg",
                gnupghome=str(home),
                options=[*_ALWAYS, *options],
                env=child_environment(),
                encoding="ascii",
            )
        except OSError as error:
            raise not_started(error, "GnuPG (gpg)") from error
        except ValueError as error:
            raise EngineMissing("GnuPG (gpg) does not run here.") from error

    @contextmanager
    def within(self, limits: ProcessLimits, feed: Feed | None = None) -> Iterator[None]:
        """Run what is called inside under these limits, reading `feed`."""
        outer, self._limits, self._feed = self._limits, limits, feed
        try:
            yield
        finally:
            self._limits, self._feed, self.on_data = outer, None, None
            if feed is not None:
                feed.stop()
                feed.process = None

    @property
    def last(self) -> Run:
        """How the last run went."""
        return self._last

    def kill(self, reason: Ended) -> None:
        """End the run under way."""
        if self._running is not None:
            self._running.kill(reason)

    # -- python-gnupg's own steps, in the order in which it takes them

    def make_args(self, args: list[str], passphrase: bool) -> list[str]:  # noqa: FBT001 - python-gnupg's signature
        command: list[str] = super().make_args(args, passphrase)
        command[command.index("--status-fd") + 1] = str(self._status_fd)
        if not self._limits.writes_files:
            # Without locks a killed gpg leaves no lock file behind; nobody changes these keyrings in place.
            command.insert(1, "--lock-never")
        return command

    def _open_subprocess(self, args: list[str], passphrase: bool = False) -> subprocess.Popen[bytes]:  # noqa: FBT001, FBT002 - python-gnupg's signature
        ours, self._status_fd = os.pipe()
        try:
            process = subprocess.Popen(
                self.make_args(args, passphrase),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self.env,
                pass_fds=(self._status_fd,),
                start_new_session=True,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(self._status_fd)
        _limit(process.pid, self._limits)
        for pipe in (process.stdin, process.stdout):
            _widen(pipe)
        feed = self._feed
        process.stdin = _Stdin(process.stdin, feed.hang_up if feed else _nothing)  # type: ignore[assignment, arg-type]  # as much of a file as python-gnupg uses; PIPE was asked for
        process.stderr = os.fdopen(ours, "rb")
        self._running = LimitedProcess(process, self._limits)
        if feed is not None:
            feed.process = self._running
        return process

    def _read_response(self, stream: codecs.StreamReader, result: Any) -> None:
        pipe: IO[bytes] = stream.stream  # type: ignore[assignment]  # the pipe of _open_subprocess, under python-gnupg's decoder
        room = _MOST_STATUS_BYTES
        while line := pipe.readline(_MOST_STATUS_BYTES):
            room -= len(line)
            if room < 0:
                self.kill(Ended.CHATTER)
                continue
            if line.startswith(_SAYS):
                words = line[len(_SAYS) :].rstrip(b"\r\n").decode("ascii", "backslashreplace")
                keyword, _, value = words.partition(" ")
                # python-gnupg's own handlers unpack fields without counting them.
                with suppress(ValueError, LookupError):
                    result.handle_status(keyword, value.strip())
        result.stderr = ""

    def _collect_output(self, process: Any, result: Any, writer: Any = None, stdin: Any = None) -> int:
        running = self._running
        try:
            returncode: int = super()._collect_output(process, result, writer, stdin)
        finally:
            if running is not None:
                running.finish()
        lines = tuple(result.lines) if isinstance(result, StatusLog) else ()
        self._last = Run(lines, returncode, running.ended if running is not None else None)
        return returncode


def child_environment() -> Mapping[str, str]:
    """The environment of gpg and its agent: where programs are, and messages in no language."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _limit(pid: int, limits: ProcessLimits) -> None:
    """Bound a child that has just started; it has read nothing yet.

    Core dumps are not among the limits: gpg forbids them itself, and gives up where its own limit changes under its hands.
    """
    resources = {
        resource.RLIMIT_CPU: (limits.cpu_seconds, limits.cpu_seconds + 1),
        resource.RLIMIT_AS: (limits.memory_bytes, limits.memory_bytes),
    }
    if not limits.writes_files:
        resources[resource.RLIMIT_FSIZE] = (_FILE_BYTES, _FILE_BYTES)
    with suppress(ProcessLookupError):
        for kind, (soft, hard) in resources.items():
            resource.prlimit(pid, kind, (soft, hard))


def _widen(pipe: IO[bytes] | None) -> None:
    """Fewer, larger steps through the pipe, where the system grants it."""
    if pipe is not None:
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _nothing() -> None:
    return
