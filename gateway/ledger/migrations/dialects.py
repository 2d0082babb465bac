"""How migrations say to PostgreSQL what they say to SQLite. The text that SQLite gets never changes: an audit compares it."""

from __future__ import annotations

import re
from typing import Any, Final

from alembic import op
from sqlalchemy import text

_RULES: Final = (
    (re.compile(r"\bIS (?=\d)"), "= "),  # of columns that are never null: so an index of some rows answers a comparison
    (re.compile(r"\bIS NOT (?!NULL|DISTINCT)"), "IS DISTINCT FROM "),
    (re.compile(r"\bIS (?!NOT|NULL|DISTINCT)"), "IS NOT DISTINCT FROM "),
)


def is_sqlite() -> bool:
    """Whether it is SQLite that is migrated. No other database has rows from before migration 0014."""
    return op.get_bind().dialect.name == "sqlite"


def as_postgresql(condition: str) -> str:
    """A condition with SQLite's IS between values."""
    for rule, instead in _RULES:
        condition = rule.sub(instead, condition)
    return condition


def rule(condition: str) -> str:
    """A condition as the database that is migrated has it."""
    return condition if is_sqlite() else as_postgresql(condition)


def where(condition: str) -> dict[str, Any]:
    """The arguments of an index that has the rows of a condition alone."""
    return {"sqlite_where": text(condition), "postgresql_where": text(as_postgresql(condition))}
