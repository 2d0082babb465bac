"""Commands of the gateway, run in forks of one process that has imported the program: a command without its start.

A command takes a third of a second of processor time to import what it needs, and a few hundredths to do what a test asks.
So each process that runs tests keeps a server, which imports the command line once. For each command the server forks; the
child takes the directory, environment, mask and the three standard files of the caller, and then runs `gateway.cli.main` as
`python -m gateway` does. Daemons are not started like this: a role must load only what it needs.
"""

from __future__ import annotations

import atexit
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
from typing import IO, Final

from gateway.cli import COMMANDS, main

_ROOT: Final = Path(__file__).parents[2]
_LONGEST: Final = 1 << 20
"""Bytes of one order: arguments and environment."""
_HANDED: Final = 4
"""Files that come with an order: the three standard ones, and the one for answers."""


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
        umask = os.umask(0o022)
        os.umask(umask)
        order = _Order([*map(str, arguments)], dict(env), str(Path.cwd()), umask)
        status = _server().run(order, (given, out, err), timeout)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read())
    return subprocess.CompletedProcess(["gateway", *order.arguments], status, *said)


@dataclass(frozen=True)
class _Order:
    """A command, and what it takes over from its caller besides files."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    directory: str
    umask: int


class _Server:
    """The process that forks, as its caller sees it. Several threads may run commands at a time."""

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

    def run(self, order: _Order, files: Sequence[IO[str]], timeout: float) -> int:
        """The exit status, or the signal that ended the command as a negative number."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb", buffering=0) as answers:
            try:
                handed = [*(file.fileno() for file in files), writing]
                socket.send_fds(self._socket, [json.dumps(asdict(order)).encode()], handed)
            finally:
                os.close(writing)
            pid = int(answers.readline())
            if not select.select([answers], [], [], timeout)[0]:
                os.kill(pid, signal.SIGKILL)
                answers.readline()
                raise subprocess.TimeoutExpired(["gateway", *order.arguments], timeout)
            return int(answers.readline())


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
    """Fork for each order until nobody can send one; in a child: run the command, and return its exit status."""
    for entry in COMMANDS.values():
        import_module(entry.target.partition(":")[0])
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
                return main(_in_place_of_the_caller(_Order(**json.loads(told)), files))
            for file in files:
                os.close(file)
            _say(answers, pid)
            child = os.pidfd_open(pid)
            children[child] = _Child(pid, answers)
            waiting.register(child, select.POLLIN)


def _say(answers: int, number: int) -> None:
    with suppress(BrokenPipeError):  # whoever asked is gone
        os.write(answers, b"%d\n" % number)


def _in_place_of_the_caller(order: _Order, files: Sequence[int]) -> Sequence[str]:
    """Let this process be as if the caller had started it; the arguments."""
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(order.directory)
    os.umask(order.umask)
    os.environ.clear()
    os.environ.update(order.env)
    sys.argv = ["gateway", *order.arguments]
    return order.arguments


if __name__ == "__main__":
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
