"""The gpg-agent of one site's key: started when it is needed, ended by its last user.

gpg would start an agent as its own child, under the limits of one message. So the agent is started here, and gpg is told not
to. Processes of one site share it: each holds a shared lock on `agent.users` while it may need the agent. The last to close,
which is the one that gets the lock exclusively, ends it. A killed process loses its lock; the agent that it left serves the
next process, which ends it.

A Unix socket's path has room for 107 bytes. Where the home lies deeper, the socket lies in a directory of mode 0700
under the system's temporary directory, and files of libassuan's redirection form point to it.

Raises KeyAgentAway, EngineMissing, DiskFull, DiskFailed. Ends only the agent of its own home, by `gpgconf --homedir`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.crypto.gnupg.gpg_process import child_environment
from gateway.crypto.gnupg.keyrings import not_started
from gateway.errors import EngineMissing, KeyAgentAway
from gateway.storage.durable import disk_error

_SOCKETS: Final = ("S.gpg-agent", "S.gpg-agent.ssh")
_LONGEST_SOCKET: Final = 100
"""Below the system's 107: gpg-agent 2.2 was seen to refuse a path that fits exactly."""
_ANSWER_SECONDS: Final = 3.0
_START_SECONDS: Final = 10.0
_PROGRAM_SECONDS: Final = 30.0
_REDIRECT: Final = "%Assuan%\nsocket="
_USERS: Final = "agent.users"
_SHORT_PREFIX: Final = "gateway-agent-"


class KeyAgent:
    """The agent of one GNUPGHOME."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._users: int | None = None
        self._socket: Path | None = None

    def ensure(self) -> None:
        """Return when the agent answers; start it where it does not run."""
        self._join()
        if self._answers():
            return
        with self._locked("agent.start"):
            self._socket = self._locate_socket()
            if not self._answers():
                self._start()

    def close(self) -> None:
        """Leave the agent to its other users, or end it where there are none."""
        users, self._users = self._users, None
        if users is None:
            if not (self._home / _USERS).exists():
                return  # nobody ever needed it
            users = self._open(_USERS)
        try:
            fcntl.flock(users, fcntl.LOCK_UN)
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            self._end()
        finally:
            os.close(users)

    def _join(self) -> None:
        if self._users is None:
            users = self._open(_USERS)
            fcntl.flock(users, fcntl.LOCK_SH)
            self._users = users

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        descriptor = self._open(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        """A lock file of the home, open. One that root makes belongs to the home's account, whose role opens it next."""
        try:
            descriptor = os.open(self._home / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            if os.geteuid() == 0:
                owner = self._home.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        except OSError as error:
            raise disk_error(error, "The keyring's directory cannot be used") from error
        return descriptor

    # -- the process

    def _answers(self) -> bool:
        """Whether the agent greets; KeyAgentAway where one listens and says nothing."""
        if self._socket is None:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            try:
                connection.connect(os.fspath(self._socket))
                return connection.recv(64).startswith(b"OK")
            except TimeoutError as error:
                raise KeyAgentAway("The agent that holds the private keys listens, but does not answer.") from error
            except OSError:
                return False

    def _start(self) -> None:
        _run(
            "gpg-agent",
            "--homedir",
            str(self._home),
            "--no-options",
            "--daemon",
            "--disable-scdaemon",
            "--extra-socket",
            "none",
            "--browser-socket",
            "none",
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() >= deadline:
                raise KeyAgentAway("The agent that holds the private keys does not start.")
            time.sleep(0.01)

    def _end(self) -> None:
        gone = time.monotonic() + _ANSWER_SECONDS
        with suppress(KeyAgentAway, EngineMissing):
            if self._socket is None:
                self._socket = self._find_socket()
            if self._answers():
                _run("gpgconf", "--homedir", str(self._home), "--kill", "gpg-agent")
            while self._answers() and time.monotonic() < gone:
                time.sleep(0.005)
        self._remove_redirect()
        self._socket = None

    # -- the socket's place

    def _locate_socket(self) -> Path:
        """Where the agent's socket is or will be; makes the redirection where the home lies too deep."""
        return self._find_socket() or self._redirect() / _SOCKETS[0]

    def _find_socket(self) -> Path | None:
        """Where the agent's socket is; None where the home lies too deep for one, and none is redirected."""
        listed = _run("gpgconf", "--homedir", str(self._home), "--list-dirs", "agent-socket").strip()
        socket_path = Path(listed) if listed else self._home / _SOCKETS[0]
        if (
            socket_path.parent != self._home
            or max(len(os.fsencode(self._home / name)) for name in _SOCKETS) <= _LONGEST_SOCKET
        ):
            return socket_path
        short = self._redirected()
        return None if short is None else short / _SOCKETS[0]

    def _redirected(self) -> Path | None:
        """The directory that the redirection points to, if it is still ours alone."""
        try:
            text = (self._home / _SOCKETS[0]).read_text("utf-8")
            short = Path(text.removeprefix(_REDIRECT).strip()).parent
            status = short.lstat()
        except (OSError, ValueError):
            return None
        private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
        ours = status.st_uid == os.geteuid() and short.name.startswith(_SHORT_PREFIX)
        return short if text.startswith(_REDIRECT) and private and ours else None

    def _redirect(self) -> Path:
        try:
            short = Path(tempfile.mkdtemp(prefix=_SHORT_PREFIX, dir=_short_root()))
            for name in _SOCKETS:
                temporary = self._home / f".{name}.draft"
                temporary.write_text(f"{_REDIRECT}{short / name}\n", "utf-8")
                temporary.replace(self._home / name)
        except OSError as error:
            raise disk_error(error, "The agent's socket has no place") from error
        return short

    def _remove_redirect(self) -> None:
        short = self._redirected()
        if short is None:
            return
        for name in _SOCKETS:
            (self._home / name).unlink(missing_ok=True)
        shutil.rmtree(short, ignore_errors=True)


def _short_root() -> str:
    chosen = tempfile.gettempdir()
    longest = max(len(name) for name in _SOCKETS) + len(_SHORT_PREFIX) + 12
    return chosen if len(os.fsencode(chosen)) + longest <= _LONGEST_SOCKET else "/tmp"  # noqa: S108 - mkdtemp makes it private


def _run(*command: str) -> str:
    """A program's output; its exit status says nothing that the socket does not say better."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            timeout=_PROGRAM_SECONDS,
            check=False,
            text=True,
            errors="surrogateescape",
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise KeyAgentAway(f"{command[0]} does not answer.") from error
    except OSError as error:
        raise not_started(error, command[0]) from error
    return done.stdout
