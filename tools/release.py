#!/usr/bin/env python3
"""Tag a release, if the version, the change log, the bill of materials and the tree agree; say what does not otherwise.

`make release` runs it. The version is written in one place, pyproject.toml, so that a tarball or a clone without tags builds
the same program; the tag repeats it. With `--check` nothing is tagged. `--keep` makes the program of the newest tag the one
that `tests/acceptance/test_upgrade.py` upgrades from, and that `test_rolling_upgrade.py` has work beside this one. Exit status 1 for whatever does not agree.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.version import Version

ROOT: Final = Path(__file__).resolve().parents[1]
PREVIOUS: Final = "tests/acceptance/previous_release.tar.zst"
BESIDE: Final = "tests/acceptance/previous_beside.tar.zst"
RELEASED: Final = re.compile(r"(?P<version>\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)")
COMING: Final = re.compile(r"Unreleased: (?P<version>\d+\.\d+\.\d+)")
_KEPT: Final = ("gateway", ":!gateway/bench", ":!gateway/demo", ":!gateway/sample", "schemas", "config", "spool")
"""A site's program: what measures, shows and makes samples is not needed to have one upgraded."""
_KEPT_BESIDE: Final = (
    *(*_KEPT, ":!gateway/console", ":!gateway/loading", ":!gateway/sbom.cdx.json", ":!gateway/validation/extract/*.c"),
    "tests/crash/node_process.py",
)
"""What works beside the next release on one ledger, with the node in miniature."""


def git(root: Path, *arguments: str) -> str:
    """What git prints. CalledProcessError where it fails."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def version_of(root: Path) -> Version:
    """The version of pyproject.toml."""
    return Version(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def disagreements(root: Path) -> Iterator[str]:
    """What holds at every commit: pyproject.toml and the change log speak of one version, which says upgraders something."""
    version = version_of(root)
    log = (root / "CHANGELOG.md").read_text("utf-8")
    heading, section = next(iter(re.findall(r"(?ms)^## (.+?)\n(.*?)(?=^## |\Z)", log)), ("", ""))
    wanted = COMING if version.is_devrelease else RELEASED
    found = wanted.fullmatch(heading)
    if found is None or found["version"] != version.base_version:
        form = "`Unreleased: X.Y.Z`" if version.is_devrelease else "`X.Y.Z (YYYY-MM-DD)`"
        yield f"pyproject.toml has {version}, CHANGELOG.md begins with `{heading}`: it should read {form} of that version"
    if "\n### Upgrading\n" not in section:
        yield f"CHANGELOG.md: `{heading}` has no part `### Upgrading`; where nothing is to be done it says so"


def obstacles(root: Path) -> Iterator[str]:
    """What stands against a release of this commit besides."""
    version = version_of(root)
    if version.is_prerelease:
        yield f"pyproject.toml has {version}, which is not a release: write X.Y.Z there, then `make sbom`"
    if not (root / ".git").exists():
        yield "this is no git repository, such as a tarball: a release is tagged in a clone"
        return
    if changed := git(root, "status", "--porcelain"):
        yield f"not committed: {', '.join(line[2:].strip() for line in changed.splitlines()[:5])}"
    tags = git(root, "tag", "--list", "v[0-9]*").split()
    if tags and max(map(Version, tags)) >= version:
        yield f"{max(tags, key=Version)} is there already"
    if subprocess.run([sys.executable, str(root / "tools" / "sbom.py"), "--check"], check=False).returncode:
        yield "the bill of materials is not that of this version"


def keep(root: Path) -> str:
    """Make the newest release the previous one; its tag."""
    tag = max(git(root, "tag", "--list", "v[0-9]*").split(), key=Version)
    for name, kept in ((PREVIOUS, _KEPT), (BESIDE, _KEPT_BESIDE)):
        command = ["git", "-C", str(root), "archive", tag, *kept]
        archive = subprocess.run(command, capture_output=True, check=True).stdout
        subprocess.run(["zstd", "-q", "-f", "--ultra", "-22", "-o", str(root / name)], input=archive, check=True)
    return tag


def main(arguments: list[str], root: Path = ROOT) -> int:
    if arguments == ["--keep"]:
        print(f"{PREVIOUS} and {BESIDE} are the program of {keep(root)}")
        return 0
    found = [*disagreements(root), *obstacles(root)]
    for each in found:
        print(f"not a release: {each}", file=sys.stderr)
    if found or arguments == ["--check"]:
        return 1 if found else 0
    tag = f"v{version_of(root)}"
    git(root, "tag", "--annotate", "--message", f"Release {tag[1:]}", tag)
    print(f"{tag} is this commit. What comes next is in CONTRIBUTING.md, Make a release.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
