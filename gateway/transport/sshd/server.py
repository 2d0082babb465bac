"""The managed SFTP server: a private OpenSSH sshd for the landing of one site, started, reloaded and ended here.

Raises ServerFailed when it does not start, with sshd's own words. Safe, because it serves nothing but the landing to the
keys of configured partners (`config` says how), and because no sshd outlives its gateway: `guard` ends it and
its sessions after a kill -9, and a start looks for one that is left over all the same. Sessions that a killed guard left
are ended here.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import gateway
from gateway.errors import ServerFailed
from gateway.storage.durable import sync_directory
from gateway.transport.names import own_file_fault
from gateway.transport.sshd.config import render_authorized_keys, render_config
from gateway.transport.sshd.left_over import STOP_SECONDS, end_predecessor, end_sessions, pid_in
from gateway.transport.sshd.machine import (
    check_server,
    host_kinds,
    is_chrooted,
    make_landing,
    may_set_attributes,
    needs_pam,
)
from gateway.transport.sshd.spec import ServerSpec

_START_SECONDS: Final = 15.0
_LAST_WORDS_SECONDS: Final = 2.0
"""How long is waited for what sshd said at its end."""
_PRIVILEGE_SEPARATION: Final = Path("/run/sshd")
_LISTENING: Final = "Server listening on "
_LAST_LINES: Final = 8
_LONGEST_MESSAGE: Final = 65_536


class ManagedServer:
    """One sshd. `on_message` gets each message of sshd's, from a thread of this object's own.

    A message is what sshd wrote at once, whole, with whatever line ends strangers' words have in it: sshd does not escape
    those, and in a stream of lines a user name could pass for a message of its own.
    """

    def __init__(
        self,
        spec: ServerSpec,
        on_message: Callable[[str], None] = lambda _message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec = spec
        self._on_message = on_message
        self._clock = clock
        self._guard: subprocess.Popen[bytes] | None = None
        self._messages: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._told_over = Path()
        self._listening = threading.Event()
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._ignores_attributes = False

    @property
    def pid(self) -> int | None:
        """Sshd's process, while it runs."""
        return pid_in(self.spec.pid_file) if self.is_alive() else None

    def write(self) -> bool:
        """Write sshd_config, the key files and the partners' directories; whether sshd_config changed."""
        spec = self.spec
        as_root = os.geteuid() == 0
        check_server(spec)
        try:
            spec.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            spec.directory.chmod(0o700)
            make_landing(spec)
        except OSError as error:
            raise own_file_fault(error) from error
        chrooted = is_chrooted(spec, as_root=as_root)
        config = render_config(
            spec, chrooted=chrooted, pam=needs_pam(spec), key_reader=_program("cat"), host_kinds=host_kinds(spec)
        )
        changed = _replace(spec.config_file, config)
        landing = Path("/") if chrooted else spec.landing.resolve()
        umask = "0027" if spec.shared else "0077"
        # An sshd that runs is as it was started: without the filter in force, nobody may set attributes.
        attributes = self._ignores_attributes if self.is_alive() else may_set_attributes(spec)
        keys = render_authorized_keys(spec.together, landing, umask, attributes=attributes)
        _replace(spec.authorized_keys, keys)
        for account in spec.separate:
            _replace(spec.account_keys(account), render_authorized_keys([account], None, attributes=attributes))
        return changed

    def start(self) -> None:
        """Write the files, start sshd and return once it listens; ServerFailed otherwise."""
        if self.is_alive():
            raise ServerFailed("the SFTP server runs already")
        sshd = _program("sshd")
        self.write()
        try:
            if os.geteuid() == 0:
                _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)  # gone at every boot, and sshd insists on it
            self._test(sshd)
            end_predecessor(self.spec)
            self._launch(sshd)
        except OSError as error:
            raise ServerFailed(f"the SFTP server cannot be started: {error.strerror}") from error
        self._await_listening()

    def _launch(self, sshd: str) -> None:
        self._listening.clear()
        self._said.clear()
        self._ignores_attributes = may_set_attributes(self.spec)
        # Not a pipe: sshd writes each message at once, and this kind of socket keeps them apart.
        self._messages, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._told_over = Path(f"/proc/self/fd/{theirs.fileno()}").readlink()
            self._guard = subprocess.Popen(
                self._command(sshd),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=theirs.fileno(),
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(Path(gateway.__file__).parents[1])},
            )
        self._reader = threading.Thread(target=self._read, args=(self._messages,), name="sshd-log", daemon=True)
        self._reader.start()

    def _await_listening(self) -> None:
        """What sshd says counts, not a connection: another server may hold the port."""
        deadline = self._clock() + _START_SECONDS
        while not self._listening.wait(0.02):
            if not self.is_alive() or self._clock() > deadline:
                self.stop()
                raise ServerFailed(self._last_words())

    def reload(self, spec: ServerSpec | None = None) -> None:
        """Take over another set of partners. Keys count from the next login; sshd is told only if its config changed.

        Sessions that are open stay open. Raises ServerFailed, with the old sshd still running, for a bad description.
        """
        if spec is not None and (spec.directory != self.spec.directory or spec.landing != self.spec.landing):
            raise ServerFailed("the SFTP server's directories cannot change while it runs: restart the gateway")
        before = self.spec
        self.spec = spec or before
        try:
            changed = self.write()
            self._test(_program("sshd"))
        except ServerFailed:
            self.spec = before
            self.write()
            raise
        if changed and self._guard is not None and self._guard.poll() is None:
            self._guard.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End sshd and every session; nothing happens when it does not run."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        if guard.poll() is not None:
            end_sessions(self._told_over)
        if guard.stdin is not None:
            guard.stdin.close()
        try:
            guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(guard.pid, signal.SIGKILL)
            guard.wait()
        if self._reader is None or self._messages is None:
            return
        self._reader.join(_LAST_WORDS_SECONDS)
        self._messages.shutdown(socket.SHUT_RD)  # whoever still has the other end: closing would not wake the reader
        self._reader.join()
        self._messages.close()

    def is_alive(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def _command(self, sshd: str) -> list[str]:
        command = [sys.executable, "-P", "-m", "gateway.transport.sshd.guard", "--parent", str(os.getpid())]
        command += ["--pid-file", str(self.spec.pid_file)]
        if not needs_pam(self.spec):  # PAM's session modules write in places of their own, /proc among them
            command += ["--confine-to", str(self.spec.landing)]
        if self._ignores_attributes:
            command += ["--ignore-attributes"]
        return [*command, "--", sshd, "-D", "-e", "-f", str(self.spec.config_file)]

    def _test(self, sshd: str) -> None:
        """Let sshd judge its own configuration before anything depends on it."""
        outcome = subprocess.run(
            [sshd, "-t", "-f", str(self.spec.config_file)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if outcome.returncode != 0:
            raise ServerFailed(f"sshd refuses its configuration: {' '.join(outcome.stderr.split())[:500]}")

    def _read(self, messages: socket.socket) -> None:
        while raw := messages.recv(_LONGEST_MESSAGE):
            message = raw.decode("utf-8", errors="replace").rstrip()
            self._said.append(message)
            self._on_message(message)
            if message.startswith(_LISTENING):
                self._listening.set()

    def _last_words(self) -> str:
        said = "; ".join(line for line in self._said if line)
        return f"the SFTP server does not start: {said or 'sshd said nothing'}"[:600]


def _replace(path: Path, text: str) -> bool:
    """Write `text` to `path` atomically, mode 0600; whether it is new."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise own_file_fault(error) from error
    return True


def sshd_program() -> str:
    """Where sshd lies."""
    return _program("sshd")


def _program(name: str) -> str:
    """Where a program lies; sshd must be started by its full path, and /usr/sbin is not on everybody's PATH."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/bin"]))
    if found is None:
        raise ServerFailed(f"{name} is not installed (`apt-get install openssh-server`)")
    return str(Path(found).resolve())
