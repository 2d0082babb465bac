"""Build the Debian package: `make deb`. A staged tree, and `dpkg-deb` over it (docs/adr/0057).

The package fits the Debian that it is built on: its libraries are those of `/usr/bin/python3`, by the hashes of the lock. Whoever
builds the same commit twice gets the same bytes: times are those of SOURCE_DATE_EPOCH, else of the commit, a
tarball's too.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from email.parser import Parser
from pathlib import Path
from typing import Final

from click.shell_completion import BashComplete, ZshComplete
from manual import pages

from gateway.cli import COMPLETE, gateway

ROOT: Final = Path(__file__).resolve().parents[1]
PYTHON: Final = "/usr/bin/python3"
LIBRARY: Final = "usr/lib/gateway"
UNITS: Final = ("service", "target", "timer")
PROGRAM: Final = f"""#!/{LIBRARY}/bin/python
import sys

from gateway.cli import main

sys.exit(main())
"""


def build(out: Path) -> Path:
    """The package's file. CalledProcessError where a step fails; its own words are on stderr."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or _time_of_source()
    os.environ["SOURCE_DATE_EPOCH"] = epoch
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="gateway-deb-") as scratch:
        tree = Path(scratch, "tree")
        built = _environment(tree, Path(scratch))
        version = debian_version(built)
        _manual(tree / "usr/share", built, time.strftime("%Y-%m-%d", time.gmtime(int(epoch))))
        _completion(tree / "usr/share")
        _documentation(tree / "usr/share/doc/gateway")
        _system(tree / "usr/lib")
        package = out / f"gateway_{version}_{_output('dpkg', '--print-architecture')}.deb"
        _control(tree, version)
        out.mkdir(parents=True, exist_ok=True)
        _run("dpkg-deb", "--root-owner-group", "-Zzstd", "--build", tree, package)
        return package


def _time_of_source() -> str:
    """The time of the commit. Every file of `git archive` has it too, so a tarball makes the same bytes as a clone."""
    if (ROOT / ".git").exists():
        return _output("git", "-c", f"safe.directory={ROOT}", "log", "-1", "--format=%ct")
    return str(int((ROOT / "pyproject.toml").stat().st_mtime))


def debian_version(version: str) -> str:
    """A version of Python's as Debian orders them: what comes before a release is less than it."""
    return re.sub(r"\.?(a|b|rc|dev)(?=\d)", r"~\1", version)


def _environment(tree: Path, scratch: Path) -> str:
    """The program and its libraries as a virtual environment of the installed machine; the program's own version."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch)
    (wheel,) = scratch.glob("*.whl")
    python = _output(PYTHON, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])")
    home = tree / LIBRARY
    packages = home / "lib" / python / "site-packages"
    # Copies: a cache's files with other names would get the package's modes.
    install = (
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        PYTHON,
        "--target",
        packages,
        "--link-mode=copy",
        "--no-build",
    )
    _run(*install, "--require-hashes", "-r", ROOT / "requirements" / "timestamps.txt")
    _run(*install, "--no-deps", wheel)
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for pattern in ("*.dist-info/direct_url.json", "*.dist-info/uv_*.json", "*.dist-info/RECORD", ".lock"):
        for path in packages.glob(pattern):  # they tell of the machine that built it
            path.unlink()
    # A hash instead of a time, and not looked at: the files are the package's, and nobody else's to change.
    compiled = ("compileall", "-q", "-j0", "--invalidation-mode=unchecked-hash", "-s", tree, "-p", "/", packages)
    _run(PYTHON, "-m", *compiled)
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(f"/usr/bin/{python}")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", "ascii")
    program = home / "bin" / "gateway"
    program.write_text(PROGRAM, "ascii")
    program.chmod(0o755)
    (tree / "usr/bin").mkdir()
    (tree / "usr/bin/gateway").symlink_to("../lib/gateway/bin/gateway")
    (metadata,) = packages.glob("gateway-*.dist-info/METADATA")
    return str(Parser().parsestr(metadata.read_text("utf-8"))["Version"])


def _manual(share: Path, version: str, day: str) -> None:
    directory = share / "man/man1"
    directory.mkdir(parents=True)
    for name, text in pages(gateway, version, day).items():
        _gzip(directory / f"{name}.gz", text.encode())


def _completion(share: Path) -> None:
    """What asks the program itself at each press of the key, so it knows what the program knows."""
    for kind, path in (
        (BashComplete, "bash-completion/completions/gateway"),
        (ZshComplete, "zsh/vendor-completions/_gateway"),
    ):
        target = share / path
        target.parent.mkdir(parents=True)
        target.write_text(kind(gateway, {}, "gateway", COMPLETE).source(), "utf-8")


def _documentation(directory: Path) -> None:
    """README and docs/, beside one another as their links have it, and what they name."""
    named = (
        "README.md",
        "SECURITY.md",
        "docs/**/*",
        "config/**/*",
        "spool/*.md",
        "systemd/nodes/*",
        "tools/verify_evidence.py",
    )
    for path in sorted({path for pattern in named for path in ROOT.glob(pattern)}):
        if path.suffix in {".md", ".svg", ".json", ".toml", ".yml"} or path.parent.name in {"tools", "nodes"}:
            target = directory / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    _gzip(directory / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())
    (directory / "copyright").write_text(
        "The gateway, and libraries of others below /usr/lib/gateway: each one's licence lies in its directory *.dist-info.\n",
        "ascii",
    )


def _system(lib: Path) -> None:
    """Units, accounts and directories."""
    for name in ("systemd/system", "sysusers.d", "tmpfiles.d"):
        (lib / name).mkdir(parents=True)
    for path in _units():
        shutil.copyfile(path, lib / "systemd/system" / path.name)
    for kind in ("sysusers", "tmpfiles"):
        shutil.copyfile(ROOT / "systemd" / f"gateway.{kind}.conf", lib / f"{kind}.d" / "gateway.conf")


def _control(tree: Path, version: str) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    values = {
        "VERSION": version,
        "ARCHITECTURE": _output("dpkg", "--print-architecture"),
        "PYTHON": (tree / LIBRARY / "bin/python").readlink().name,
        "SIZE": str(sum(-(-path.stat().st_size // 1024) for path in files)),
        "UNITS": " ".join(path.name for path in _units()),
    }
    digests = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in files
    ]
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "md5sums").write_text("".join(digests), "utf-8")
    for name in ("control", "postinst", "prerm", "postrm"):
        text = re.sub("@([A-Z]+)@", lambda found: values[found[1]], (ROOT / "debian" / name).read_text("utf-8"))
        (control / name).write_text(text, "utf-8")
        (control / name).chmod(0o644 if name == "control" else 0o755)


def _units() -> list[Path]:
    return sorted(path for kind in UNITS for path in (ROOT / "systemd").glob(f"*.{kind}"))


def _gzip(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, mtime=0))


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def _output(*command: str) -> str:
    return subprocess.run(
        command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    chosen = parser.parse_args()
    try:
        print(build(chosen.out.absolute()))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
