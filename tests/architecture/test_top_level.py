"""The top level of the repository: what lies there, that it is packaged, and that the unit would start."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from gateway.console.rooms import desk_aids

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ("schemas", "config", "spool")


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


def test_the_directories_of_the_design_are_there() -> None:
    for name in ("gateway", "schemas", "config", "spool", "tests", "systemd", "requirements"):
        assert (ROOT / name).is_dir(), name
    for name in ("pyproject.toml", "Makefile", "README.md", ".ci/run"):
        assert (ROOT / name).is_file(), name
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_spool_shows_the_whole_tree_with_a_desk_aid() -> None:
    trees = {path.name for path in (ROOT / "spool").iterdir() if path.is_dir()}
    assert trees == {"outbound", "returned", "receipts", "inbound", "outcomes"}
    text = (ROOT / "spool" / "README.md").read_text("utf-8")
    assert all(f"`{tree}/FLOW/PARTNER/`" in text for tree in trees)


def test_the_locks_hold_hashes_and_no_addresses() -> None:
    for name in ("run.txt", "dev.txt", "uv.txt"):
        text = (ROOT / "requirements" / name).read_text("utf-8")
        assert "://" not in text, name
        assert not re.search(r"^--?[a-z]", text, re.MULTILINE), name
        pinned = re.findall(r"^[a-z0-9][\w.-]*==\S+", text, re.MULTILINE)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)


@pytest.mark.skipif(os.geteuid() != 0, reason="closes a directory to other accounts, which takes root")
def test_root_sets_up_with_a_python_that_other_accounts_can_run_or_is_told() -> None:
    known = Path(sys.executable).resolve()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # where other accounts may pass, unlike pytest's own
        root = Path(name)
        root.chmod(0o755)
        for directory in ("closed", "open", "tools"):
            (root / directory).mkdir()
        for tool in ("setpriv", "id", "sh"):
            (root / "tools" / tool).symlink_to(shutil.which(tool) or tool)
        (root / "closed" / "python3.13").symlink_to(known)
        (root / "open" / "python3.11").symlink_to("/usr/bin/python3")
        (root / "closed").chmod(0o700)
        script = str(ROOT / "requirements" / "find_python.sh")
        alone = run(script, PATH=f"{root}/closed:{root}/tools")
        assert alone.stdout == f"{root}/closed/python3.13\n"
        assert "other accounts cannot run it" in alone.stderr
        if (
            subprocess.run(
                ["/usr/bin/python3", "-c", "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"], check=False
            ).returncode
            == 0
        ):
            found = run(script, PATH=f"{root}/closed:{root}/open:{root}/tools")
            assert (found.stdout, found.stderr) == (f"{root}/open/python3.11\n", "")


def test_make_explains_itself_and_ci_calls_it() -> None:
    told = run("make", "help")
    assert told.returncode == 0, told.stderr
    assert {"setup", "demo", "test"} <= set(re.findall(r"make (\w+)", told.stdout))
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_a_wheel_brings_its_files_along(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    script = (
        f"from gateway.settings.resources import resource; print(*[resource(name) for name in {PACKAGED}]);"
        "from gateway.validation.extract.compiled import library; print(library() is not None)"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
    )
    *directories, compiled = found.stdout.split()
    assert directories == [str(unpacked / "gateway" / "_data" / name) for name in PACKAGED]
    assert compiled == str(shutil.which("cc") is not None)
    assert wheel.name.endswith("-py3-none-any.whl") == (compiled == "False")
    for name in ("console/templates", "console/static"):
        files = {path.relative_to(ROOT / "gateway" / name) for path in (ROOT / "gateway" / name).rglob("*.*")}
        assert files == {
            path.relative_to(unpacked / "gateway" / name) for path in (unpacked / "gateway" / name).rglob("*.*")
        }
    for name in PACKAGED:
        ours = {path.relative_to(ROOT / name) for path in (ROOT / name).rglob("*") if path.is_file()}
        theirs = unpacked / "gateway" / "_data" / name
        assert ours == {path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file()}
    for name in desk_aids.files():
        assert (unpacked / "gateway" / "_data" / "docs" / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


def test_the_unit_gives_the_daemon_no_more_than_it_needs() -> None:
    text = (ROOT / "systemd" / "gateway.service").read_text("utf-8")
    for line in (
        "User=gateway",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "CapabilityBoundingSet=CAP_LEASE",
        "LimitCORE=0",
        "SystemCallArchitectures=native",
    ):
        assert line in text.splitlines(), line
