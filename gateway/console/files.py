"""What a page hands out as a file: CSV line by line, and a PDF. Raises nothing of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from starlette.responses import Response, StreamingResponse

from gateway.domain.spreadsheets import guarded

MOST_LINES: Final = 100_000
"""Of a CSV file."""


def csv_file(name: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A table (RFC 4180, UTF-8). A cell that a spreadsheet would take for a formula has a ' before it."""
    return StreamingResponse(
        _lines(headings, rows), media_type="text/csv; charset=utf-8", headers=_attached(f"{name}.csv")
    )


def pdf_file(name: str, content: bytes) -> Response:
    """A page for paper."""
    return Response(content, media_type="application/pdf", headers=_attached(f"{name}.pdf"))


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _lines(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield _line(headings)
    for cells in rows:
        yield _line(cells)


def _line(cells: Sequence[object]) -> str:
    made = io.StringIO()
    csv.writer(made).writerow([_cell(cell) for cell in cells])
    return made.getvalue()


def _cell(value: object) -> object:
    return guarded(value) if isinstance(value, str) else value
