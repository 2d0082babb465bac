"""Sites that are created once in a run of the tests, through the command line, and are copied: creating one takes seconds.

A copy is a whole site of its own: another directory, another port, the same keys.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

_NOT_COPIED = shutil.ignore_patterns("S.*", "*.lock", "*.bell", "agent.*")


class Moulds:
    """The created sites of a run. Outside a run nothing keeps them, and every site is created anew."""

    def __init__(self) -> None:
        self._directory: Path | None = None

    def keep_in_run(self, factory: pytest.TempPathFactory) -> None:
        """Keep them where all processes of this run find them."""
        base = factory.getbasetemp()
        self._directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "moulds"
        self._directory.mkdir(exist_ok=True)

    def create(self, name: str, make: Callable[[Path], object]) -> Path | None:
        """The directory in which `make` made sites, in this process or in another one; None outside a run."""
        if self._directory is None:
            return None
        root = self._directory / name
        with (self._directory / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (root / "complete").exists():
                shutil.rmtree(root, ignore_errors=True)
                root.mkdir()
                make(root)
                (root / "complete").touch()
        return root


MOULDS = Moulds()


def copy_sites(created: Path, root: Path, ports: Mapping[str, int]) -> None:
    """Copy the sites with these codes below `root`, each to its new port, also in what the others know of it."""
    moved = {_port_of(created / code): port for code, port in ports.items()}
    for code in ports:
        home = root / code
        shutil.copytree(created / code, home, symlinks=True, ignore=_NOT_COPIED)
        for path in (home / "config" / "gateway.toml", *home.glob("config/partners.d/*.toml")):
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"(?m)^port = (\d+)", lambda found: f"port = {moved.get(int(found[1]), found[1])}", text)
            path.write_text(text, encoding="utf-8")


def _port_of(home: Path) -> int:
    found = re.search(r"(?m)^port = (\d+)", (home / "config" / "gateway.toml").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1])
