"""The house keeps its shape: modules of one job each, the field's words for names, third parties where they belong.

Which layer may import which is import-linter's work (`make check`); here is what it does not see.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

Modules = Sequence[tuple[Path, ast.Module]]

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "gateway"
MOST_LINES: Final = 300
VAGUE: Final = re.compile(
    r"(?:^|_)(?:utils?|helpers?|common|misc|manager|handler|stuff|base|core|process_data)(?:_|$)", re.IGNORECASE
)
"""Words that say nothing about what is inside."""

ALONE: Final = {
    "paramiko": "transport",
    "gnupg": "crypto",
    "lxml": "validation",
    "pikepdf": "validation",
    "xmlschema": "validation",
    "sqlalchemy": "ledger",
    "alembic": "ledger",
    "psycopg": "ledger",
    "watchdog": "spool",
    "zstandard": "archive",
    "rfc3161_client": "transport",
    "argon2": "administration",
    "pyotp": "administration",
    "pypdfium2": "validation",
}
"""Third parties, and the one part that may import each."""


SPEAKERS: Final = {
    "loading",
    "administration/credentials/store.py",
    "administration/credentials/tables.py",
}
"""Who speaks SQL beside the ledger: the reference back office, and the console's credentials, which no other role may read."""


@pytest.fixture(scope="module")
def modules() -> Modules:
    return [(path.relative_to(PACKAGE), ast.parse(path.read_text("utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))]


def imported(tree: ast.Module) -> set[str]:
    """The top-level names of everything that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def test_no_module_has_more_than_300_lines_without_a_reason_in_its_docstring(modules: Modules) -> None:
    long = {
        str(path)
        for path, tree in modules
        if len((PACKAGE / path).read_text("utf-8").splitlines()) > MOST_LINES
        and not re.search(r"\bLong because \w+", ast.get_docstring(tree) or "")
    }
    assert long == set()


def test_every_module_says_what_its_job_is(modules: Modules) -> None:
    silent = [str(path) for path, tree in modules if tree.body and not (ast.get_docstring(tree) or "").strip()]
    assert silent == []


def test_names_are_the_fields_words(modules: Modules) -> None:
    vague = []
    for path, tree in modules:
        names = [path.stem, *path.parent.parts]
        names += [
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        vague += [f"{path}: {name}" for name in names if VAGUE.search(name)]
    assert vague == []


def test_third_parties_stay_in_their_part_of_the_house(modules: Modules) -> None:
    astray = [
        f"{path} imports {name}"
        for path, tree in modules
        for name in imported(tree) & ALONE.keys()
        if path.parts[0] != ALONE[name] and not (name == "sqlalchemy" and speaker(path) in SPEAKERS)
    ]
    # Sample data are made, not read: the XML and PDF writers lie with the samplers.
    assert [found for found in astray if not found.startswith("sample/")] == []


def speaker(path: Path) -> str:
    """The part of the house; of administration, the module."""
    return str(path) if path.parts[0] == "administration" else path.parts[0]


def test_sql_is_spoken_by_three_parts_alone_each_with_a_database_of_its_own(modules: Modules) -> None:
    speakers = {speaker(path) for path, tree in modules if imported(tree) & {"sqlalchemy", "sqlite3"}}
    speakers.remove("bench")  # compares what the back office and a script made of the same files
    assert speakers == {"ledger", *SPEAKERS}


def test_one_module_alone_catches_everything(modules: Modules) -> None:
    catchers = []
    for path, tree in modules:
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = node.type
                broad = caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))
                if broad and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                    catchers.append(str(path))
    assert catchers == ["cli/__init__.py"]


def test_there_is_no_shell_and_no_pickle(modules: Modules) -> None:
    for path, tree in modules:
        assert not imported(tree) & {"pickle", "shelve", "marshal"}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                raise AssertionError(f"{path}:{node.value.lineno}: a shell")
            if isinstance(node, ast.Attribute):
                assert not (node.attr in ("system", "popen") and ast.unparse(node.value) == "os"), path


def test_the_layers_that_import_linter_keeps_name_every_part_of_the_house() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = set(re.findall(r"gateway\.(\w+)", " ".join(layers)))
    parts = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    parts |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert parts <= named
