"""A release: version, change log, tag and bill of materials agree, and `make release` tags nothing where they do not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools import release, sbom

ROOT = Path(__file__).resolve().parents[2]
LOG = "# Changes\n\n## {heading}\n\n- All of it.\n\n### Upgrading\n\nNothing is to be done.\n"


def test_version_and_change_log_agree_and_a_tag_on_this_commit_says_the_same() -> None:
    assert list(release.disagreements(ROOT)) == []
    if shutil.which("git") is None:
        return
    tags: list[str] = []
    with suppress(subprocess.CalledProcessError):  # a tarball, or a clone that is another account's
        tags = release.git(ROOT, "tag", "--points-at", "HEAD", "--list", "v[0-9]*").split()
    assert set(tags) <= {f"v{release.version_of(ROOT)}"}


def test_program_says_the_version_of_its_source() -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-m", "gateway", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout == f"gateway, version {release.version_of(ROOT)}\n"


# -- the bill of materials


def test_bill_of_materials_is_fresh_and_valid_by_the_schema_of_its_format() -> None:
    text = sbom.SBOM.read_text("utf-8")
    assert text == sbom.write()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_bill_of_materials_has_every_locked_package_with_its_licence_and_hashes_and_names_no_place() -> None:
    text = sbom.SBOM.read_text("utf-8")
    # The Debian package is installed by the second.
    locks = (sbom.LOCK, sbom.EXTRA)
    lock = {wanted.name: hashes for path in locks for wanted, hashes in sbom.locked(path.read_text("utf-8"))}
    parts = {part["name"]: part for part in json.loads(text)["components"]}
    assert parts.keys() == {*lock, *sbom.DEBIAN, json.loads(sbom.VENDORED.read_bytes())["package"]}
    for name, hashes in lock.items():
        (files,) = parts[name]["externalReferences"]
        assert sorted(each["content"] for each in files["hashes"]) == sorted(hashes)
        assert files["url"] == parts[name]["purl"]
    assert all(part["licenses"] for part in parts.values())
    needed = {"gnupg", "openssh-server"}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert needed <= set(makefile.partition("\nPACKAGES := ")[2].partition("\n")[0].split())
    assert needed < sbom.DEBIAN.keys()
    assert text.count("://") == 1  # the name of its format


def test_lock_of_another_version_than_is_installed_makes_no_bill(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "run.txt"
    other.write_text("click==1.0 \\\n    --hash=sha256:aa\n", "utf-8")
    monkeypatch.setattr(sbom, "LOCK", other)
    assert sbom.main(["--check"]) == 1


# -- the tag


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str, str], Path]:
    """A repository of that version and heading, whose bill of materials is always right."""

    def make(version: str, heading: str) -> Path:
        (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n', "utf-8")
        (tmp_path / "CHANGELOG.md").write_text(LOG.format(heading=heading), "utf-8")
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools" / "sbom.py").write_text("", "utf-8")
        release.git(tmp_path, "init", "--quiet")
        for key, value in (
            ("user.name", "test"),
            ("user.email", "test@example.org"),
            ("commit.gpgsign", "false"),
            ("tag.gpgsign", "false"),
        ):
            release.git(tmp_path, "config", key, value)
        release.git(tmp_path, "add", "--all")
        release.git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "all of it")
        return tmp_path

    return make


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="makes a repository, which takes git")


@needs_git
def test_commit_where_all_agrees_is_tagged_once(project: Callable[[str, str], Path]) -> None:
    root = project("0.1.0", "0.1.0 (2026-12-01)")
    assert release.main(["--check"], root) == 0
    assert release.git(root, "tag") == ""
    assert release.main([], root) == 0
    assert release.git(root, "tag") == "v0.1.0"
    assert release.main([], root) == 1


@needs_git
@pytest.mark.parametrize(
    ("version", "heading", "said"),
    [
        ("0.1.0", "Unreleased: 0.1.0", "it should read `X.Y.Z (YYYY-MM-DD)`"),
        ("0.1.0", "0.2.0 (2026-12-01)", "CHANGELOG.md begins with"),
        ("0.1.0.dev0", "Unreleased: 0.1.0", "which is not a release"),
        ("0.1.0", "0.1.0 (2026-12-01)", "not committed: new.py"),
    ],
)
def test_commit_where_something_does_not_agree_is_not_tagged(
    project: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str], version: str, heading: str, said: str
) -> None:
    root = project(version, heading)
    if "new.py" in said:
        (root / "new.py").touch()
    assert release.main([], root) == 1
    assert said in capsys.readouterr().err
    assert release.git(root, "tag") == ""


def test_tarball_is_told_that_a_release_takes_a_clone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n', "utf-8")
    (tmp_path / "CHANGELOG.md").write_text(LOG.format(heading="0.1.0 (2026-12-01)"), "utf-8")
    assert release.main(["--check"], tmp_path) == 1
    assert "this is no git repository" in capsys.readouterr().err


@needs_git
def test_release_that_says_nothing_to_upgraders_is_noticed(project: Callable[[str, str], Path]) -> None:
    root = project("0.1.0", "0.1.0 (2026-12-01)")
    log = root / "CHANGELOG.md"
    log.write_text(log.read_text("utf-8").replace("### Upgrading", "### Other"), "utf-8")
    (found,) = release.disagreements(root)
    assert "has no part `### Upgrading`" in found


def test_wheel_has_its_bill_of_materials_where_scanners_look() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["sbom-files"] == ["gateway/sbom.cdx.json"]
