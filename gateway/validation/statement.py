"""Checks daily statements: the form and the content, by `domain.statement`. Raises nothing for what a file can hold.

Whose signature it is, only the vault can tell, which holds the certificates: it looks before the file gets here.
"""

from __future__ import annotations

from pathlib import Path

from gateway.domain.statement import MAX_BYTES, read
from gateway.errors import ContentInvalid
from gateway.validation.contract import Finding, Report


class StatementValidator:
    """Checks files of the flow `statement` (contract `Validator`). Facts: the `site` and the `day`."""

    def validate(self, path: Path) -> Report:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        try:
            statement = read(content)
        except ContentInvalid as error:
            return Report(None, (Finding(error.finding, "statement", error.reason),), 1)
        return Report(f"statement/{statement.format}.0", facts={"site": statement.site, "day": statement.day})
