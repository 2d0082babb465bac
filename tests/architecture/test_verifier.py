"""The verifier of evidence owes the gateway nothing: anybody can read it through, and run it without this program."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "verify_evidence.py"


def test_it_is_one_short_file_of_the_standard_library() -> None:
    text = TOOL.read_text("utf-8")
    assert sum(bool(line.strip()) for line in text.splitlines()) < 250  # blank lines are not counted
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported <= sys.stdlib_module_names
    assert "import_module" not in text
    assert "__import__" not in text
