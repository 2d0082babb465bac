"""A PostgreSQL server of Debian's package, for a test: its own directory, reached by a socket there and in no other way."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

_DEBIAN: Final = Path("/usr/lib/postgresql")
_SECONDS: Final = 60


def program(name: str) -> str | None:
    """Where a program of the server is: on PATH, or where Debian puts it; the newest version of several."""
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parents[1].name), reverse=True)
    return next(map(str, versions), None) or shutil.which(name)


class Server:
    """A server in a directory of its own, as `url` says for `[load] database` and `[ledger] url`. It can be killed and started again."""

    def __init__(self, root: Path, *, durable: bool = False) -> None:
        self._root, self._user = root, _user()
        self._fsync = "on" if durable else "off"
        role = self._user or pwd.getpwuid(os.getuid()).pw_name
        self.url = f"postgresql:///postgres?host={root}&user={role}"
        if self._user is not None:
            os.chown(root, pwd.getpwnam(self._user).pw_uid, -1)
        self._run("initdb", "-A", "trust", "-U", role, "-E", "UTF8", "--no-sync", "--locale=C")

    def start(self) -> None:
        """As a child of this process, with which it ends however that ends."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._root),
            "shared_buffers": "16MB",
            "fsync": self._fsync,
        }
        with (self._root / "log").open("ab") as said:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "QUIT", str(program("postgres")), "-D", str(self._root / "data")),
                    *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
                ],
                cwd=self._root,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        until = time.monotonic() + _SECONDS
        while subprocess.run([str(program("pg_isready")), "-q", "-h", str(self._root)], check=False).returncode:
            going_on = self._process.poll() is None and time.monotonic() < until
            assert going_on, (self._root / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(_SECONDS)

    def kill(self) -> None:
        """As the kernel does where memory is short: no process of it has a word in it."""
        first = self._first()
        all_of_it = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split())]
        os.kill(first, signal.SIGKILL)
        self._process.wait(_SECONDS)
        while any(map(_lives, all_of_it)):  # its children see that it is gone, and end by themselves
            time.sleep(0.01)
        # Where nobody takes note of its end, as in many containers, its number still stands for a process.
        for noted in (self._root / "data" / "postmaster.pid", *self._root.glob(".s.PGSQL.*.lock")):
            noted.unlink()

    def _first(self) -> int:
        return int((self._root / "data" / "postmaster.pid").read_text("ascii").split()[0])

    def _run(self, name: str, *arguments: str) -> None:
        _run([str(program(name)), "-D", str(self._root / "data"), *arguments], self._root, self._user)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    """A server that runs, and is gone at the end; skips the test where there is none. `durable`: commits wait for the disk."""
    if None in map(program, ("initdb", "postgres", "pg_isready")):
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    root = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    try:
        made = Server(root, durable=durable)
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(root)


@contextmanager
def server() -> Iterator[str]:
    """The same, where its URL is enough."""
    with running() as made:
        yield made.url


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return False


def _user() -> str | None:
    """Under which account: the server refuses root's."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(command: list[str], where: Path, user: str | None) -> None:
    # What it says goes to a file: the server keeps what pg_ctl gave it open.
    with (where / "said").open("w+b") as said:
        done = subprocess.run(
            command,
            cwd=where,
            user=user,
            check=False,
            timeout=2 * _SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        said.seek(0)
        assert done.returncode == 0, said.read().decode(errors="replace")
