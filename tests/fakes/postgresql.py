"""A PostgreSQL server of Debian's package, for a test: its own directory, reached by a socket there and in no other way."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
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


@contextmanager
def server() -> Iterator[str]:
    """A running server, as a URL for `[load] database`; skips the test where there is none."""
    programs = {name: program(name) for name in ("initdb", "pg_ctl")}
    if None in programs.values():
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    user = _user()
    root = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    try:
        if user is not None:
            os.chown(root, pwd.getpwnam(user).pw_uid, -1)
        data = root / "data"
        role = user or pwd.getpwuid(os.getuid()).pw_name
        run = [
            str(programs["initdb"]),
            "-D",
            str(data),
            "-A",
            "trust",
            "-U",
            role,
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
        ]
        _run(run, root, user)
        options = f"-c listen_addresses= -c unix_socket_directories={root} -c shared_buffers=16MB -c fsync=off"
        control = [str(programs["pg_ctl"]), "-D", str(data), "-w", "-t", str(_SECONDS)]
        _run([*control, "-l", str(root / "log"), "-o", options, "start"], root, user)
        try:
            yield f"postgresql:///postgres?host={root}&user={role}"
        finally:
            _run([*control, "-m", "immediate", "stop"], root, user)
    finally:
        shutil.rmtree(root)


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
