"""A Python with the gateway in it that any account can run, wherever the checkout and its interpreter lie.

A developer's checkout, or an interpreter in somebody's home, is often closed to other accounts. Then a virtual environment is
made from an interpreter of the same version that is open, with everything else linked (or copied) beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TRIAL = "import gateway.daemon.role_process, lxml, paramiko, pikepdf; assert __import__('sys').version_info[:2] == {version}"


def anybodys_python(where: Path, uid: int, gid: int) -> Path | None:
    """The interpreter, below `where` if it had to be made; None where there is no open one of this version."""
    if _works(Path(sys.executable), uid, gid):
        return Path(sys.executable)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for base in (Path(sys.executable).resolve(), Path(f"/usr/bin/python{version}"), Path("/usr/bin/python3")):
        if not _runs(base, uid, gid, "pass"):
            continue
        made = where / "python"
        subprocess.run([base, "-m", "venv", "--without-pip", "--clear", made], check=True, capture_output=True)
        packages = next((made / "lib").glob("python*/site-packages"))
        shutil.copytree(
            sysconfig.get_path("purelib"),
            packages,
            dirs_exist_ok=True,
            copy_function=_link,
            symlinks=True,
            ignore=shutil.ignore_patterns("__editable__*", "_gateway*", "gateway*.pth", "__pycache__"),
        )
        project = where / "checkout"
        for name in ("gateway", "schemas", "config", "spool"):
            shutil.copytree(
                ROOT / name, project / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        (packages / "checkout.pth").write_text(f"{project}\n", encoding="utf-8")
        if _works(made / "bin" / "python", uid, gid):
            return made / "bin" / "python"
    return None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _works(python: Path, uid: int, gid: int) -> bool:
    return _runs(python, uid, gid, _TRIAL.format(version=sys.version_info[:2]))


def _runs(python: Path, uid: int, gid: int, script: str) -> bool:
    try:
        done = subprocess.run(
            [python, "-c", script], capture_output=True, check=False, cwd="/", user=uid, group=gid, extra_groups=[]
        )
    except OSError:
        return False
    return done.returncode == 0
