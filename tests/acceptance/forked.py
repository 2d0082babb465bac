"""Commands and daemons of the gateway, run in forks of one process that has imported the program: without its start.

A command takes a third of a second of processor time to import what it needs, and a few hundredths to do what a test asks;
a daemon takes two thirds. So each process that runs tests keeps a server, which imports the program once. For each order
the server forks; the child takes the directory, environment, mask and the three standard files of the caller, and then runs
`gateway.cli.main` as `python -m gateway` does. The fork server of a daemon (`gateway.daemon.fork_server`) is forked too,
before the daemon has read anything. `tests/unit/daemon/test_loading.py` and `test_fork_server.py` start both by exec, and
so does a test that asks `Site.start` for it.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from gateway.assembly.roles import import_engines
from gateway.cli import COMMANDS, main
from gateway.daemon import fork_server, role_process, supervisor  # noqa: F401 - what daemons import

_ROOT: Final = Path(__file__).parents[2]
_LONGEST: Final = 1 << 20
"""Bytes of one order: arguments and environment."""
_HANDED: Final = 4
"""Files that come with an order: the three standard ones, and the one for answers."""


class Process:
    """A gateway that was forked: what a test needs of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], answers: IO[bytes]) -> None:
        self.args = ["gateway", *arguments]
        self.pid = int(answers.readline())
        self.returncode: int | None = None
        self._answers = answers

    def poll(self) -> int | None:
        """The exit status, or the signal that ended it as a negative number; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As `poll`, once it has ended; TimeoutExpired after `timeout` seconds."""
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            with self._answers:
                self.returncode = int(self._answers.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def command(
    *arguments: str | Path, env: Mapping[str, str], stdin: str = "", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """What `gateway ARGUMENTS` says and how it ends; TimeoutExpired, and the command killed, after `timeout` seconds."""
    with (
        tempfile.TemporaryFile("w+") as given,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        given.write(stdin)
        given.seek(0)
        process = _server().start(_order(arguments, env), (given, out, err))
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read())
    return subprocess.CompletedProcess(process.args, status, *said)


def daemon(*arguments: str | Path, env: Mapping[str, str], log: IO[bytes]) -> Process:
    """`gateway ARGUMENTS`, whose output goes into `log`, with its fork server forked."""
    with Path(os.devnull).open("rb") as nothing:
        return _server().start(_order(arguments, env, daemon=True), (nothing, log, log))


@dataclass(frozen=True)
class _Order:
    """A command, and what it takes over from its caller besides files."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    directory: str
    umask: int
    daemon: bool


def _order(arguments: Sequence[str | Path], env: Mapping[str, str], *, daemon: bool = False) -> _Order:
    umask = os.umask(0o022)
    os.umask(umask)
    return _Order([*map(str, arguments)], dict(env), str(Path.cwd()), umask, daemon)


class _Server:
    """The process that forks, as its caller sees it. Several threads may give orders at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )
        atexit.register(self._close)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()

    def start(self, order: _Order, files: Sequence[IO[Any]]) -> Process:
        reading, writing = os.pipe()
        try:
            handed = [*(file.fileno() for file in files), writing]
            socket.send_fds(self._socket, [json.dumps(asdict(order)).encode()], handed)
        finally:
            os.close(writing)
        return Process(order.arguments, os.fdopen(reading, "rb", buffering=0))


@cache
def _server() -> _Server:
    return _Server()


# -- in the server


@dataclass(frozen=True)
class _Child:
    """A command that runs, and where its end is reported."""

    pid: int
    answers: int

    def ended(self) -> None:
        _say(self.answers, os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]))
        os.close(self.answers)


def _serve(orders: socket.socket) -> int:
    """Fork for each order until nobody can send one."""
    for entry in COMMANDS.values():
        import_module(entry.target.partition(":")[0])
    import_engines()
    gc.collect()
    gc.freeze()  # as the gateway's own fork server does
    children: dict[int, _Child] = {}
    waiting = select.poll()
    waiting.register(orders, select.POLLIN)
    while True:
        for ready, _ in waiting.poll():
            if ready in children:
                waiting.unregister(ready)
                children.pop(ready).ended()
                os.close(ready)
                continue
            told, handed, _, _ = socket.recv_fds(orders, _LONGEST, _HANDED)
            if not told:
                return 0
            *files, answers = handed
            pid = os.fork()
            if pid == 0:
                for handle in (orders.detach(), answers, *children, *(child.answers for child in children.values())):
                    os.close(handle)
                _run(_Order(**json.loads(told)), files)
            for file in files:
                os.close(file)
            _say(answers, pid)
            child = os.pidfd_open(pid)
            children[child] = _Child(pid, answers)
            waiting.register(child, select.POLLIN)


def _say(answers: int, number: int) -> None:
    with suppress(BrokenPipeError):  # whoever asked is gone
        os.write(answers, b"%d\n" % number)


# -- in a child


def _run(order: _Order, files: Sequence[int]) -> NoReturn:
    """Be as if the caller had started this process."""
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(order.directory)
    os.umask(order.umask)
    os.environ.clear()
    os.environ.update(order.env)
    if order.daemon:
        _fork_server_beforehand(order.arguments)
    _gateway(order.arguments)


def _gateway(arguments: Sequence[str]) -> NoReturn:
    sys.argv = ["gateway", *arguments]
    sys.orig_argv = [sys.executable, "-P", "-m", *sys.argv]
    status = main(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # The interpreter's own end would visit every object that was imported, and copy its memory: 0.03 s.
    os._exit(status)


class _Beforehand:
    """In place of the module `subprocess` in the supervisor: its first fork server is forked already, and waits for its socket."""

    def __init__(self, pid: int, waiting: socket.socket) -> None:
        self.pid = pid
        self._waiting: socket.socket | None = waiting
        self._end = os.pidfd_open(pid)
        self._status: int | None = None

    TimeoutExpired = subprocess.TimeoutExpired

    def Popen(self, command: Sequence[str], stdin: int) -> Any:  # noqa: N802 - the name in subprocess
        if self._waiting is None:
            return subprocess.Popen(command, stdin=stdin)
        with self._waiting as waiting:
            socket.send_fds(waiting, [b"\0"], [stdin])
        self._waiting = None
        return self

    def wait(self, timeout: float | None = None) -> int:
        if self._status is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("the fork server", timeout or 0.0)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._end)
        return self._status

    def kill(self) -> None:
        if self._status is None:
            signal.pidfd_send_signal(self._end, signal.SIGKILL)


def _fork_server_beforehand(arguments: Sequence[str]) -> None:
    """Fork the gateway's fork server from this process, which has read nothing yet, and give it to the supervisor."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervised_by = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        with theirs:
            told, handed, _, _ = socket.recv_fds(theirs, 1, 1)
        if not told:  # the supervisor needs none
            os._exit(0)
        os.dup2(handed[0], 0)
        os.close(handed[0])
        named = arguments[: arguments.index("run") + 1]
        _gateway([*named, "--as-fork-server", "--supervised-by", str(supervised_by)])
    theirs.close()
    vars(fork_server)["subprocess"] = _Beforehand(pid, ours)


if __name__ == "__main__":
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
