"""Renders one payload into a directory, in a reader of the sandbox, so that somebody can look at it: the counterpart of a validator.

It writes into the directory that its plan names, and nowhere else. What it cannot show is a finding of the report: a PDF or a document
that nobody has validated, or a number of a record that there is not. Raises DiskFailed where it cannot read or write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.domain.shown import META, Shown, to_bytes
from gateway.errors import DiskFailed
from gateway.validation.contract import Finding, Report
from gateway.validation.showing.pieces import Pieces
from gateway.validation.showing.unshowable import Unshowable

PICTURES: Final = "laid"
TABLE: Final = "extract"


class Renderer:
    """Shows files of `flow` from the record or page `first` on, into the directory `into`."""

    def __init__(self, schema_root: Path, flow: str, into: str, first: int) -> None:
        self._schema_root = schema_root
        self._flow = flow
        self._pieces = Pieces(Path(into))
        self._first = first

    def validate(self, path: Path) -> Report:
        """Render the file. The report has no findings where that was done."""
        try:
            shown = self._render(path)
            self._pieces.write(META, to_bytes(shown))
        except Unshowable as error:
            return Report(None, (Finding("unshowable", "file", str(error)),), 1)
        except OSError as error:
            raise DiskFailed("what is to be shown cannot be read or written") from error
        return Report(shown.schema)

    def _render(self, path: Path) -> Shown:
        # ruff: noqa: PLC0415 - each engine is loaded only for its own kind of file
        if self._flow == PICTURES:
            from gateway.validation.showing.pictures import pictures

            return pictures(path, self._pieces, self._first)
        if self._flow == TABLE:
            from gateway.validation.showing.tables import table

            return table(path, self._pieces, self._first, self._schema_root)
        from gateway.validation.showing.forms import form

        return form(path, self._pieces, self._first, self._schema_root, self._flow)
