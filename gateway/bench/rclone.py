"""`rclone` with a crypt remote over SFTP: quick and widely used, though it neither signs nor speaks OpenPGP.

Sealed and sent by one `rclone copy`, and opened at the other end by another one out of the landing. Raises BenchVoid where
rclone fails. Where it is not installed there is no such contestant.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.bench.contract import BenchFile, BenchVoid
from gateway.bench.files import names_of
from gateway.bench.server import Server

_TRANSFERS: Final = 4
"""rclone's own default."""


def is_installed() -> bool:
    return shutil.which("rclone") is not None


class Rclone:
    """`rclone copy` to a crypt remote, and from it."""

    name: Final = "rclone crypt"
    most_files: Final = None

    def __init__(self, root: Path, server: Server) -> None:
        self._out, self._in, self._server = root / "out", root / "in", server
        obscured = subprocess.run(
            ["rclone", "obscure", "a password for the bench"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self._environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root),
            "RCLONE_CONFIG": str(root / "rclone.conf"),
            "RCLONE_CONFIG_THERE_TYPE": "sftp",
            "RCLONE_CONFIG_THERE_HOST": "127.0.0.1",
            "RCLONE_CONFIG_THERE_PORT": str(server.port),
            "RCLONE_CONFIG_THERE_USER": server.user,
            "RCLONE_CONFIG_THERE_KEY_FILE": str(server.key),
            "RCLONE_CONFIG_THERE_KNOWN_HOSTS_FILE": str(server.known_hosts),
            "RCLONE_CONFIG_THERE_DISABLE_HASHCHECK": "true",
            "RCLONE_CONFIG_SEALED_TYPE": "crypt",
            "RCLONE_CONFIG_SEALED_REMOTE": f"there:{server.landing}",
            "RCLONE_CONFIG_SEALED_PASSWORD": obscured,
            "RCLONE_CONFIG_LANDED_TYPE": "crypt",
            "RCLONE_CONFIG_LANDED_REMOTE": str(server.landing),
            "RCLONE_CONFIG_LANDED_PASSWORD": obscured,
        }

    def prepare(self, files: Sequence[BenchFile]) -> None:
        self.clear()
        self._out.mkdir(parents=True)
        (self._out.parent / "rclone.conf").touch()
        for file in files:
            shutil.copyfile(file.path, self._out / file.name)

    def carry(self) -> None:
        self._copy(str(self._out), "sealed:")
        self._copy("landed:", str(self._in))

    def _copy(self, source: str, target: str) -> None:
        command = ["rclone", "copy", "--transfers", str(_TRANSFERS), source, target]
        done = subprocess.run(
            command, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise BenchVoid(f"rclone failed: {done.stderr.decode(errors='replace')[-300:]}")

    def delivered(self) -> Mapping[str, str]:
        return dict(names_of(self._in))

    def clear(self) -> None:
        for directory in (self._out, self._in):
            shutil.rmtree(directory, ignore_errors=True)
        for path in self._server.landing.iterdir():
            path.unlink()
