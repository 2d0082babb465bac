"""What a site's ledger and disk hold, read from outside while the site runs: quicker than a command for each look."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.acceptance.sites import Site, wait_until


def rows(site: Site, query: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a query, as dicts."""
    with closing(sqlite3.connect(f"file:{site.home.ledger}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, values)]


def transfer_states(site: Site, direction: str = "out") -> dict[str, str]:
    """The state of every transfer of a direction, by file name."""
    found = rows(site, "SELECT name, state FROM transfers WHERE direction = ?", direction)
    return {row["name"]: row["state"] for row in found}


def state_of(site: Site, consignment: str, direction: str) -> str | None:
    """The state of a consignment."""
    found = rows(site, "SELECT state FROM consignments WHERE id = ? AND direction = ?", consignment, direction)
    return found[0]["state"] if found else None


def quarantined(site: Site, sha256: str, stem: str = "%", seconds: float = 90.0) -> dict[str, Any]:
    """The entry of the file with those bytes, once it is locked away."""

    def look() -> list[dict[str, Any]]:
        query = "SELECT * FROM quarantine WHERE sha256 = ? AND consignment LIKE ? ORDER BY received DESC"
        return rows(site, query, sha256, stem)

    try:
        found = wait_until(look, seconds, "quarantine")
    except AssertionError as error:
        raise AssertionError(f"{error}; the log ends\n{site.log_text()[-3000:]}") from None
    return dict(found[0])


def files_below(*directories: Path) -> Iterator[Path]:
    """Every entry below the directories that is no directory, hidden ones too."""
    for directory in directories:
        yield from (path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())


def holding(words: bytes, *directories: Path) -> list[Path]:
    """The regular files below the directories in which these bytes occur."""
    found = []
    for path in files_below(*directories):
        try:
            if path.is_file() and not path.is_symlink() and words in path.read_bytes():
                found.append(path)
        except FileNotFoundError:
            continue  # it was being worked on
    return found
