"""Where a ledger lies: the path of SQLite's file, or the URL of a PostgreSQL database. Pure."""

from __future__ import annotations

from pathlib import Path

Place = Path | str
"""A file's path, or `postgresql://HOST/DATABASE`, which has no password in it (`settings.ledger`)."""
