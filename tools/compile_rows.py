#!/usr/bin/env python3
"""Compile what reads the rows of an extract (`gateway/validation/extract/accept_rows.c`), if there is a C compiler.

`make setup` runs it, and so does the build of a wheel or an installation in place, as hatchling's hook. It needs no header of
Python's: the library is plain C. Without a compiler everything else is installed as usual, and extracts are read by Python alone.
CC and CFLAGS are taken from the environment, as builders of packages expect it. Beside the library lies the digest of its bytes:
a process that maps a library which was cut short is killed by it, so its bytes are compared first.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "gateway/validation/extract/accept_rows.c"
LIBRARY = "gateway/validation/extract/accept_rows.so.1"
DIGEST = f"{LIBRARY}.sha256"
FLAGS = (
    *("-std=c99", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC"),
    *("-fstack-protector-strong", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"),
)


def compile_rows(root: Path, library: Path | None = None) -> bool:
    """Put the library in its place, whole or not at all; False, and a word on stderr, where that cannot be done."""
    target = library or root / LIBRARY
    source = root / SOURCE
    digest = f'-DSOURCE="{hashlib.sha256(source.read_bytes()).hexdigest()}"'
    command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS, digest, *shlex.split(os.environ.get("CFLAGS", ""))]
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".compiled-") as scratch:
            made = Path(scratch, target.name)
            subprocess.run([*command, "-o", str(made), str(source)], check=True, stdin=subprocess.DEVNULL)
            digest_made = Path(scratch, "digest")
            digest_made.write_text(hashlib.sha256(made.read_bytes()).hexdigest() + "\n", "ascii")
            for path in (made, digest_made):
                _sync(path)
            # The digest first: where this ends in between, the library is the older one, and `make` does it again.
            digest_made.replace(target.with_name(f"{target.name}.sha256"))
            made.replace(target)
            _sync(target.parent)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"not compiled ({error}): extracts will be read by Python, several times as slowly", file=sys.stderr)
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RowsHook(BuildHookInterface[Any]):
    """A wheel with the library is one for this machine's architecture and any Python; without it, one for all."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        if compile_rows(Path(self.root)):
            build_data["artifacts"] += [LIBRARY, DIGEST]
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


if __name__ == "__main__":
    compile_rows(Path(__file__).resolve().parents[1])
