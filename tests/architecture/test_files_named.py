"""Files of Python that pages, docstrings and comments name are there: whoever follows a name finds it."""

from __future__ import annotations

import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
NAMED: Final = re.compile(r"(?<![\w.*/{}-])(?:[\w-]+/)*[a-z0-9_]+\.py\b")
"""`stages/itinerary.py` or `supervisor.py`; nothing with a star or a placeholder (`NAME.py`) in it."""
OF_OTHERS: Final = frozenset({"setup.py"})
"""Names of files that are not ours."""


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def prose(path: Path) -> Iterator[str]:
    """The text of a page; of a program, its comments and its texts of several words (docstrings, above all)."""
    if path.suffix != ".py":
        yield path.read_text("utf-8")
        return
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and '"""' in token.string):
                yield token.string


def unknown(text: str, known: frozenset[str]) -> set[str]:
    """The names in a text that are the end of no path."""
    return {name for name in NAMED.findall(text) if name not in known and name not in OF_OTHERS}


def ends(paths: list[str]) -> frozenset[str]:
    """Each path, and each of its ends: `gateway/stages/context.py` may be called `stages/context.py` or `context.py`."""
    parts = [path.split("/") for path in paths]
    return frozenset("/".join(each[start:]) for each in parts for start in range(len(each)))


def test_every_file_that_is_named_exists() -> None:
    files = tracked()
    known = ends(files)
    # Decisions may speak of files as they were.
    speakers = [name for name in files if name.endswith((".md", ".py")) and not name.startswith("docs/adr/")]
    assert len(speakers) > 300
    missing = {
        name: gone for name in speakers if (gone := set().union(*(unknown(t, known) for t in prose(ROOT / name))))
    }
    assert missing == {}


def test_a_name_of_nothing_is_noticed() -> None:
    known = ends(["gateway/stages/context.py"])
    assert unknown("see `stages/context.py`, context.py and gateway/stages/context.py", known) == set()
    assert unknown("see `spool/context.py` and leash.py", known) == {"spool/context.py", "leash.py"}
