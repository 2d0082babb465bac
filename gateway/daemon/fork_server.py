"""The fork server: a process that has imported what every role needs, and forks the supervisor's roles.

A role starts in a tenth of the processor time of a new interpreter (docs/adr/0040). Why that is safe: the server is an
interpreter of its own, started by exec. It inherits neither the supervisor's lock and pipes nor its threads and signal
handlers, reads no configuration, opens no key and no ledger, and never starts a thread. Each role is forked from this same
state, reads the configuration itself and gives up its rights itself (`role_process`).

The two speak over a socket of packets. Orders: `start ROLE`, `signal ROLE NUMBER`, `answer`. Answers: `ended ROLE STATUS`,
`failed ROLE WHY`, `here`. Where either side ends, the other sees it: the server then ends too, and the kernel ends the roles with
their server.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PACKET: Final = 256
_BLOCKED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that a terminal sends to the whole process group: the server ends with its supervisor, which ends the roles."""
_END_SECONDS: Final = 2.0
_ASK_EVERY: Final = 10.0
_LONGEST_SILENCE: Final = 60.0
"""Seconds: the imports at its start take a tenth of that on a busy machine."""
_LONGEST_STEP: Final = 1.0
"""How much one look may add to a silence: where the supervisor was stopped itself, the server may have been too."""
_ARG_START: Final = 45
"""Index of arg_start among the fields of /proc/PID/stat after the name (proc(5), field 48); arg_end follows it."""


@dataclass(frozen=True)
class Ended:
    """How a role's process ended: `status` is negative for a signal, None where it is unknown or no process was started."""

    reason: str
    status: int | None = None


class ForkServer:
    """The supervisor's side. It starts the server when it first needs one, and again where it has ended."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._server: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._ended: dict[str, Ended] = {}
        self._running: set[str] = set()
        self._looked = 0.0
        self._silent: float | None = None
        self._quiet = 0.0

    def open(self) -> None:
        """Start the server, which then imports. OSError where it cannot be started."""
        if self._server is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-m", "gateway", "--home", str(self._home), "run", "--as-fork-server"]
        try:
            self._server = subprocess.Popen([*command, "--supervised-by", str(os.getpid())], stdin=theirs.fileno())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel, self._silent, self._quiet = ours, None, 0.0

    def look_after(self, now: float) -> None:
        """Ask the server now and then whether it is there, and end one that has been silent for too long; its roles end with
        it, and `ended` says so. `now` is in seconds that never go back.
        """
        while self._listen(0.0):
            pass
        step, self._looked = min(now - self._looked, _LONGEST_STEP), now
        if self._channel is None:
            return
        if self._silent is not None:
            self._silent += step
            if self._silent > _LONGEST_SILENCE:
                self.kill()
            return
        self._quiet += step
        if self._quiet >= _ASK_EVERY:
            self._silent, self._quiet = 0.0, 0.0
            self._order("answer")

    def start(self, role: str) -> None:
        """Have the role forked; `ended` reports a failure. OSError where no server can be started."""
        self.open()
        self._ended.pop(role, None)
        self._running.add(role)
        self._order(f"start {role}")

    def signal(self, role: str, number: int) -> None:
        """Send a signal to the role, where it runs."""
        if role in self._running:
            self._order(f"signal {role} {number}")

    def ended(self, role: str, seconds: float = 0.0) -> Ended | None:
        """How the role ended, returned once; None where it still runs after so many seconds."""
        deadline = time.monotonic() + seconds
        while role in self._running and self._listen(max(0.0, deadline - time.monotonic())):
            pass
        return self._ended.pop(role, None)

    def close(self) -> None:
        """End the server. The kernel ends any role that is left."""
        self._lose("the supervisor ends")

    def kill(self) -> None:
        """End a server that does not do what it is told. The kernel ends its roles."""
        if self._server is not None:
            self._server.kill()
        self._lose("the fork server did not answer")

    def _order(self, text: str) -> None:
        try:
            if self._channel is not None:
                self._channel.sendall(text.encode())
        except OSError:
            self._lose("the fork server ended")

    def _listen(self, seconds: float) -> bool:
        """Take one answer; False where none came in time."""
        if self._channel is None or not select.select([self._channel], [], [], seconds)[0]:
            return False
        try:
            fields = self._channel.recv(_PACKET).decode().split(" ", 2)
        except OSError:
            fields = [""]
        if fields == [""]:
            self._lose("the fork server ended")
            return True
        if fields == ["here"]:
            self._silent = None
            return True
        what, role, rest = fields[0], fields[1], fields[2]
        self._running.discard(role)
        if what == "ended":
            self._ended[role] = Ended(f"{role} ended", int(rest))
        else:
            self._ended[role] = Ended(f"{role} cannot be started: {rest}")
        return True

    def _lose(self, reason: str) -> None:
        """End the server, if it has not ended, and its roles with it."""
        if self._channel is not None:
            self._channel.close()
        if self._server is not None:
            try:
                self._server.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._server = self._channel = None
        for role in self._running:
            self._ended[role] = Ended(f"{role} ended, since {reason}")
        self._running.clear()


def fork_roles() -> tuple[str, int] | None:
    """Fork a role at each order that comes in over stdin, until the supervisor closes its end: then return None.

    Returns in each forked process too: the role that it is to be, and the server's process id.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    _import_roles()
    gc.collect()
    gc.freeze()  # keeps the memory of the imports shared: a collection would write to each object
    server, channel = os.getpid(), socket.socket(fileno=0)
    running: dict[int, tuple[str, int]] = {}
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            for ready, _ in poll.poll():
                if ready in running:
                    poll.unregister(ready)
                    channel.sendall(_reap(ready, *running.pop(ready)))
                    continue
                order = channel.recv(_PACKET).decode().split(" ")
                if order == [""]:
                    return None
                if order == ["answer"]:
                    channel.sendall(b"here")
                    continue
                role = order[1]
                if order[0] == "signal":
                    for pid in [pid for each, pid in running.values() if each == role]:
                        os.kill(pid, int(order[2]))  # not reaped yet, so the number is still its own
                    continue
                try:
                    pid = os.fork()
                except OSError as error:
                    channel.sendall(f"failed {role} {error.strerror}".encode())
                    continue
                if pid == 0:
                    _leave(channel, running)
                    show_as(role)
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
                    return role, server
                end = os.pidfd_open(pid)  # readable once the process has ended
                running[end] = role, pid
                poll.register(end, select.POLLIN)
    return None


def _import_roles() -> None:
    import structlog  # noqa: F401, PLC0415 - as below

    from gateway.assembly.roles import import_engines  # noqa: PLC0415 - the supervisor imports this module too
    from gateway.daemon import role_process  # noqa: F401, PLC0415 - as above

    import_engines()


def _reap(descriptor: int, role: str, pid: int) -> bytes:
    os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    return f"ended {role} {os.waitstatus_to_exitcode(status)}".encode()


def _leave(channel: socket.socket, running: dict[int, tuple[str, int]]) -> None:
    """In a forked process: close everything that the server has open."""
    for descriptor in running:
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, channel.detach())
    os.close(nothing)


def show_as(role: str) -> None:
    """Make /proc and `ps` show the role's command line, in the memory of the server's, which has room for it."""
    arguments = [str(role) if each == "--as-fork-server" else each for each in sys.orig_argv]
    arguments.insert(arguments.index(str(role)), "--role")
    with suppress(OSError):
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_START + 1])
        text = b"".join(os.fsencode(each) + b"\0" for each in arguments)
        if start and len(text) <= end - start:
            ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
