"""Text for a cell that people may open with a spreadsheet (OWASP, "CSV Injection")."""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet takes for a formula, full-width forms included."""


def guarded(text: str) -> str:
    """The text, with a ' before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
