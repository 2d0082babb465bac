"""A PostgreSQL server of Debian's package in a directory of its own, for demonstrations, measurements and tests.

It is reached by a socket in that directory and in no other way, runs as a child of this process and ends with it. Raises DemoFailed where
a program of the server fails, ServerMissing where there is none.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.demo.sites import DemoFailed
from gateway.errors import GatewayError

PROGRAMS: Final = ("initdb", "postgres", "pg_isready")
_DEBIAN: Final = Path("/usr/lib/postgresql")
_SECONDS: Final = 60


class ServerMissing(GatewayError):
    """There is no PostgreSQL server on this machine."""

    code = "postgresql-missing"
    exit_status = 69
    remedy = "As root: apt-get install postgresql."


def program(name: str) -> str | None:
    """Where a program of the server is: where Debian puts it, the newest version of several; or on PATH."""
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parents[1].name), reverse=True)
    return next(map(str, versions), None) or shutil.which(name)


def require() -> None:
    """Raise ServerMissing where a program of the server is not there."""
    if missing := [name for name in PROGRAMS if program(name) is None]:
        raise ServerMissing(f"PostgreSQL is missing on this machine: no {', no '.join(missing)}.")


class Server:
    """A server in the directory `root`, which `url` says for `[load] database` and `[ledger] url`. It can be killed and started again.

    `settings` are those of postgresql.conf that it has besides. With `durable`, commits wait for the disk. Where `like` is another
    server, it begins as a copy of that one, and follows it. With `stays` it outlives this process.
    """

    def __init__(
        self,
        root: Path,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        like: Server | None = None,
        stays: bool = False,
    ) -> None:
        self.root, self._user, self._stays = root, _user(), stays
        self.role = self._user or pwd.getpwuid(os.getuid()).pw_name
        self.settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(root),
            "shared_buffers": "16MB",
            "fsync": "on" if durable else "off",
            **(settings or {}),
        }
        self.url = f"postgresql:///postgres?host={root}&user={self.role}"
        if self._user is not None:
            os.chown(root, pwd.getpwnam(self._user).pw_uid, -1)
        if like is None:
            self.run("initdb", "-A", "trust", "-U", self.role, "-E", "UTF8", "--no-sync", "--locale=C")
        else:  # -R says in the copy whom it follows
            self.run(
                "pg_basebackup", "-h", str(like.root), "-U", self.role, "-R", "-X", "stream", "-c", "fast", "--no-sync"
            )

    def start(self) -> None:
        """As a child of this process, with which it ends however that ends."""
        with (self.root / "log").open("ab") as said:
            self._process = subprocess.Popen(
                [
                    *(() if self._stays else ("setpriv", "--pdeathsig", "QUIT")),
                    *(str(program("postgres")), "-D", str(self.root / "data")),
                    *(word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")),
                ],
                cwd=self.root,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=self._stays,
            )
        until = time.monotonic() + _SECONDS
        while subprocess.run([str(program("pg_isready")), "-q", "-h", str(self.root)], check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > until:
                raise DemoFailed(f"PostgreSQL does not start: {(self.root / 'log').read_text(errors='replace')[-600:]}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(_SECONDS)

    def kill(self) -> None:
        """As the kernel does where memory is short: no process of it has a word in it."""
        first = int((self.root / "data" / "postmaster.pid").read_text("ascii").split()[0])
        all_of_it = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split())]
        os.kill(first, signal.SIGKILL)
        self._process.wait(_SECONDS)
        while any(map(_lives, all_of_it)):  # its children see that it is gone, and end by themselves
            time.sleep(0.01)
        # Where nobody takes note of its end, as in many containers, its number still stands for a process.
        for noted in (self.root / "data" / "postmaster.pid", *self.root.glob(".s.PGSQL.*.lock")):
            noted.unlink()

    def run(self, name: str, *arguments: str) -> None:
        """Run a program of the server on its directory. What it says goes to a file: the server keeps what pg_ctl gave it open."""
        with (self.root / "said").open("w+b") as said:
            done = subprocess.run(
                [str(program(name)), "-D", str(self.root / "data"), *arguments],
                cwd=self.root,
                user=self._user,
                check=False,
                timeout=2 * _SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            said.seek(0)
            if done.returncode != 0:
                raise DemoFailed(f"{name} failed: {said.read().decode(errors='replace')[-600:]}")


@contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    """A server that runs, in a temporary directory, and is gone at the end."""
    require()
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
